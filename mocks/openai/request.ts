import type { Lab } from '../../src/model/lab.ts';
import { chargedTokens } from '../../src/model/limiter.ts';
import type { Answer } from '../endpoint.ts';
import { invalid, noModel, openaiError } from './errors.ts';
import { type EmbeddingModel, models } from './models.ts';
import { countUpTo, estimatedTokens, mostInputTokens, mostRequestTokens } from './tokens.ts';
import type { Encoding } from './vectors.ts';

const mostInputs = 2_048;
const parameters = ['model', 'input', 'encoding_format', 'dimensions', 'user'];

/** An embeddings request that is valid, but for how many tokens its inputs are. */
export type EmbeddingsRequest = {
  name: string;
  model: EmbeddingModel;
  /** One for each input; token arrays are written out, as vectors depend on them too. */
  texts: string[];
  /** UTF-8 bytes of each input, or tokens where the inputs are token arrays. */
  sizes: number[];
  isTokens: boolean;
  /** What the rate limiter charges: bytes / 4 over all inputs, or the tokens of token arrays. */
  charged: number;
  dimensions: number;
  encoding: Encoding;
};

type Wording = Lab['openai']['wording'];

const malformed = invalid(
  "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
);
const notObject = invalid(
  "'$' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
);

const isTokens = (value: unknown): value is number[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((item) => Number.isInteger(item) && item >= 0);

const total = (sizes: number[]) => sizes.reduce((sum, size) => sum + size, 0);

type Inputs = Pick<EmbeddingsRequest, 'texts' | 'sizes' | 'isTokens' | 'charged'>;

/** The inputs in any of the four forms, undefined where it is none of them. */
function inputsOf(input: unknown): Inputs | undefined {
  if (typeof input === 'string') return inputsOf([input]);
  if (isTokens(input)) return inputsOf([input]);
  if (!Array.isArray(input) || input.length === 0) return undefined;
  if (input.every((item) => typeof item === 'string')) {
    const sizes = input.map((text) => Buffer.byteLength(text));
    return { texts: input, sizes, isTokens: false, charged: chargedTokens(total(sizes)) };
  }
  if (!input.every(isTokens)) return undefined;
  const sizes = input.map((item) => item.length);
  return {
    texts: input.map((item) => item.join(' ')),
    sizes,
    isTokens: true,
    charged: total(sizes),
  };
}

const typeName = (value: unknown): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a decimal number';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
};

/** The provider's words on its other routes; for embeddings they are assumed. */
const wrongType = (name: string, expected: string, value: unknown): Answer =>
  invalid(
    `Invalid type for '${name}': expected ${expected}, but got ${typeName(value)} instead.`,
    'invalid_type',
    name,
  );

/** The size of the vectors, or what is wrong with it. */
function dimensionsOf(given: unknown, { native, shortens }: EmbeddingModel): number | Answer {
  if (given === undefined) return native;
  if (!shortens) return invalid('This model does not support specifying dimensions.');
  if (!Number.isInteger(given)) return wrongType('dimensions', 'an integer', given);
  // How both messages begin is assumed: only the end of the second was captured.
  const bound = (words: string) =>
    invalid(`Invalid 'dimensions': Must be ${words}.`, null, 'dimensions');
  if ((given as number) < 1) return bound('greater than or equal to 1');
  if ((given as number) > native) return bound(`less than or equal to ${native}`);
  return given as number;
}

/** Reads the body of an embeddings request, or says in the provider's words what is wrong with it. */
export function readRequest(body: unknown, wording: Wording): EmbeddingsRequest | Answer {
  if (body === null || typeof body !== 'object' || Array.isArray(body)) return notObject;
  const given = body as Record<string, unknown>;
  for (const name of ['model', 'input'])
    if (given[name] === undefined)
      return invalid(`Missing required parameter: '${name}'.`, 'missing_required_parameter', name);
  const unknown = Object.keys(given).find((name) => !parameters.includes(name));
  if (unknown !== undefined)
    return invalid(`Unknown parameter: '${unknown}'.`, 'unknown_parameter', unknown);

  const { model: name, input, encoding_format: encoding = 'float', user } = given;
  if (typeof name !== 'string') return wrongType('model', 'a string', name);
  if (user !== undefined && typeof user !== 'string') return wrongType('user', 'a string', user);
  const model = models.get(name);
  if (!model) return noModel(name);
  const inInput = (words: string) =>
    wording === '2024' ? malformed : invalid(`Invalid 'input': ${words}`);
  // A token array too, though it is one input: the schema says so [documented].
  if (Array.isArray(input) && input.length > mostInputs)
    return inInput(`array length must be ${mostInputs} or less.`);
  const inputs = inputsOf(input);
  if (!inputs) return malformed;
  if (inputs.texts.includes('')) return inInput('input cannot be an empty string.');
  if (encoding !== 'float' && encoding !== 'base64')
    return invalid(
      `Invalid value for 'encoding_format' = ${typeof encoding === 'string' ? encoding : JSON.stringify(encoding)}. Supported values: ['float', 'base64'].`,
    );
  const dimensions = dimensionsOf(given.dimensions, model);
  return typeof dimensions === 'number'
    ? { name, model, ...inputs, dimensions, encoding }
    : dimensions;
}

/** Tokens up to which a text over the limit is counted for the message; beyond, they are estimated. */
const mostCounted = 65_536;
const inputTooLong = (index: number, tokens: number, wording: Wording): Answer =>
  wording === '2024'
    ? invalid(
        `This model's maximum context length is ${mostInputTokens} tokens, however you requested ${tokens} tokens (${tokens} in your prompt; 0 for the completion). Please reduce your prompt; or completion length.`,
      )
    : invalid(`Invalid 'input[${index}]': maximum input length is ${mostInputTokens} tokens.`);

/**
 * What is wrong with the number of tokens, undefined where nothing is. Counts none where the bytes
 * prove that there are few enough: a token is a byte at least.
 */
export function tokenProblem(
  { texts, sizes, isTokens }: EmbeddingsRequest,
  wording: Wording,
  count: ((text: string) => number) | undefined,
): Answer | undefined {
  const isLarge = total(sizes) > mostRequestTokens;
  let sum = 0;
  for (const [index, size] of sizes.entries()) {
    if (!isLarge && size <= mostInputTokens) continue;
    const text = texts[index]!;
    // Past twice the limit it is refused anyway: an estimate will do for the message.
    const counts = count && sum <= 2 * mostRequestTokens;
    const tokens = isTokens ? size : counts ? count(text) : estimatedTokens(size);
    if (tokens > mostInputTokens) {
      const exact =
        tokens === Infinity && wording === '2024' ? countUpTo(text, mostCounted) : tokens;
      const told = exact < Infinity ? exact : Math.max(mostCounted, estimatedTokens(size));
      return inputTooLong(index, told, wording);
    }
    sum += tokens;
  }
  if (sum <= mostRequestTokens) return undefined;
  return openaiError(
    400,
    `Requested ${sum} tokens, max ${mostRequestTokens} tokens per request`,
    'max_tokens_per_request',
    'max_tokens_per_request',
  );
}

/** Billed tokens of all inputs, for `usage`. */
export function billedTokens(
  { texts, sizes, isTokens }: EmbeddingsRequest,
  count: ((text: string) => number) | undefined,
): number {
  if (isTokens) return total(sizes);
  if (!count) return estimatedTokens(total(sizes));
  let tokens = 0;
  for (const text of texts) tokens += count(text);
  return tokens;
}
