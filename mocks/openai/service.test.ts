import { describe, expect, test } from 'vitest';
import { completeLab } from '../../src/model/lab.ts';
import type { LabFile } from '../../src/model/lab-schema.ts';
import type { Answer } from '../endpoint.ts';
import { createRuns } from '../runs.ts';
import { openaiService } from './service.ts';

const prefix = 'sk-kneepoint-';
const visit = 'Visit https://platform.openai.com/account/rate-limits to learn more.';
const small = 'text-embedding-3-small';
const limitHeaders = [
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-tokens',
];

/** A service whose key `sk-kneepoint-lab` has this lab, and ways to call it at one instant. */
const start = (openai: LabFile['openai'] = {}) => {
  const runs = createRuns(completeLab({ openai }), 1);
  const service = openaiService((key) =>
    key.startsWith(prefix) ? runs.openai(key.slice(prefix.length)) : undefined,
  );
  const call = (
    path: string,
    body: unknown,
    authorization: string | undefined = 'Bearer sk-kneepoint-lab',
  ): Answer => {
    const endpoint = service.endpoints.find((e) => e.path === path);
    if (!endpoint) throw new Error(`no endpoint ${path}`);
    const asked = {
      method: endpoint.method,
      url: path,
      headers: { authorization },
      params: {},
      query: {},
      bytes: Buffer.from(body === undefined ? '' : JSON.stringify(body)),
    };
    return endpoint.answer(asked, 1_000);
  };
  const embed = (input: unknown, more: Record<string, unknown> = {}, key = 'lab') =>
    call('/v1/embeddings', { model: small, input, ...more }, `Bearer ${prefix}${key}`);
  return { runs, service, call, embed };
};

const errorOf = ({ body }: Answer) => JSON.parse(body).error;
const floatsOf = (answer: Answer): number[][] =>
  JSON.parse(answer.body).data.map(({ embedding }: { embedding: number[] }) => embedding);
const base64Of = (answer: Answer): Float32Array[] =>
  JSON.parse(answer.body).data.map(
    ({ embedding }: { embedding: string }) =>
      new Float32Array(new Uint8Array(Buffer.from(embedding, 'base64')).buffer),
  );
/** So many tokens in inputs that are each well below 8,192 of them. */
const tokenTexts = (tokens: number, inputs: number) =>
  Array.from({ length: inputs }, (_, at) =>
    'x'.repeat(4 * (Math.floor(tokens / inputs) + (at < tokens % inputs ? 1 : 0))),
  );

describe('vectors', () => {
  test('are of length one, from the text alone', () => {
    const [one, other, again] = floatsOf(start().embed(['one', 'other', 'one']));
    expect(one).toHaveLength(1_536);
    expect(Math.hypot(...one!)).toBeCloseTo(1, 5);
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
    expect(floatsOf(start().embed('one'))).toEqual([one]);
  });

  test('are the same numbers as floats and as base64', () => {
    const texts = Array.from({ length: 20 }, (_, at) => `text ${at}`);
    const floats = floatsOf(start().embed(texts, { encoding_format: 'float' }));
    const decoded = base64Of(start().embed(texts, { encoding_format: 'base64' }));
    expect(floats.map((vector) => Float32Array.from(vector))).toEqual(decoded);
  });

  test.each([
    [small, undefined, 1_536],
    ['text-embedding-3-large', undefined, 3_072],
    ['text-embedding-ada-002', undefined, 1_536],
    [small, 1, 1],
    [small, 128, 128],
    [small, 1_536, 1_536],
  ])('%s with dimensions %s has %d', (model, dimensions, size) => {
    const [vector] = floatsOf(start().embed('a text', { model, dimensions }));
    expect(vector).toHaveLength(size);
    expect(Math.hypot(...vector!)).toBeCloseTo(1, 5);
  });
});

