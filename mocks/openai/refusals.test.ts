import { describe, expect, test } from 'vitest';
import { ada, type Lab, many, printed, small, start } from './ask.ts';

const visit = 'Visit https://platform.openai.com/account/rate-limits to learn more.';

describe('a 429', () => {
  const limited = (on: string, rest: string, type: string, model = small) =>
    printed(
      `Rate limit reached for ${model} in organization org-kneepoint on ${on}: ${rest}`,
      type,
      'rate_limit_exceeded',
    );
  const upgrade =
    ' You can increase your rate limit by adding a payment method to your account at https://platform.openai.com/account/billing.';
  const cases: [string, Lab, unknown, string, string][] = [
    [
      'of tokens',
      { tier: 'tier-1', bucket: { tpm: 'empty' } },
      { model: small, input: 'x'.repeat(4 * 3_538) },
      'tpm',
      limited(
        'tokens per min (TPM)',
        `Limit 1000000, Used 1000000, Requested 3538. Please try again in 212ms. ${visit}`,
        'tokens',
      ),
    ],
    [
      'of a limit that models share',
      { tier: 'tier-1', bucket: { tpm: 'empty' }, sharedLimit: 'text-embedding-3' },
      { model: small, input: 'x'.repeat(4 * 3_538) },
      'tpm',
      limited(
        'tokens per min (TPM)',
        `Limit 1000000, Used 1000000, Requested 3538. Please try again in 212ms. ${visit}`,
        'tokens',
        `${small} (for limit text-embedding-3)`,
      ),
    ],
    [
      'of requests',
      { tier: 'unlimited', limits: { rpm: 3 }, bucket: 'empty' },
      { model: ada, input: 'a' },
      'rpm',
      limited(
        'requests per min (RPM)',
        `Limit 3, Used 3, Requested 1. Please try again in 20s. ${visit}`,
        'requests',
        ada,
      ),
    ],
    [
      'of requests per day',
      { tier: 'unlimited', limits: { rpd: 200 }, bucket: 'empty' },
      { model: small, input: 'a' },
      'rpd',
      limited(
        'requests per day (RPD)',
        `Limit 200, Used 200, Requested 1. Please try again in 7m12s. ${visit}`,
        'requests',
      ),
    ],
    [
      'of requests per day on the free tier',
      { tier: 'free', limits: { rpd: 200 }, bucket: 'empty' },
      { model: small, input: 'a' },
      'rpd',
      limited(
        'requests per day (RPD)',
        `Limit 200, Used 200, Requested 1. Please try again in 7m12s. ${visit}${upgrade}`,
        'requests',
      ),
    ],
    [
      'of what is larger than the limit',
      { tier: 'free' },
      { model: small, input: many(10, 'x'.repeat(20_000)) },
      'tpm',
      printed(
        `Request too large for ${small} in organization org-kneepoint on tokens per min (TPM): Limit 40000, Requested 50000. The input or output tokens must be reduced in order to run successfully. ${visit}`,
        'tokens',
        'rate_limit_exceeded',
      ),
    ],
    [
      'of an account without quota',
      { quota: 'insufficient_quota' },
      { model: small, input: 'a' },
      'quota',
      printed(
        'You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.',
        'insufficient_quota',
        'insufficient_quota',
      ),
    ],
    [
      'of an account without credit',
      { quota: 'credit_balance_exhausted' },
      { model: small, input: 'a' },
      'quota',
      printed(
        'You have no credits remaining. Add credits to continue using the API at https://platform.openai.com/settings/organization/billing/.',
        'insufficient_quota',
        'credit_balance_exhausted',
      ),
    ],
  ];
  test.each(cases)('%s', (_, lab, body, refusedBy, text) => {
    const { ask, runs } = start(lab);
    const answer = ask(body);
    expect([answer.status, answer.body]).toEqual([429, text]);
    expect(answer.about).toMatchObject({ run: 'lab', kind: 'embeddings', refusedBy });
    const hasLimits = Object.keys(answer.headers!).some((name) => name.startsWith('x-ratelimit'));
    expect(hasLimits).toBe(refusedBy !== 'quota');
    expect(runs.all()[0]?.seen).toMatchObject({ embeddings: 1, rateLimited: 1 });
  });

  test.each([
    'organization_spend_limit_exceeded',
    'project_spend_limit_exceeded',
    'organization_usage_limit_exceeded',
  ] as const)('of an account with %s', (quota) => {
    const answer = start({ quota }).embed('a');
    expect(answer.status).toBe(429);
    expect(JSON.parse(answer.body).error).toMatchObject({
      type: 'insufficient_quota',
      code: quota,
    });
  });

  test('of the ramp limit, with its hint', () => {
    const { ask, embed } = start({ tier: 'tier-5', slowDown: true });
    const large = { model: small, input: many(50, 'x'.repeat(20_000)) };
    for (let at = 0; at < 4; at++) expect(ask(large).status).toBe(200);
    const answer = embed('x'.repeat(400));
    expect(answer.status).toBe(429);
    expect(JSON.parse(answer.body).error).toMatchObject({
      type: 'rate_limit_error',
      param: null,
      code: 'slow_down',
    });
    expect(answer.headers).toMatchObject({
      'retry-after': '1',
      'retry-after-ms': '6',
      'x-ratelimit-remaining-tokens': '9000000',
    });
    expect(answer.about).toMatchObject({ refusedBy: 'slow_down', hintMs: 6 });
  });

  test.each([
    ['ms', 2_769],
    ['seconds', 3_000],
    ['none', 2_768],
  ] as const)('with retryAfter %s tells to wait %d ms', (retryAfter, hintMs) => {
    const lab = { tier: 'tier-1', bucket: { tpm: 'empty' }, retryAfter } as const;
    const { about } = start(lab).embed(many(8, 'x'.repeat(23_071)));
    expect(about).toMatchObject({ refusedBy: 'tpm', hintMs });
  });
});

