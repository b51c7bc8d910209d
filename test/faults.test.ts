import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mocks } from '../mocks/server.ts';
import { completeLab } from '../src/model/lab.ts';
import type { LabFile } from '../src/model/lab-schema.ts';
import { openMocks } from '../src/services/open-mocks.ts';

/** What clients see of faults, over real sockets. */
let mocks: Mocks;
let profiles = 0;

beforeAll(async () => {
  const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
  mocks = await openMocks(completeLab({}), 1, '127.0.0.1', ports);
});
afterAll(() => mocks.close());

/** A key whose lab has these faults and no latency. */
async function keyWith(faults: NonNullable<LabFile['faults']>): Promise<string> {
  const id = `faults-${profiles++}`;
  const lab = { openai: { latency: { fixed: 0 } }, qdrant: { latency: { fixed: 0 } }, faults };
  const answer = await fetch(`${mocks.recordsUrl}/profiles/${id}`, {
    method: 'PUT',
    body: JSON.stringify({ lab, speed: 1 }),
  });
  expect(answer.status).toBe(200);
  return `lab-${id}`;
}

const embed = (key: string, signal?: AbortSignal) =>
  fetch(`${mocks.openaiUrl}/embeddings`, {
    method: 'POST',
    headers: { authorization: `Bearer sk-kneepoint-${key}` },
    body: JSON.stringify({ model: 'text-embedding-3-small', input: ['a', 'b'], dimensions: 64 }),
    ...(signal ? { signal } : {}),
  });

/** The innermost reason of an error, as undici gives it. */
const reasonOf = (error: unknown): string => {
  const { message, code, cause } = error as Error & { code?: string; cause?: unknown };
  return `${message}${code ? ` ${code}` : ''}${cause ? ` < ${reasonOf(cause)}` : ''}`;
};

const seenWith = async (fault: NonNullable<LabFile['faults']>[number], signal?: AbortSignal) => {
  const key = await keyWith([fault]);
  try {
    const answer = await embed(key, signal);
    const head = `status ${answer.status}`;
    try {
      const body = (await answer.json()) as { data?: unknown[] };
      return `${head}, ${body.data?.length ?? 'no'} vectors`;
    } catch (error) {
      return `${head}, then ${(error as Error).name} ${reasonOf(error)}`;
    }
  } catch (error) {
    return reasonOf(error);
  }
};

describe('a client sees', () => {
  test.each([
    ['reset', /fetch failed < .*ECONNRESET/],
    ['close', /fetch failed < .*(UND_ERR_SOCKET|other side closed)/],
    ['reset-body', /^status 200, then TypeError terminated < .*ECONNRESET/],
    ['short-body', /^status 200, then TypeError terminated < .*(UND_ERR_SOCKET|other side closed)/],
    ['truncated-json', /^status 200, then SyntaxError /],
    ['garbage', /fetch failed < /],
    ['latency', /^status 200, 2 vectors$/],
    ['dribble', /^status 200, 2 vectors$/],
  ] as const)('%s as %s', async (kind, seen) => {
    expect(await seenWith({ on: 'embeddings', kind, ms: 200 })).toMatch(seen);
  });

  test('a stall until its own timeout, after the headers', async () => {
    const seen = await seenWith({ on: 'embeddings', kind: 'stall' }, AbortSignal.timeout(300));
    expect(seen).toMatch(/^status 200, then TimeoutError /);
  });

  test('a slow body not before its time', async () => {
    const began = performance.now();
    await seenWith({ on: 'embeddings', kind: 'dribble', ms: 400 });
    // Twenty parts have nineteen pauses between them.
    expect(performance.now() - began).toBeGreaterThan(19 * (400 / 20) - 20);
  });
});

test('the first so many requests fail, and the official client recovers', async () => {
  const key = await keyWith([
    { on: 'embeddings', kind: 'status', status: 429, retryAfterSeconds: 1, first: 1 },
  ]);
  const client = new OpenAI({ apiKey: `sk-kneepoint-${key}`, baseURL: mocks.openaiUrl });
  const began = performance.now();
  const answer = await client.embeddings.create({ model: 'text-embedding-3-small', input: 'a' });
  expect(answer.data).toHaveLength(1);
  expect(performance.now() - began).toBeGreaterThanOrEqual(999);
});

test('an upsert whose answer is lost has been stored, and one refused has not', async () => {
  const key = await keyWith([
    { on: 'upsert', kind: 'reset-body', first: 1 },
    { on: 'upsert', kind: 'status', status: 500, first: 1 },
  ]);
  const headers = { 'api-key': `kneepoint-${key}`, 'content-type': 'application/json' };
  const docs = `${mocks.qdrantUrl}/collections/docs`;
  const put = (url: string, body: unknown) =>
    fetch(url, { method: 'PUT', headers, body: JSON.stringify(body) });
  const upsert = (id: number) => put(`${docs}/points?wait=true`, { points: [{ id, vector: [1] }] });
  await (await put(docs, { vectors: { size: 1, distance: 'Dot' } })).text();
  await expect(upsert(1).then((answer) => answer.text())).rejects.toThrow('terminated');
  expect((await upsert(2)).status).toBe(500);
  expect((await upsert(3)).status).toBe(200);
  const scroll = await fetch(`${docs}/points/scroll`, { method: 'POST', headers, body: '{}' });
  const { result } = (await scroll.json()) as { result: { points: { id: number }[] } };
  expect(result.points.map(({ id }) => id)).toEqual([1, 3]);
});

test('the same lab meets the same faults again', async () => {
  const statuses = async () => {
    const key = await keyWith([{ on: 'embeddings', kind: 'status', probability: 0.5 }]);
    const seen: number[] = [];
    for (let record = 0; record < 40; record++) {
      const answer = await fetch(`${mocks.openaiUrl}/embeddings`, {
        method: 'POST',
        headers: {
          authorization: `Bearer sk-kneepoint-${key}`,
          'x-kneepoint-record': String(record),
        },
        body: JSON.stringify({ model: 'text-embedding-3-small', input: 'a', dimensions: 1 }),
      });
      await answer.text();
      seen.push(answer.status);
    }
    return seen;
  };
  const first = await statuses();
  expect(new Set(first)).toEqual(new Set([200, 503]));
  expect(await statuses()).toEqual(first);
});