describe('an answer', () => {
  test('lists its embeddings in order and bills the tokens of all inputs', () => {
    // One token each.
    const answer = start().embed(['abc', 'ä', 'abcd'], { dimensions: 2 });
    expect(answer.status).toBe(200);
    const { data, ...rest } = JSON.parse(answer.body);
    expect(data.map(({ index, object }: Record<string, unknown>) => [index, object])).toEqual([
      [0, 'embedding'],
      [1, 'embedding'],
      [2, 'embedding'],
    ]);
    expect(rest).toEqual({
      object: 'list',
      model: small,
      usage: { prompt_tokens: 3, total_tokens: 3 },
    });
  });

  test('charges token arrays by their count', () => {
    const usage = (input: unknown) =>
      JSON.parse(start().embed(input, { dimensions: 1 }).body).usage.total_tokens;
    expect(usage([1, 2, 3, 4, 5])).toBe(5);
    expect(
      usage([
        [1, 2, 3],
        [4, 5],
      ]),
    ).toBe(5);
    const { headers } = start({ tier: 'tier-1' }).embed([[100_000, 100_001], [7]]);
    expect(headers?.['x-ratelimit-remaining-tokens']).toBe('999997');
  });

  test('takes the latency of the lab, a refusal its own', () => {
    const lab = { latency: { fixed: 380 }, rejectionMs: 50, tier: 'unlimited' } as const;
    expect(start(lab).embed('text').delayMs).toBe(380);
    const full = { ...lab, limits: { rpm: 3 }, bucket: 'empty' } as const;
    const refusals = ['a', 'b', 'c', 'd'].map((text) => start(full).embed(text).delayMs ?? 0);
    for (const delayMs of refusals) expect(Math.abs(delayMs - 50)).toBeLessThanOrEqual(25);
    expect(new Set(refusals).size).toBe(4);
  });

  test('lists the models', () => {
    const { status, body } = start().call('/v1/models', undefined);
    expect(status).toBe(200);
    expect(JSON.parse(body).data.map(({ id }: { id: string }) => id)).toEqual([
      'text-embedding-3-small',
      'text-embedding-3-large',
      'text-embedding-ada-002',
    ]);
  });
});

describe('rate-limit headers', () => {
  const headersOf = (answer: Answer) => limitHeaders.map((name) => answer.headers?.[name]);

  test('are the six of a recorded request', () => {
    const answer = start({ tier: 'tier-4' }).embed(tokenTexts(23_748, 22));
    expect(headersOf(answer)).toEqual(['10000', '9999', '6ms', '5000000', '4976252', '284ms']);
  });

  test('are the six on a refusal too, with durations over a second and a minute', () => {
    const answer = start({ tier: 'tier-1', bucket: 'empty' }).embed('text');
    expect(answer.status).toBe(429);
    expect(headersOf(answer)).toEqual(['3000', '0', '1m0s', '1000000', '0', '1m0s']);
  });

  test('describe the requests of a day where there is such a limit', () => {
    const answer = start({ tier: 'free' }).embed('x'.repeat(240));
    expect(headersOf(answer)).toEqual(['2000', '1999', '43.2s', '40000', '39940', '90ms']);
  });

  test('are absent where there is no limit', () => {
    const none = limitHeaders.map(() => undefined);
    expect(headersOf(start({ tier: 'unlimited' }).embed('text'))).toEqual(none);
    const tokensOnly = start({ tier: 'unlimited', limits: { tpm: 1_000_000 } });
    expect(headersOf(tokensOnly.embed('text'))).toEqual([
      undefined,
      undefined,
      undefined,
      '1000000',
      '999999',
      '0s',
    ]);
  });

  test('do not come with a request that was not charged', () => {
    for (const answer of [start().embed(''), start().embed('text', {}, 'bogus')])
      expect(headersOf(answer)).toEqual(limitHeaders.map(() => undefined));
  });
});

