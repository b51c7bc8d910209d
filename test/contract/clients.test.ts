import { QdrantClient } from '@qdrant/js-client-rest';
import OpenAI from 'openai';
import OpenAI6 from 'openai-6';
import { QdrantClient as QdrantClient118 } from 'qdrant-1.18';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { doorNames, openDoor } from './doors.ts';
import { key } from './requests.ts';

const openaiClients = { 'openai 7': OpenAI, 'openai 6': OpenAI6 };
const qdrantClients = { 'qdrant 1.19': QdrantClient, 'qdrant 1.18': QdrantClient118 };
const pairs = Object.entries(openaiClients).flatMap(([one, Embeddings]) =>
  Object.entries(qdrantClients).map(([other, Points]) => ({
    name: `${one} and ${other}`,
    Embeddings,
    Points,
  })),
);

const texts = ['first', 'second', 'third'];

describe.each(doorNames)('through %s', (doorName) => {
  let door: Awaited<ReturnType<typeof openDoor>>;
  beforeAll(async () => {
    // The Qdrant client warns of each key that it sends over plain HTTP.
    vi.spyOn(console, 'warn').mockImplementation(() => {});
    door = await openDoor(doorName, {
      openai: { tier: 'tier-3', latency: { fixed: 1 } },
      qdrant: { latency: { fixed: 1 } },
    });
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    await door.close();
  });

  test.each(pairs)('$name ingest', async ({ name, Embeddings, Points }) => {
    const embeddings = new Embeddings({
      baseURL: `${door.openai}/v1`,
      apiKey: key,
      maxRetries: 0,
    }).embeddings;
    const points = new Points({ url: door.qdrant, apiKey: key });
    const docs = name.replaceAll(' ', '-');
    await points.createCollection(docs, { vectors: { size: 64, distance: 'Cosine' } });

    const { data, response } = await embeddings
      .create({ model: 'text-embedding-3-small', input: texts, dimensions: 64 })
      .withResponse();
    expect(data.data.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(response.headers.get('x-ratelimit-limit-requests')).toMatch(/^\d+$/);
    const written = await points.upsert(docs, {
      wait: true,
      points: data.data.map(({ embedding, index }) => ({
        id: index,
        vector: embedding,
        payload: { text: texts[index] },
      })),
    });
    expect(written.status).toBe('completed');

    const { points: hits } = await points.query(docs, {
      query: data.data[1]!.embedding,
      limit: 1,
      with_payload: true,
    });
    expect(hits).toMatchObject([{ id: 1, payload: { text: 'second' } }]);
    expect(hits[0]!.score).toBeCloseTo(1, 5);
    expect(await points.count(docs, { exact: true })).toEqual({ count: 3 });

    const refused = embeddings.create({ model: 'no-such-model', input: 'text' });
    await expect(refused).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
    await expect(points.getCollection('none')).rejects.toMatchObject({ status: 404 });
  });
});
