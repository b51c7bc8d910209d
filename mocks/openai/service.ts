import { type Fault, isInstead } from '../../src/model/faults.ts';
import { contentKey, type DrawKey } from '../../src/model/random.ts';
import type { Hint } from '../../src/model/retry.ts';
import { type Admission, hintOf, rejectionUs } from '../../src/model/services.ts';
import { drawKeyOf } from '../draw-key.ts';
import {
  type About,
  type Answer,
  BadJson,
  type MockRequest,
  readJson,
  type Service,
} from '../endpoint.ts';
import type { Run } from '../runs.ts';
import { struck } from '../struck.ts';
import {
  bodyTooLarge,
  faulty,
  missingKey,
  noRoute,
  notJson,
  rateLimited,
  slowDown,
  unpaid,
  wrongKey,
  wrongMethod,
} from './errors.ts';
import { accountHeaders, createRequestIds, edgeHeaders, limitHeaders } from './headers.ts';
import { modelList, modelOf } from './models.ts';
import { billedTokens, type EmbeddingsRequest, readRequest, tokenProblem } from './request.ts';
import { createTokenCounter } from './tokens.ts';
import { createVectorCache } from './vectors.ts';

/** The valid request in a body, or what is wrong with it. */
function wantedIn(
  request: MockRequest,
  { openai }: Run['lab'],
  count: ((text: string) => number) | undefined,
): EmbeddingsRequest | Answer {
  let body: unknown;
  try {
    body = readJson(request);
  } catch (error) {
    if (error instanceof BadJson) return notJson;
    throw error;
  }
  const wanted = readRequest(body, openai.wording);
  if ('status' in wanted) return wanted;
  return tokenProblem(wanted, openai.wording, count) ?? wanted;
}

/** Virtual milliseconds that a refusal says to wait: in its headers, else in its text. */
function toldMs(hint: Hint, waitUs: number): number | undefined {
  if (hint.retryAfterMs !== undefined) return hint.retryAfterMs;
  if (hint.retryAfterSeconds !== undefined) return hint.retryAfterSeconds * 1_000;
  return waitUs === Infinity ? undefined : Math.floor(waitUs / 1_000);
}

/** What a request that was not admitted is answered, and what it was told. */
function refused(
  { name }: EmbeddingsRequest,
  { refusal, refusedBy }: Admission,
  { openai }: Run['lab'],
): { answer: Answer; about: Partial<About> } {
  if (openai.quota !== 'available')
    return { answer: unpaid(openai.quota), about: { refusedBy: 'quota' } };
  const hint = hintOf(refusal!, openai.retryAfter);
  const hintMs = toldMs(hint, refusal!.waitUs);
  return {
    answer: refusedBy === 'slow_down' ? slowDown(hint) : rateLimited(name, refusal!, hint, openai),
    about: { refusedBy: refusedBy!, ...(hintMs === undefined ? {} : { hintMs }) },
  };
}

/** The answer of a fault that comes instead of the service: as quick as a refusal, and nothing is charged. */
function insteadOf(run: Run, fault: Fault, id: string, key: DrawKey, about: About): Answer {
  const answer = faulty(fault, id);
  return {
    ...answer,
    headers: { ...accountHeaders(id), ...answer.headers },
    delayMs: rejectionUs(run.lab, key) / 1_000 / run.speed,
    about,
  };
}

