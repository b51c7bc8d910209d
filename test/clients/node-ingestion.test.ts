import { OpenAIEmbeddings } from '@langchain/openai';
import {
  QdrantClientResourceExhaustedError as Exhausted119,
  QdrantClient as Qdrant119,
} from '@qdrant/js-client-rest';
import OpenAI7 from 'openai';
import OpenAI6 from 'openai-6';
import {
  QdrantClientResourceExhaustedError as Exhausted118,
  QdrantClient as Qdrant118,
} from 'qdrant-1.18';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type Bench,
  batches,
  chunks,
  dimensions,
  model,
  openBench,
  scarce,
  vectorFor,
  writeLimited,
} from './bench.ts';
import { expectHintsKept, expectWaits, refusal } from './cases.ts';

let bench: Bench;
beforeAll(async () => {
  // The Qdrant client warns of each key that it sends over plain HTTP.
  vi.spyOn(console, 'warn').mockImplementation(() => {});
  bench = await openBench();
});
afterAll(async () => {
  vi.restoreAllMocks();
  await bench.close();
});

const qdrants = [
  ['1.19', Qdrant119, Exhausted119],
  ['1.18', Qdrant118 as unknown as typeof Qdrant119, Exhausted118],
] as const;

type Embed = (apiKey: string, texts: string[]) => Promise<number[][]>;

const withSdk =
  (OpenAI: typeof OpenAI7): Embed =>
  async (apiKey, input) => {
    const client = new OpenAI({ baseURL: `${bench.openai.url}/v1`, apiKey });
    const { data } = await client.embeddings.create({ model, input, dimensions });
    return data.map(({ embedding }) => embedding);
  };

const langchainOf = (apiKey: string, options: { timeout?: number; maxRetries?: number } = {}) =>
  new OpenAIEmbeddings({
    apiKey,
    model,
    dimensions,
    configuration: { baseURL: `${bench.openai.url}/v1` },
    ...options,
  });

const embedders: [string, Embed][] = [
  ['openai-7', withSdk(OpenAI7)],
  ['openai-6', withSdk(OpenAI6 as unknown as typeof OpenAI7)],
  ['langchain', (apiKey, texts) => langchainOf(apiKey).embedDocuments(texts)],
];

describe.concurrent.each(embedders)('%s', (embedder, embed) => {
  for (const [version, Qdrant, Exhausted] of qdrants)
    test(`ingests through 429s of both services, with Qdrant's ${version}`, async () => {
      const name = `${embedder}-${version}`;
      const openaiKey = bench.openaiKey(name, scarce);
      const key = bench.qdrantKey(name);
      bench.qdrant.script(key, [writeLimited(1), writeLimited(1)]);
      const qdrant = new Qdrant({ url: bench.qdrant.url, apiKey: key });
      await qdrant.createCollection('docs', { vectors: { size: dimensions, distance: 'Cosine' } });

      for (const { first, texts } of batches) {
        const vectors = await embed(openaiKey, texts);
        const points = vectors.map((vector, at) => ({
          id: first + at,
          vector,
          payload: { first },
        }));
        // The client does not retry: the pipeline has to, by what the error says.
        for (;;) {
          const error: unknown = await qdrant.upsert('docs', { wait: true, points }).then(
            () => undefined,
            (thrown) => thrown,
          );
          if (error === undefined) break;
          expect(error).toBeInstanceOf(Exhausted);
          const { retry_after } = error as Exhausted119;
          await new Promise((resolve) => setTimeout(resolve, retry_after * 1_000));
        }
      }

      expect(await qdrant.count('docs', { exact: true })).toEqual({ count: chunks.length });
      for (const id of [0, 59, 119]) {
        const { points } = await qdrant.query('docs', { query: vectorFor(chunks[id]!), limit: 1 });
        expect(points[0]).toMatchObject({ id });
        expect(points[0]!.score).toBeCloseTo(1, 4);
      }
      const [refused, again, ...rest] = bench.qdrant.visits(key);
      expectWaits(
        [refused!, again!, rest[0]!],
        [
          [1_000, 1_000],
          [1_000, 1_000],
        ],
      );
      expect(rest).toHaveLength(batches.length);
      const { seen } = bench.mocks.runs.openai(`lab-${name}`)!;
      // Every batch was admitted once, and at least the first was refused before.
      expect(seen.embeddings - seen.rateLimited).toBe(batches.length);
      expect(seen.rateLimited).toBeGreaterThan(0);
      // LangChain.js has two batches under way at a time, and waits longer than told.
      if (embedder !== 'langchain') expectHintsKept(bench.openai.visits(openaiKey));
    });
});

