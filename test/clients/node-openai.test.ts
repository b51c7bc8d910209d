import OpenAI7 from 'openai';
import OpenAI6 from 'openai-6';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { retryDelayMs } from '../../src/model/retry.ts';
import { type Bench, dimensions, model, openBench, scarce, vectorFor } from './bench.ts';
import { expectWaits, patienceMs, refusal, retryCases, type SdkProfile } from './cases.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

// Both are used alike; their types differ in what is of no interest here.
const OpenAI6As7 = OpenAI6 as unknown as typeof OpenAI7;
const generations: [SdkProfile, typeof OpenAI7][] = [
  ['openai-node-7', OpenAI7],
  ['openai-node-6', OpenAI6As7],
];

describe.concurrent.each(generations)('%s', (profile, OpenAI) => {
  const clientOf = (apiKey: string, options: { timeout?: number } = {}) =>
    new OpenAI({ baseURL: `${bench.openai.url}/v1`, apiKey, ...options });

  for (const { name, replies, timeoutMs, expected } of retryCases)
    test(`waits as documented: ${name}`, async () => {
      const key = bench.openaiKey(`${profile}-${name}`);
      bench.openai.script(key, replies);
      const { waits, end } = expected(profile);
      const began = performance.now();
      const call = clientOf(key, timeoutMs ? { timeout: timeoutMs } : {})
        .embeddings.create({ model, input: name, dimensions })
        .then(
          ({ data }) => ({ end: 'ok', data, error: undefined }),
          (error: unknown) => ({ end: 'error', data: [], error }),
        );
      // What waits is left behind: not even an abort signal ends that sleep before its time.
      const silence = new Promise<Awaited<typeof call>>((resolve) =>
        setTimeout(resolve, patienceMs, { end: 'waiting', data: [], error: undefined }),
      );
      const result = await (end === 'waiting' ? Promise.race([call, silence]) : call);
      const { data, error } = result;
      const tookMs = performance.now() - began;
      const visits = bench.openai.visits(key);

      expect(result.end).toBe(end);
      expectWaits(visits, waits);
      const counts = visits.map(({ headers }) => headers['x-stainless-retry-count']);
      expect(counts).toEqual(['0', '1', '2'].slice(0, visits.length));
      if (end === 'ok') expect(data[0]?.embedding).toEqual(vectorFor(name));
      if (end !== 'error') return;
      if (timeoutMs) {
        expect(error).toBeInstanceOf(OpenAI.APIConnectionTimeoutError);
        // Three timeouts and both waits at their shortest.
        expect(tookMs).toBeGreaterThanOrEqual(3 * timeoutMs + 375 + 750 - 6);
        return;
      }
      expect(error).toBeInstanceOf(OpenAI.RateLimitError);
      const thrown = error as InstanceType<typeof OpenAI.RateLimitError>;
      expect(thrown).toMatchObject({
        status: 429,
        code: name === 'quota' ? 'insufficient_quota' : refusal.code,
        type: refusal.type,
        requestID: refusal.requestId,
        message: `429 ${refusal.message}`,
      });
      expect(thrown.headers.get('x-ratelimit-limit-tokens')).toBe(refusal.limitTokens);
    });

  test("gives up on the mock's own 429 with all that it says", async () => {
    const lab = { ...scarce, openai: { ...scarce.openai, retryAfter: 'none' as const } };
    const key = bench.openaiKey(`${profile}-exhausted`, lab);
    // 75,000 tokens come in 4.5 s, and the client has given up by then.
    const input = Array.from({ length: 15 }, () => 'x'.repeat(20_000));
    const error = await clientOf(key)
      .embeddings.create({ model, input })
      .then(
        () => expect.unreachable('should have been refused'),
        (thrown: unknown) => thrown as InstanceType<typeof OpenAI.RateLimitError>,
      );
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(error).toMatchObject({ status: 429, code: 'rate_limit_exceeded', type: 'tokens' });
    expect(error.requestID).toMatch(/^req_[0-9a-f]{32}$/);
    expect(error.message).toMatch(/Limit 1000000, Used \d+, Requested 75000\. Please try again in/);
    expect(error.headers.get('retry-after')).toBeNull();
    expect(error.headers.get('x-ratelimit-limit-tokens')).toBe('1000000');
    expectWaits(bench.openai.visits(key), [
      [375, 500],
      [750, 1_000],
    ]);
  });

  test('throws what is wrong at once, by the class of its status', async () => {
    const key = bench.openaiKey(`${profile}-wrong`);
    const ask = { model, input: 'text' };
    const wrongs = [
      [`sk-bogus-${profile}`, ask, OpenAI.AuthenticationError, 401, 'invalid_api_key', null],
      [key, { ...ask, model: 'none' }, OpenAI.NotFoundError, 404, 'model_not_found', null],
      [key, { ...ask, dimensions: 0 }, OpenAI.BadRequestError, 400, null, 'dimensions'],
    ] as const;
    for (const [ownKey, body, type, status, code, param] of wrongs) {
      const before = bench.openai.visits(ownKey).length;
      const error: unknown = await clientOf(ownKey)
        .embeddings.create(body)
        .catch((thrown) => thrown);
      expect(error).toBeInstanceOf(type);
      const fields = { status, code, param, type: 'invalid_request_error' };
      expect(error).toMatchObject(fields);
      expect(bench.openai.visits(ownKey).length).toBe(before + 1);
    }
  });

  test('reads the same vector from base64 as from floats', async () => {
    const key = bench.openaiKey(`${profile}-float`);
    const ask = { model, input: 'one text', dimensions };
    const decoded = await clientOf(key).embeddings.create(ask);
    const float = await clientOf(key).embeddings.create({ ...ask, encoding_format: 'float' });
    expect(decoded.data[0]!.embedding).toEqual(vectorFor('one text'));
    expect(float.data[0]!.embedding.map(Math.fround)).toEqual(decoded.data[0]!.embedding);
    const formats = bench.openai.visits(key).map(({ body }) => JSON.parse(body).encoding_format);
    expect(formats).toEqual(['base64', 'float']);
  });
});

/** The Python clients too: what is measured of them in python.test.ts is what the simulator does. */
const profiles: SdkProfile[] = [
  'openai-node-6',
  'openai-node-7',
  'openai-python-2',
  'openai-python-3',
];

test.each(profiles)('the model waits as %s does', (profile) => {
  for (const { name, hint, replies, expected } of retryCases) {
    if (!hint) continue;
    const { waits, end } = expected(profile);
    const bounds = replies.slice(0, waits.length).map((_, attempt) =>
      // The longest and the shortest of the draw.
      [1, 0].map((u) => retryDelayMs(profile, attempt, hint, u)),
    );
    expect(bounds, name).toEqual(waits);
    const next = retryDelayMs(profile, waits.length, hint, 0.5);
    if (end === 'error') expect(next, name).toBeUndefined();
    if (end === 'waiting') expect(next, name).toBeGreaterThan(patienceMs);
  }
});
