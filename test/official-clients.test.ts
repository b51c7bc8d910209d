import { QdrantClient } from '@qdrant/js-client-rest';
import OpenAI, { AuthenticationError, NotFoundError, RateLimitError } from 'openai';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { vectorOf } from '../mocks/openai/vectors.ts';
import type { Mocks } from '../mocks/server.ts';
import { completeLab } from '../src/model/lab.ts';
import { labFiles, labs } from '../src/model/labs.ts';
import { openMocks } from '../src/services/open-mocks.ts';

const model = 'text-embedding-3-small';
const anyPorts = { openai: 0, qdrant: 0, records: 0, admin: 0 };
const start = (lab = labs.linear!): Promise<Mocks> => openMocks(lab, 100, '127.0.0.1', anyPorts);

const openaiOf = ({ openaiUrl }: Mocks, key = 'lab') =>
  new OpenAI({ baseURL: openaiUrl, apiKey: `sk-kneepoint-${key}`, maxRetries: 0 });
const qdrantOf = ({ qdrantUrl }: Mocks, key = 'kneepoint-lab') =>
  new QdrantClient({ url: qdrantUrl, apiKey: key });

let mocks: Mocks;

beforeAll(async () => {
  // The Qdrant client warns of each key that it sends over plain HTTP.
  vi.spyOn(console, 'warn').mockImplementation(() => {});
  mocks = await start();
});
afterAll(async () => {
  vi.restoreAllMocks();
  await mocks.close();
});

/** What a promise is rejected with. */
const failure = (promise: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(promise).then(
    () => expect.unreachable('should have been refused'),
    (error: unknown) => error,
  );

describe('the openai client', () => {
  test('decodes the base64 that it asks for by default', async () => {
    const { data, usage, ...rest } = await openaiOf(mocks).embeddings.create({
      model,
      input: ['one text', 'another'],
    });
    expect(rest).toMatchObject({ object: 'list', model });
    expect(usage).toEqual({ prompt_tokens: 3, total_tokens: 3 });
    expect(data.map(({ index }) => index)).toEqual([0, 1]);
    expect(data[0]!.embedding).toEqual(Array.from(vectorOf('one text', 1_536)));
    expect(data[1]!.embedding).toEqual(Array.from(vectorOf('another', 1_536)));
  });

  test('gets the same numbers as floats, in as many dimensions as it asks for', async () => {
    const ask = { model, input: 'one text', dimensions: 128 };
    const client = openaiOf(mocks);
    const float = await client.embeddings.create({ ...ask, encoding_format: 'float' });
    const decoded = await client.embeddings.create(ask);
    expect(float.data[0]!.embedding).toHaveLength(128);
    expect(float.data[0]!.embedding.map(Math.fround)).toEqual(decoded.data[0]!.embedding);
  });

  test('reads the rate-limit headers and the request id', async () => {
    const { data, response, request_id } = await openaiOf(mocks, 'tier-3-headers')
      .embeddings.create({ model, input: 'x'.repeat(400) })
      .withResponse();
    expect(data.data).toHaveLength(1);
    expect(request_id).toMatch(/^req_[0-9a-f]{32}$/);
    const limits = Object.fromEntries(
      [...response.headers].filter(([name]) => name.startsWith('x-ratelimit-')),
    );
    expect(limits).toEqual({
      'x-ratelimit-limit-requests': '5000',
      'x-ratelimit-remaining-requests': '4999',
      'x-ratelimit-reset-requests': '12ms',
      'x-ratelimit-limit-tokens': '5000000',
      'x-ratelimit-remaining-tokens': '4999900',
      'x-ratelimit-reset-tokens': '1ms',
    });
  });

  test('throws a RateLimitError where the tokens are used up', async () => {
    const empty = await start(labs['openai-tier-1']);
    try {
      // The first request finds the bucket at its start, whatever the clock.
      const input = Array.from({ length: 10 }, () => 'x'.repeat(20_000));
      const error = await failure(openaiOf(empty).embeddings.create({ model, input }));
      expect(error).toBeInstanceOf(RateLimitError);
      const { status, headers, code, type, message } = error as RateLimitError;
      expect([status, code, type]).toEqual([429, 'rate_limit_exceeded', 'tokens']);
      expect(message).toContain(
        'on tokens per min (TPM): Limit 1000000, Used 1000000, Requested 50000. Please try again in 3s.',
      );
      expect(headers.get('retry-after')).toBe('3');
      expect(headers.get('retry-after-ms')).toBe('3000');
      expect(headers.get('x-ratelimit-remaining-tokens')).toBe('0');
      expect(headers.get('x-ratelimit-reset-tokens')).toBe('1m0s');
      expect(headers.get('x-ratelimit-limit-requests')).toBe('3000');
    } finally {
      await empty.close();
    }
  });

  test('throws an AuthenticationError for a key of no profile', async () => {
    for (const key of ['bogus', 'tier-9']) {
      const error = await failure(openaiOf(mocks, key).embeddings.create({ model, input: 'text' }));
      expect(error).toBeInstanceOf(AuthenticationError);
      expect(error).toMatchObject({ status: 401, code: 'invalid_api_key' });
    }
  });

  test('throws a NotFoundError for a model that is not there', async () => {
    const ask = { model: 'text-embedding-4', input: 'text' };
    const error = await failure(openaiOf(mocks).embeddings.create(ask));
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error).toMatchObject({ status: 404, code: 'model_not_found' });
  });

  test('lists the models', async () => {
    const ids: string[] = [];
    for await (const { id } of openaiOf(mocks).models.list()) ids.push(id);
    expect(ids).toContain(model);
    expect(ids).toHaveLength(3);
  });
});

