/** The provider's errors in its own words [documented and recorded, unless a comment says otherwise]. */
import type { Fault } from '../../src/model/faults.ts';
import type { Lab } from '../../src/model/lab.ts';
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

/** Shows no more of a key than the provider does: eight characters, a star for each hidden one, four. */
const masked = (key: string) =>
  key.length <= 12
    ? '*'.repeat(key.length)
    : `${key.slice(0, 8)}${'*'.repeat(key.length - 12)}${key.slice(-4)}`;

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

/** Asked for by its id; in single quotes and without the half sentence about access [documented]. */
export const noSuchModel = (id: string): Answer =>
  openaiError(
    404,
    `The model '${id}' does not exist`,
    'invalid_request_error',
    'model_not_found',
    'model',
  );

export const noRoute = (method: string, path: string): Answer =>
  openaiError(404, `Invalid URL (${method} ${path})`, 'invalid_request_error', null);

/** Of a route that has other methods; the text is that of public recordings. */
export const wrongMethod = (method: string, path: string): Answer =>
  openaiError(
    405,
    `Not allowed to ${method} on ${path}. (HINT: Perhaps you meant to use a different HTTP method?)`,
    'invalid_request_error',
    null,
  );

/** The text is that of public recordings. */
export const notJson = invalid(
  "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you have trouble figuring out how to fix this, please contact us through our help center at help.openai.com.)",
);

/** Status and text are assumed: the provider's own limit on bodies is not published. */
export const bodyTooLarge = openaiError(
  413,
  'The request body is too large.',
  'invalid_request_error',
  null,
);

const organization = 'org-kneepoint';
const visit = 'Visit https://platform.openai.com/account/rate-limits to learn more.';
const limitNames = {
  rpm: 'requests per min (RPM)',
  tpm: 'tokens per min (TPM)',
  rpd: 'requests per day (RPD)',
};

const hintHeaders = (hint: Hint): Record<string, string> => {
  const headers: Record<string, string> = {};
  if (hint.retryAfterSeconds !== undefined) headers['retry-after'] = String(hint.retryAfterSeconds);
  if (hint.retryAfterMs !== undefined) headers['retry-after-ms'] = String(hint.retryAfterMs);
  return headers;
};

/** The 429 of a limit. */
export function rateLimited(
  model: string,
  { name, limit, used, requested, waitUs }: Refusal,
  hint: Hint,
  { tier, sharedLimit }: Pick<Lab['openai'], 'tier' | 'sharedLimit'>,
): Answer {
  const type = name === 'tpm' ? 'tokens' : 'requests';
  const shared = sharedLimit && ` (for limit ${sharedLimit})`;
  const about = `for ${model}${shared} in organization ${organization} on ${limitNames[name]}: Limit ${limit},`;
  const upgrade =
    tier === 'free' && type === 'requests'
      ? ' You can increase your rate limit by adding a payment method to your account at https://platform.openai.com/account/billing.'
      : '';
  const message =
    waitUs === Infinity
      ? `Request too large ${about} Requested ${requested}. The input or output tokens must be reduced in order to run successfully. ${visit}`
      : `Rate limit reached ${about} Used ${used}, Requested ${requested}. Please try again in ${goDuration(Math.floor(waitUs / 1_000))}. ${visit}${upgrade}`;
  return { ...openaiError(429, message, type, 'rate_limit_exceeded'), headers: hintHeaders(hint) };
}

/** The 429 of the ramp limit. Type and code are documented; the text is assumed, after the documentation's. */
export const slowDown = (hint: Hint): Answer => ({
  ...openaiError(
    429,
    'Your request rate increased faster than the service can safely handle. Please slow down, and increase your traffic gradually.',
    'rate_limit_error',
    'slow_down',
  ),
  headers: hintHeaders(hint),
});

type Unpaid = Exclude<Lab['openai']['quota'], 'available'>;

const unpaidTexts: Record<Unpaid, string> = {
  insufficient_quota:
    'You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.',
  credit_balance_exhausted:
    'You have no credits remaining. Add credits to continue using the API at https://platform.openai.com/settings/organization/billing/.',
  // These codes are documented, their texts are not: the wording is assumed.
  organization_spend_limit_exceeded: "Your organization's spend limit has been reached.",
  project_spend_limit_exceeded: "Your project's spend limit has been reached.",
  organization_usage_limit_exceeded: "Your organization's usage limit has been reached.",
};

/** The 429 of an account that can't pay, which no wait cures. */
export const unpaid = (code: Unpaid): Answer =>
  openaiError(429, unpaidTexts[code], 'insufficient_quota', code);

/** What a fault answers instead of the service. Statuses that are not recorded get the envelope of the nearest. */
export function faulty({ status, retryAfterSeconds }: Fault, requestId: string): Answer {
  const hint = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
  const answer = (message: string, type: string, code: string | null): Answer => ({
    ...openaiError(status, message, type, code),
    headers: hintHeaders(hint),
  });
  if (status === 429) return slowDown(hint);
  if (status === 503)
    return answer(
      'Our servers are currently overloaded. Please try again later.',
      'service_unavailable_error',
      'server_is_overloaded',
    );
  if (status === 500)
    return answer(
      `The server had an error while processing your request. Sorry about that! You can retry your request, or contact us through our help center at help.openai.com if the error persists. (Please include the request ID ${requestId} in your message.)`,
      'server_error',
      null,
    );
  return answer('The server had an error while processing your request.', 'server_error', null);
}
