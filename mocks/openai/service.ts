import { chargedTokens } from '../../src/model/limiter.ts';
import { contentKey } from '../../src/model/random.ts';
import type { EmbeddingsService } from '../../src/model/services.ts';
import { hintOf } from '../../src/model/services.ts';
import { drawKeyOf } from '../draw-key.ts';
import { type Answer, type MockRequest, readJson, type Service } from '../endpoint.ts';
import type { Run } from '../runs.ts';
import { struck } from '../struck.ts';
import { goDuration } from './durations.ts';
import { invalid, missingKey, noModel, openaiError, rateLimited, wrongKey } from './errors.ts';
import { createVectorCache, type Encoding } from './vectors.ts';

/** Native vector sizes; ada takes no `dimensions` [documented]. */
const models: Record<string, number> = {
  'text-embedding-3-small': 1_536,
  'text-embedding-3-large': 3_072,
  'text-embedding-ada-002': 1_536,
};
const mostInputs = 2_048;
const parameters = ['model', 'input', 'encoding_format', 'dimensions', 'user'];

type EmbeddingsRequest = {
  model: string;
  texts: string[];
  tokens: number;
  dimensions: number;
  encoding: Encoding;
};

const isTokens = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => Number.isInteger(item));

/** The inputs as texts, and what they are charged: bytes / 4 for strings, the exact count for token arrays. */
function inputsOf(input: unknown): { texts: string[]; tokens: number } | undefined {
  if (typeof input === 'string')
    return { texts: [input], tokens: chargedTokens(Buffer.byteLength(input)) };
  if (isTokens(input)) return { texts: [input.join(' ')], tokens: input.length };
  if (!Array.isArray(input) || input.length === 0) return undefined;
  if (input.every((item) => typeof item === 'string')) {
    let bytes = 0;
    for (const text of input) bytes += Buffer.byteLength(text);
    return { texts: input, tokens: chargedTokens(bytes) };
  }
  if (!input.every(isTokens)) return undefined;
  return {
    texts: input.map((item) => item.join(' ')),
    tokens: input.reduce((sum, item) => sum + item.length, 0),
  };
}

function readRequest(body: unknown): EmbeddingsRequest | Answer {
  if (body === null || typeof body !== 'object' || Array.isArray(body))
    return invalid(
      "'$' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
    );
  const given = body as Record<string, unknown>;
  for (const name of ['model', 'input'])
    if (given[name] === undefined)
      return invalid(`Missing required parameter: '${name}'.`, 'missing_required_parameter', name);
  const unknown = Object.keys(given).find((name) => !parameters.includes(name));
  if (unknown) return invalid(`Unknown parameter: '${unknown}'.`, 'unknown_parameter', unknown);

  const { model, input, encoding_format = 'float' } = given;
  const native = typeof model === 'string' ? models[model] : undefined;
  if (native === undefined) return noModel(String(model));
  if (Array.isArray(input) && input.length > mostInputs)
    return invalid(`Invalid 'input': array length must be ${mostInputs} or less.`);
  const inputs = inputsOf(input);
  if (!inputs)
    return invalid(
      "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
    );
  if (inputs.texts.includes(''))
    return invalid("Invalid 'input': input cannot be an empty string.");
  if (encoding_format !== 'float' && encoding_format !== 'base64')
    return invalid(
      `Invalid value for 'encoding_format' = ${String(encoding_format)}. Supported values: ['float', 'base64'].`,
    );
  const { dimensions = native } = given;
  if (given.dimensions !== undefined && model === 'text-embedding-ada-002')
    return invalid('This model does not support specifying dimensions.');
  if (!Number.isInteger(dimensions) || (dimensions as number) < 1)
    return invalid(
      "Invalid 'dimensions': must be an integer greater than or equal to 1.",
      null,
      'dimensions',
    );
  if ((dimensions as number) > native)
    return invalid(
      `Invalid 'dimensions': Must be less than or equal to ${native}.`,
      null,
      'dimensions',
    );
  return {
    model: model as string,
    ...inputs,
    dimensions: dimensions as number,
    encoding: encoding_format,
  };
}