describe('a refusal', () => {
  const about = (model: string, limit: string) =>
    `for ${model} in organization org-kneepoint on ${limit}:`;

  test.each([
    [8_503, '510ms'],
    [3_538, '212ms'],
    [46_142, '2.768s'],
  ])('for %d tokens over TPM says to wait %s', (tokens, wait) => {
    const lab = { tier: 'tier-1', bucket: { tpm: 'empty' } } as const;
    const answer = start(lab).embed(tokenTexts(tokens, 8));
    expect(answer.status).toBe(429);
    expect(errorOf(answer)).toEqual({
      message: `Rate limit reached ${about(small, 'tokens per min (TPM)')} Limit 1000000, Used 1000000, Requested ${tokens}. Please try again in ${wait}. ${visit}`,
      type: 'tokens',
      param: null,
      code: 'rate_limit_exceeded',
    });
  });

  test('over RPM', () => {
    const lab = { tier: 'unlimited', limits: { rpm: 3 }, bucket: 'empty' } as const;
    expect(errorOf(start(lab).embed('text', { model: 'text-embedding-ada-002' }))).toEqual({
      message: `Rate limit reached ${about('text-embedding-ada-002', 'requests per min (RPM)')} Limit 3, Used 3, Requested 1. Please try again in 20s. ${visit}`,
      type: 'requests',
      param: null,
      code: 'rate_limit_exceeded',
    });
  });

  test('over RPD, on the free tier with its advice', () => {
    const message = `Rate limit reached ${about(small, 'requests per day (RPD)')} Limit 200, Used 200, Requested 1. Please try again in 7m12s. ${visit}`;
    const paid = { tier: 'unlimited', limits: { rpd: 200 }, bucket: 'empty' } as const;
    expect(errorOf(start(paid).embed('text'))).toEqual({
      message,
      type: 'requests',
      param: null,
      code: 'rate_limit_exceeded',
    });
    const free = { tier: 'free', limits: { rpd: 200 }, bucket: 'empty' } as const;
    expect(errorOf(start(free).embed('text')).message).toBe(
      `${message} You can increase your rate limit by adding a payment method to your account at https://platform.openai.com/account/billing.`,
    );
  });

  test('of what is larger than the limit, which no wait cures', () => {
    const answer = start({ tier: 'free' }).embed(tokenTexts(50_000, 10));
    expect(answer.status).toBe(429);
    expect(errorOf(answer)).toEqual({
      message: `Request too large ${about(small, 'tokens per min (TPM)')} Limit 40000, Requested 50000. The input or output tokens must be reduced in order to run successfully. ${visit}`,
      type: 'tokens',
      param: null,
      code: 'rate_limit_exceeded',
    });
    expect(answer.headers).not.toHaveProperty('retry-after');
    expect(answer.headers).not.toHaveProperty('retry-after-ms');
  });

  test.each([
    ['none', undefined, undefined],
    ['seconds', '3', undefined],
    ['ms', '3', '2769'],
  ] as const)('with retryAfter %s hints %s and %s', (retryAfter, seconds, ms) => {
    const lab = { tier: 'tier-1', bucket: { tpm: 'empty' }, retryAfter } as const;
    const { headers } = start(lab).embed(tokenTexts(46_142, 8));
    expect(headers?.['retry-after']).toBe(seconds);
    expect(headers?.['retry-after-ms']).toBe(ms);
  });

  test('counts as seen and as rate limited', () => {
    const { runs, embed } = start({ tier: 'unlimited', limits: { rpm: 1 } });
    expect([embed('text').status, embed('text').status]).toEqual([200, 429]);
    expect(runs.all()[0]?.seen).toMatchObject({ embeddings: 2, rateLimited: 1 });
  });
});

test('2,048 inputs are not too many', () => {
  expect(start().embed(tokenTexts(2_048, 2_048), { dimensions: 1 }).status).toBe(200);
});

describe('a key', () => {
  test('picks its profile, and a suffix has buckets of its own', () => {
    const { embed } = start();
    const remaining = (key: string) => {
      const { headers } = embed('text', {}, key);
      return [headers?.['x-ratelimit-limit-tokens'], headers?.['x-ratelimit-remaining-requests']];
    };
    expect(remaining('tier-3')).toEqual(['5000000', '4999']);
    expect(remaining('tier-3')).toEqual(['5000000', '4998']);
    expect(remaining('tier-3-x')).toEqual(['5000000', '4999']);
    expect(remaining('tier-3-y')).toEqual(['5000000', '4999']);
    expect(remaining('tier-3')).toEqual(['5000000', '4997']);
    expect(remaining('tier-5')).toEqual(['10000000', '9999']);
    expect(remaining('test-plan-tier-2')).toEqual(['3400000', '4999']);
    expect(remaining('free-x')).toEqual(['40000', '1999']);
    expect(remaining('unlimited')).toEqual([undefined, undefined]);
  });

  test('of a tier takes nothing of the buckets and limits of the lab', () => {
    const { embed } = start({ tier: 'tier-1', limits: { rpm: 1 }, bucket: 'empty' });
    expect(embed('text').status).toBe(429);
    expect(embed('text', {}, 'tier-1').headers?.['x-ratelimit-limit-requests']).toBe('3000');
  });

  test.each(['bogus', 'tier-33', 'tier-', 'labs', ''])('%j is no profile', (key) => {
    const answer = start().embed('text', {}, key);
    expect(answer.status).toBe(401);
    expect(['invalid_api_key', null]).toContain(errorOf(answer).code);
  });
});
