import type { Refusal } from '../../src/model/limiter.ts';
import type { Hint } from '../../src/model/retry.ts';
import type { Answer } from '../endpoint.ts';
import { goDuration } from './durations.ts';

/** The provider's envelope: all four keys, always. */
export function openaiError(
  status: number,
  message: string,
  type: string,
  code: string | null,
  param: string | null = null,
): Answer {
  return { status, body: JSON.stringify({ error: { message, type, param, code } }, null, 2) };
}

export const invalid = (message: string, code: string | null = null, param: string | null = null) =>
  openaiError(400, message, 'invalid_request_error', code, param);

export const missingKey = openaiError(
  401,
  "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the API from your browser and are prompted for a username and password. You can obtain an API key from https://platform.openai.com/account/api-keys.",
  'invalid_request_error',
  null,
);

/** Shows no more of a key than the provider does. */
const masked = (key: string) =>
  key.length <= 12 ? '****' : `${key.slice(0, 8)}****${key.slice(-4)}`;

export const wrongKey = (key: string): Answer =>
  openaiError(
    401,
    `Incorrect API key provided: ${masked(key)}. You can find your API key at https://platform.openai.com/account/api-keys.`,
    'invalid_request_error',
    'invalid_api_key',
  );

export const noModel = (model: string): Answer =>
  openaiError(
    404,
    `The model \`${model}\` does not exist or you do not have access to it.`,
    'invalid_request_error',
    'model_not_found',
  );

const organization = 'org-kneepoint';
const limitNames = {
  rpm: 'requests per min (RPM)',
  tpm: 'tokens per min (TPM)',
  rpd: 'requests per day (RPD)',
};

/** A 429 in the provider's words, by the limit that refused it. */
export function rateLimited(
  model: string,
  refusal: Refusal,
  hint: Hint,
  freeTier: boolean,
): Answer {
  const { name, limit, used, requested, waitUs } = refusal;
  const type = name === 'tpm' ? 'tokens' : 'requests';
  const visit = 'Visit https://platform.openai.com/account/rate-limits to learn more.';
  const upgrade =
    freeTier && type === 'requests'
      ? ' You can increase your rate limit by adding a payment method to your account at https://platform.openai.com/account/billing.'
      : '';
  const about = `for ${model} in organization ${organization} on ${limitNames[name]}: Limit ${limit},`;
  const message =
    waitUs === Infinity
      ? `Request too large ${about} Requested ${requested}. The input or output tokens must be reduced in order to run successfully. ${visit}`
      : `Rate limit reached ${about} Used ${used}, Requested ${requested}. Please try again in ${goDuration(Math.floor(waitUs / 1_000))}. ${visit}${upgrade}`;
  const headers: Record<string, string> = {};
  if (hint.retryAfterSeconds !== undefined) headers['retry-after'] = String(hint.retryAfterSeconds);
  if (hint.retryAfterMs !== undefined) headers['retry-after-ms'] = String(hint.retryAfterMs);
  return { ...openaiError(429, message, type, 'rate_limit_exceeded'), headers };
}