describe.concurrent.each(qdrants)('@qdrant/js-client-rest %s', (version, Qdrant, Exhausted) => {
  const clientOf = (apiKey: string, timeout?: number) =>
    new Qdrant({ url: bench.qdrant.url, apiKey, ...(timeout ? { timeout } : {}) });
  const upsert = (client: Qdrant119): Promise<unknown> =>
    client.upsert('docs', { points: [{ id: 1, vector: [1, 0] }] }).catch((error) => error);

  test('never retries a 429', async () => {
    const key = bench.qdrantKey(`${version}-limited`);
    bench.qdrant.script(key, [writeLimited(60), writeLimited()]);
    const error = await upsert(clientOf(key));
    expect(error).toBeInstanceOf(Exhausted);
    // A bug of both versions: they read the first digit only.
    expect(error).toMatchObject({ message: 'Too Many Requests', retry_after: 6 });
    expect(bench.qdrant.visits(key)).toHaveLength(1);

    const bare = await upsert(clientOf(key));
    expect(bare).not.toBeInstanceOf(Exhausted);
    expect(bare).toMatchObject({
      status: 429,
      data: { status: { error: expect.stringMatching(/^Rate limiting exceeded: Write rate/) } },
    });
    expect(bench.qdrant.visits(key)).toHaveLength(2);
  });

  test('throws at its own timeout, and what is wrong', async () => {
    const key = bench.qdrantKey(`${version}-wrong`);
    bench.qdrant.script(key, ['stall']);
    const began = performance.now();
    expect(await upsert(clientOf(key, 1_000))).toMatchObject({
      message: 'This operation was aborted',
    });
    expect(performance.now() - began).toBeGreaterThanOrEqual(998);
    expect(bench.qdrant.visits(key)).toHaveLength(1);

    expect(await upsert(clientOf(key))).toMatchObject({
      status: 404,
      data: { status: { error: "Not found: Collection `docs` doesn't exist!" } },
    });
    const bogus = await clientOf('bogus')
      .getCollections()
      .catch((error) => error);
    expect(bogus).toMatchObject({ status: 401 });
    const client = clientOf(key);
    await client.createCollection('docs', { vectors: { size: 4, distance: 'Dot' } });
    expect(await upsert(client)).toMatchObject({
      status: 400,
      data: { status: { error: expect.stringMatching(/expected dim: 4, got 2/) } },
    });
  });
});

/**
 * LangChain.js switches the SDK's retries off and has its own: six, after 1 to 2 s, doubled each time,
 * or later where `retry-after` says so. It does not read `retry-after-ms`, but the error's text.
 */
describe.concurrent('OpenAIEmbeddings of LangChain.js', () => {
  const limited = (headers: Record<string, string>, message: string, code: string) => ({
    status: 429,
    headers: { 'x-request-id': refusal.requestId, ...headers },
    body: { error: { message, type: 'tokens', param: null, code } },
  });
  const plain = 'Rate limit reached.';
  const told = 'Rate limit reached. Please try again in 2.5s.';
  const code = 'rate_limit_exceeded';
  const waits = {
    'seconds hint': [limited({ 'retry-after': '1' }, plain, code), [1_000, 2_000]],
    'long hint': [limited({ 'retry-after': '3' }, plain, code), [3_000, 3_000]],
    'hint in the text': [limited({}, told, code), [2_500, 2_500]],
    'server error': [{ status: 503 }, [1_000, 2_000]],
  } as const;
  for (const [name, [reply, wait]] of Object.entries(waits))
    test(`waits: ${name}`, async () => {
      const key = bench.openaiKey(`js-${name.replaceAll(' ', '-')}`);
      bench.openai.script(key, [reply]);
      expect(await langchainOf(key).embedQuery(name)).toEqual(vectorFor(name));
      expectWaits(bench.openai.visits(key), [wait]);
    });

  const gaveUp = {
    'no hint': [limited({}, plain, code), { name: 'RateLimitCapacityError', status: 429, code }],
    'only the precise header': [
      limited({ 'retry-after-ms': '300' }, plain, code),
      { name: 'RateLimitCapacityError', rateLimitReason: 'headerless_429' },
    ],
    'over a minute': [
      limited({ 'retry-after': '65' }, plain, code),
      { name: 'RateLimitCapacityError', retryAfterMs: 65_000 },
    ],
    'no quota': [
      limited({ 'retry-after': '1' }, plain, 'insufficient_quota'),
      { name: 'InsufficientQuotaError', code: 'insufficient_quota' },
    ],
    'wrong model': [{ status: 404 }, { status: 404 }],
  } as const;
  for (const [name, [reply, fields]] of Object.entries(gaveUp))
    test(`gives up at once: ${name}`, async () => {
      const key = bench.openaiKey(`js-${name.replaceAll(' ', '-')}`);
      bench.openai.script(key, [reply]);
      const error: unknown = await langchainOf(key)
        .embedQuery(name)
        .catch((thrown) => thrown);
      expect(error).toMatchObject(fields);
      expect(bench.openai.visits(key)).toHaveLength(1);
    });

  test('waits longer each time, and as often as told', async () => {
    const key = bench.openaiKey('js-twice');
    const reply = limited({ 'retry-after': '0' }, plain, code);
    bench.openai.script(key, [reply, reply, reply]);
    const error: unknown = await langchainOf(key, { maxRetries: 2 })
      .embedQuery('text')
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ status: 429, code, type: 'tokens' });
    expectWaits(bench.openai.visits(key), [
      [1_000, 2_000],
      [2_000, 4_000],
    ]);
  });

  test('retries a timeout', async () => {
    const key = bench.openaiKey('js-timeout');
    bench.openai.script(key, ['stall']);
    expect(await langchainOf(key, { timeout: 1_000 }).embedQuery('text')).toEqual(
      vectorFor('text'),
    );
    expectWaits(bench.openai.visits(key), [[1_000, 3_000]]);
  });
});