describe('the Qdrant client', () => {
  const size = 16;
  const vectorFor = (id: number) => Array.from(vectorOf(`point ${id}`, size));
  const ids = Array.from({ length: 20 }, (_, at) => at + 1);
  const columns = (of: number[]) => ({
    ids: of,
    vectors: of.map(vectorFor),
    payloads: of.map((id) => ({ id, even: id % 2 === 0 })),
  });

  test('creates, fills, reads, searches and deletes a collection', async () => {
    const client = qdrantOf(mocks);
    expect(await client.collectionExists('docs')).toEqual({ exists: false });
    await client.createCollection('docs', { vectors: { size, distance: 'Cosine' } });
    expect(await client.collectionExists('docs')).toEqual({ exists: true });

    const { ids: some, vectors, payloads } = columns(ids.slice(0, 10));
    const listed = await client.upsert('docs', {
      wait: true,
      points: some.map((id, at) => ({ id, vector: vectors[at]!, payload: payloads[at]! })),
    });
    expect(listed.status).toBe('completed');
    const batch = columns(ids.slice(10));
    const batched = await client.upsert('docs', { wait: true, batch });
    expect(batched.status).toBe('completed');
    expect(await client.count('docs', { exact: true })).toEqual({ count: 20 });
    const filter = { must: [{ key: 'even', match: { value: true } }] };
    expect(await client.count('docs', { filter })).toEqual({ count: 10 });

    const found = await client.retrieve('docs', { ids: [3, 14, 99], with_vector: true });
    expect(found.map(({ id }) => id).sort((a, b) => Number(a) - Number(b))).toEqual([3, 14]);
    expect(found.find(({ id }) => id === 14)?.payload).toEqual({ id: 14, even: true });
    const stored = found.find(({ id }) => id === 3)?.vector as number[];
    for (const [at, value] of vectorFor(3).entries()) expect(stored[at]).toBeCloseTo(value, 5);

    const pages: unknown[][] = [];
    let offset: number | string | undefined;
    do {
      const page = await client.scroll('docs', { limit: 8, ...(offset ? { offset } : {}) });
      pages.push(page.points.map(({ id }) => id));
      offset = (page.next_page_offset as number | string | null) ?? undefined;
    } while (offset);
    expect(pages.map(({ length }) => length)).toEqual([8, 8, 4]);
    expect(pages.flat()).toEqual(ids);

    const hits = await client.query('docs', { query: vectorFor(7), limit: 3, with_payload: true });
    expect(hits.points).toHaveLength(3);
    expect(hits.points[0]).toMatchObject({ id: 7, payload: { id: 7, even: false } });
    expect(hits.points[0]!.score).toBeCloseTo(1, 5);
    expect(hits.points[1]!.score).toBeLessThan(0.999);

    const info = await client.getCollection('docs');
    expect(info).toMatchObject({
      status: 'green',
      points_count: 20,
      config: { params: { vectors: { size, distance: 'Cosine' } } },
    });

    expect(await client.deleteCollection('docs')).toBe(true);
    expect(await client.collectionExists('docs')).toEqual({ exists: false });
  });

  test('throws what is wrong with a vector', async () => {
    const client = qdrantOf(mocks);
    await client.createCollection('strict', { vectors: { size, distance: 'Dot' } });
    const upsert = client.upsert('strict', { wait: true, points: [{ id: 1, vector: [1, 2, 3] }] });
    const error = await failure(upsert);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      status: 400,
      data: {
        status: { error: 'Wrong input: Vector dimension error: expected dim: 16, got 3' },
      },
    });
    expect(await client.count('strict')).toEqual({ count: 0 });
  });

  test('throws for a key of no profile and for a collection that is not there', async () => {
    const wrong = await failure(qdrantOf(mocks, 'bogus').getCollections());
    expect(wrong).toBeInstanceOf(Error);
    expect(wrong).toMatchObject({ status: 401 });
    const missing = await failure(qdrantOf(mocks).getCollection('missing'));
    expect(missing).toMatchObject({
      status: 404,
      data: { status: { error: "Not found: Collection `missing` doesn't exist!" } },
    });
  });

  test('sees nothing of another key', async () => {
    await qdrantOf(mocks, 'kneepoint-standard-2-a').createCollection('mine', {
      vectors: { size, distance: 'Dot' },
    });
    const other = qdrantOf(mocks, 'kneepoint-standard-2-b');
    expect(await other.getCollections()).toEqual({ collections: [] });
  });
});