/** The six headers that come with every admitted or refused request; none where there is no such limit. */
function limitHeaders({ limiter }: EmbeddingsService, nowUs: number): Record<string, string> {
  const headers: Record<string, string> = {};
  const standings = limiter.standings(nowUs);
  // Where a day's limit is in force, the request headers describe it [recorded on the free tier].
  const requests =
    standings.find(({ name }) => name === 'rpd') ?? standings.find(({ name }) => name === 'rpm');
  const tokens = standings.find(({ name }) => name === 'tpm');
  for (const [unit, standing] of [
    ['requests', requests],
    ['tokens', tokens],
  ] as const) {
    if (!standing) continue;
    headers[`x-ratelimit-limit-${unit}`] = String(standing.limit);
    headers[`x-ratelimit-remaining-${unit}`] = String(standing.remaining);
    headers[`x-ratelimit-reset-${unit}`] = goDuration(standing.fullAgainMs);
  }
  return headers;
}

/** OpenAI's embeddings API, by key: `runOf` finds the state behind a key. */
export function openaiService(runOf: (key: string) => Run | undefined): Service {
  const serialized = createVectorCache();
  let requests = 0;

  const authenticate = ({ headers }: MockRequest): Run | Answer => {
    const key = /^Bearer (.+)$/.exec(String(headers.authorization ?? ''))?.[1];
    return key === undefined ? missingKey : (runOf(key) ?? wrongKey(key));
  };

  const embeddings = (request: MockRequest, nowMs: number): Answer => {
    const run = authenticate(request);
    if ('status' in run) return run;
    const wanted = readRequest(readJson(request));
    if ('status' in wanted) return wanted;

    const { model, texts, tokens, dimensions, encoding } = wanted;
    const nowUs = run.clockUs(nowMs);
    const key = drawKeyOf(request, () => contentKey(texts[0]!));
    const fault = run.faults.strike('embeddings', 'openai', key, nowUs);
    const service = run.embeddings(model);
    const { doneUs, refusal } = service.embed(tokens, texts.length, key, nowUs);
    const delayMs = (doneUs - nowUs) / 1_000 / run.speed;
    const headers: Record<string, string> = {
      ...limitHeaders(service, nowUs),
      'openai-model': model,
      'openai-organization': 'kneepoint',
      'openai-processing-ms': String(Math.round((doneUs - nowUs) / 1_000)),
      'openai-version': '2020-10-01',
      'x-request-id': `req_${(++requests).toString(16).padStart(32, '0')}`,
    };
    run.seen.embeddings++;
    if (refusal) {
      run.seen.rateLimited++;
      const hint = hintOf(refusal, run.lab.openai.retryAfter);
      const answer = rateLimited(model, refusal, hint, run.lab.openai.tier === 'free');
      return { ...answer, headers: { ...headers, ...answer.headers }, delayMs };
    }
    let data = '';
    for (let index = 0; index < texts.length; index++)
      data += `${index ? ',' : ''}{"object":"embedding","index":${index},"embedding":${serialized(texts[index]!, dimensions, encoding)}}`;
    // An estimate: the billed count needs the real tokenizer, and the charge is about 11 % above it [recorded].
    const body = `{"object":"list","data":[${data}],"model":"${model}","usage":{"prompt_tokens":${tokens},"total_tokens":${tokens}}}`;
    const answer: Answer = { status: 200, headers, body, delayMs };
    return fault ? struck(answer, fault, run.speed) : answer;
  };

  const list = (request: MockRequest): Answer => {
    const run = authenticate(request);
    if ('status' in run) return run;
    const data = Object.keys(models).map((id) => ({
      id,
      object: 'model',
      created: 1_705_948_997,
      owned_by: 'system',
    }));
    return { status: 200, body: JSON.stringify({ object: 'list', data }) };
  };

  return {
    endpoints: [
      { method: 'POST', path: '/v1/embeddings', answer: embeddings },
      { method: 'GET', path: '/v1/models', answer: list },
    ],
    bodyLimitBytes: 32 * 1024 * 1024,
    notFound: (method, path) =>
      openaiError(404, `Invalid URL (${method} ${path})`, 'invalid_request_error', null),
    badJson: () => invalid('We could not parse the JSON body of your request.'),
    tooLarge: () =>
      openaiError(413, 'The request body is too large.', 'invalid_request_error', null),
  };
}