describe('a fault', () => {
  const at = (status: number, more = {}) => [
    { on: 'embeddings' as const, kind: 'status' as const, status, ...more },
  ];
  const error = 'The server had an error while processing your request.';
  const cases: [number, (id: string) => string][] = [
    [
      500,
      (id) =>
        printed(
          `${error} Sorry about that! You can retry your request, or contact us through our help center at help.openai.com if the error persists. (Please include the request ID ${id} in your message.)`,
          'server_error',
        ),
    ],
    [
      503,
      () =>
        printed(
          'Our servers are currently overloaded. Please try again later.',
          'service_unavailable_error',
          'server_is_overloaded',
        ),
    ],
    [502, () => printed(error, 'server_error')],
  ];
  test.each(cases)('of status %d answers instead and charges nothing', (status, text) => {
    const { embed, runs } = start({ tier: 'tier-1' }, at(status, { first: 1 }));
    const answer = embed('a');
    const id = answer.headers!['x-request-id']!;
    expect([answer.status, answer.body]).toEqual([status, text(id)]);
    expect(answer.headers).not.toHaveProperty('x-ratelimit-limit-tokens');
    expect(answer.about).toEqual({ run: 'lab', kind: 'embeddings', fault: 'status' });
    expect(answer.delayMs).toBeGreaterThanOrEqual(25);
    expect(answer.delayMs).toBeLessThanOrEqual(75);
    expect(embed('a').headers?.['x-ratelimit-remaining-requests']).toBe('2999');
    expect(runs.all()[0]?.seen).toMatchObject({ embeddings: 2, rateLimited: 0 });
  });

  test('of status 429 is slow_down with its hint, and counts as rate limited', () => {
    const { embed, runs } = start({}, at(429, { retryAfterSeconds: 7 }));
    const answer = embed('a');
    expect(JSON.parse(answer.body).error.code).toBe('slow_down');
    expect(answer.headers?.['retry-after']).toBe('7');
    expect(runs.all()[0]?.seen.rateLimited).toBe(1);
  });

  test.each([
    ['an answer', {}, 'a', 200],
    ['a refusal', { tier: 'tier-1', bucket: 'empty' }, 'a', 429],
    ['a bad request', {}, '', 400],
  ] as const)('of the connection strikes %s', (_, lab, input, status) => {
    const answer = start(lab, [{ on: 'embeddings', kind: 'reset' }]).embed(input);
    expect(answer.status).toBe(status);
    expect(answer.fault?.kind).toBe('reset');
    expect(answer.about?.fault).toBe('reset');
  });

  test('on openai strikes the models too, one on embeddings does not', () => {
    const ask = (on: 'openai' | 'embeddings') =>
      start({}, [{ on, kind: 'status', status: 503 }]).ask(undefined, {
        method: 'GET',
        path: '/v1/models',
      });
    expect([ask('openai').status, ask('embeddings').status]).toEqual([503, 200]);
    expect(ask('openai').about).toEqual({ run: 'lab', kind: 'other', fault: 'status' });
  });
});