test('a whole ingestion: claims from the records, vectors from OpenAI, points to Qdrant', async () => {
  const lab = completeLab({
    ...labFiles.linear,
    workload: {
      records: 12,
      recordsPerClaim: 5,
      chunksPerRecord: 3,
      bytesPerChunk: 200,
      batchSize: 8,
    },
  });
  const { chunksPerRecord, bytesPerChunk, batchSize } = lab.workload;
  const own = await start(lab);
  try {
    const openai = openaiOf(own);
    const qdrant = qdrantOf(own);
    await qdrant.createCollection('claims', { vectors: { size: 128, distance: 'Cosine' } });
    const headers = { authorization: 'Bearer kneepoint-lab' };
    let claims = 0;
    for (; ; claims++) {
      const answer = await fetch(`${own.recordsUrl}/claims/${claims}`, { headers });
      if (answer.status === 404) break;
      const { records } = (await answer.json()) as { records: { id: number; body: string }[] };
      const chunks = records.flatMap(({ id, body }) =>
        Array.from({ length: chunksPerRecord }, (_, chunk) => ({
          id: (id - 1) * chunksPerRecord + chunk,
          text: body.slice(chunk * bytesPerChunk, (chunk + 1) * bytesPerChunk),
          payload: { record: id, chunk },
        })),
      );
      for (let at = 0; at < chunks.length; at += batchSize) {
        const batch = chunks.slice(at, at + batchSize);
        const { data, usage } = await openai.embeddings.create({
          model,
          input: batch.map(({ text }) => text),
          dimensions: 128,
        });
        // A run in fast motion estimates what it bills.
        expect(usage.prompt_tokens).toBe(Math.round((batch.length * bytesPerChunk) / 4 / 1.11));
        const points = batch.map(({ id, payload }, index) => ({
          id,
          vector: data[index]!.embedding,
          payload,
        }));
        await qdrant.upsert('claims', { wait: true, points });
      }
    }
    expect(claims).toBe(3);
    expect(await qdrant.count('claims', { exact: true })).toEqual({ count: 36 });
    const filter = { must: [{ key: 'record', match: { value: 12 } }] };
    expect(await qdrant.count('claims', { filter })).toEqual({ count: 3 });
    // Batches of five and of two records: 15 chunks in two requests, twice, and 6 in one.
    expect(own.runs.all().find(({ name }) => name === 'lab')?.seen).toEqual({
      embeddings: 5,
      rateLimited: 0,
      upserts: 5,
      reads: 3,
    });
  } finally {
    await own.close();
  }
});