/** OpenAI's embeddings API, by key: `runOf` finds the state behind a key. */
export function openaiService(runOf: (key: string) => Run | undefined): Service {
  const serialized = createVectorCache();
  const counter = createTokenCounter();
  const idsAtEdge = createRequestIds('', 0);
  const idsOf = new WeakMap<Run, () => string>();
  const nextId = (run: Run): string => {
    let ids = idsOf.get(run);
    if (!ids) {
      ids = createRequestIds(run.name, run.lab.seed);
      idsOf.set(run, ids);
    }
    return ids();
  };

  const atEdge = (answer: Answer): Answer => ({ ...answer, headers: edgeHeaders(idsAtEdge()) });
  const authenticate = ({ headers }: MockRequest): Run | Answer => {
    const key = /^Bearer (.+)$/i.exec(String(headers.authorization ?? ''))?.[1];
    if (key === undefined) return atEdge(missingKey);
    return runOf(key) ?? atEdge(wrongKey(key));
  };

  const bodyOf = (wanted: EmbeddingsRequest, tokens: number): string => {
    const { texts, dimensions, encoding, model } = wanted;
    let data = '';
    for (let index = 0; index < texts.length; index++)
      data += `${index ? ',' : ''}{"object":"embedding","index":${index},"embedding":${serialized(texts[index]!, dimensions, encoding)}}`;
    return `{"object":"list","data":[${data}],"model":"${model.answersAs}","usage":{"prompt_tokens":${tokens},"total_tokens":${tokens}}}`;
  };

  const embeddings = (request: MockRequest, nowMs: number): Answer => {
    const run = authenticate(request);
    if ('status' in run) return run;
    const { lab, speed, seen } = run;
    // A run in fast motion has many requests a second: counting them would be what it measures.
    const count = lab.openai.usage === 'exact' && speed <= 1 ? counter : undefined;
    const wanted = wantedIn(request, lab, count);
    const nowUs = run.clockUs(nowMs);
    const key = drawKeyOf(request, () => ('status' in wanted ? 0 : contentKey(wanted.texts[0]!)));
    const fault = run.faults.strike('embeddings', 'openai', key, nowUs);
    const about: About = { run: run.name, kind: 'embeddings' };
    if (fault) about.fault = fault.kind;
    const id = nextId(run);
    const headers = accountHeaders(id);
    const delayMs = (doneUs: number) => (doneUs - nowUs) / 1_000 / speed;

    if (fault && isInstead(fault)) {
      seen.embeddings++;
      if (fault.status === 429) seen.rateLimited++;
      return insteadOf(run, fault, id, key, about);
    }
    if ('status' in wanted) {
      const answer = { ...wanted, headers, about };
      return fault ? struck(answer, fault, speed) : answer;
    }

    const service = run.embeddings(wanted.name);
    const admission = service.embed(wanted.charged, wanted.texts.length, key, nowUs);
    const { doneUs, refusedBy } = admission;
    headers['openai-processing-ms'] = String(Math.round((doneUs - nowUs) / 1_000));
    // An account that can't pay is turned away before the limiter.
    if (refusedBy !== 'quota') Object.assign(headers, limitHeaders(service.limiter, nowUs));
    seen.embeddings++;
    let answer: Answer;
    if (refusedBy) {
      seen.rateLimited++;
      const { answer: body, about: why } = refused(wanted, admission, lab);
      answer = { ...body, headers: Object.assign(headers, body.headers), delayMs: delayMs(doneUs) };
      Object.assign(about, why);
    } else {
      headers['openai-model'] = wanted.model.answersAs;
      about.tokens = wanted.charged;
      const body = bodyOf(wanted, billedTokens(wanted, count));
      answer = { status: 200, headers, body, delayMs: delayMs(doneUs) };
    }
    answer.about = about;
    return fault ? struck(answer, fault, speed) : answer;
  };

  /** A route that costs nothing and has no limit. */
  const free =
    (answerOf: (request: MockRequest) => Answer) =>
    (request: MockRequest, nowMs: number): Answer => {
      const run = authenticate(request);
      if ('status' in run) return run;
      const key = drawKeyOf(request, () => contentKey(request.url));
      // Looking at the models is not the begin of a run, unless its faults have to know the time.
      const fault =
        run.lab.faults.length > 0
          ? run.faults.strike('openai', 'openai', key, run.clockUs(nowMs))
          : undefined;
      const id = nextId(run);
      const about: About = { run: run.name, kind: 'other', ...(fault && { fault: fault.kind }) };
      if (fault && isInstead(fault)) return insteadOf(run, fault, id, key, about);
      const given = answerOf(request);
      const answer = { ...given, headers: { ...accountHeaders(id), ...given.headers }, about };
      return fault ? struck(answer, fault, run.speed) : answer;
    };

  const endpoints: Service['endpoints'] = [
    { method: 'POST', path: '/v1/embeddings', answer: embeddings },
    { method: 'GET', path: '/v1/models', answer: free(modelList) },
    {
      method: 'GET',
      path: '/v1/models/:model',
      answer: free(({ params }) => modelOf(params.model!)),
    },
  ];
  const isKnown = (path: string) =>
    endpoints.some((endpoint) => endpoint.path === path) || /^\/v1\/models\/[^/]+$/.test(path);
  return {
    endpoints,
    bodyLimitBytes: 32 * 1024 * 1024,
    notFound(method, url) {
      const path = url.split('?', 1)[0]!;
      return atEdge(isKnown(path) ? wrongMethod(method, path) : noRoute(method, path));
    },
    badJson: () => atEdge(notJson),
    tooLarge: () => atEdge(bodyTooLarge),
  };
}
