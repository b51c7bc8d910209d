import { afterEach, expect, test } from 'vitest';
import { completeLab } from '../../src/model/lab.ts';
import { openMocks } from '../../src/services/open-mocks.ts';
import type { MockHealth } from '../harness.ts';
import type { Mocks } from '../server.ts';
import { recordMaker } from './record.ts';
import type { OpenSource } from './source.ts';

const lab = completeLab({ workload: { records: 10, recordsPerClaim: 4 }, mysql: { poolSize: 3 } });
const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
const recordOf = recordMaker(lab);
let mocks: Mocks;
afterEach(() => mocks.close());

const open = async (openSource?: OpenSource) => {
  mocks = await openMocks(lab, 1, '127.0.0.1', ports, undefined, openSource);
};
const ask = (path: string, init: RequestInit = {}) =>
  fetch(`${mocks.recordsUrl}${path}`, {
    ...init,
    headers: { authorization: 'Bearer kneepoint-lab', 'x-kneepoint-late-ms': '0' },
  });
const register = (body: unknown) =>
  ask('/profiles/one', {
    method: 'PUT',
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

/** A table in memory, with gaps in its ids. */
const table =
  (opened: object[] = [], problem?: string): OpenSource =>
  (options) => {
    opened.push(options);
    return {
      async warm() {
        if (problem) throw new Error(problem);
      },
      async read(firstRecord, records) {
        if (problem) throw new Error(problem);
        return {
          records: Array.from({ length: records }, (_, at) => ({
            ...recordOf(firstRecord + at),
            id: 100 + 7 * (firstRecord + at),
          })),
          poolWaitMs: 5,
          heldMs: 30,
        };
      },
      async close() {},
    };
  };

test('claims are the same, generated or read', async () => {
  await open();
  const generated = (await (await ask('/claims/2')).json()) as { records: object[] };
  expect(generated.records).toEqual([8, 9].map(recordOf));
  await mocks.close();
  await open(table());
  const read = await ask('/claims/2');
  expect(await read.json()).toEqual({ ...generated, poolWaitMs: 5 });
  expect(read.headers.get('x-kneepoint-delay-ms')).toBe('35.000');
});

test('a run has one source, opened with its pool when it is registered', async () => {
  const opened: object[] = [];
  await open(table(opened));
  const workers = [1, 6];
  expect((await register({ lab: { ...lab, workers }, speed: 2 })).status).toBe(200);
  expect(opened).toEqual([{ poolSize: 3, workers: 6, leastHeldMs: 10 }]);
  expect((await register({ lab, speed: 2 })).status).toBe(409);
  expect((await register('{"lab": ')).status).toBe(400);
  expect(opened).toHaveLength(1);
});

test('a database that fails is a 503 of one line, and told when the sources end', async () => {
  await open(table([], 'Connection lost\nat some place'));
  for (const index of [0, 1]) {
    const answer = await ask(`/claims/${index}`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({ error: 'MySQL: Connection lost' });
  }
  expect((await register({ lab, speed: 1 })).status).toBe(503);
  expect(await mocks.endSources()).toEqual({ reads: 3, reason: 'MySQL: Connection lost' });
  expect(await mocks.endSources()).toBeUndefined();
});

test('what is no claim or no key is refused before the database is asked', async () => {
  const opened: object[] = [];
  await open(table(opened));
  expect((await ask('/claims/3')).status).toBe(404);
  expect((await ask('/claims/-1')).status).toBe(404);
  expect((await fetch(`${mocks.recordsUrl}/claims/0`)).status).toBe(401);
  expect(opened).toEqual([]);
});

test('a profile tells how well the mocks kept time for it, once it has been used', async () => {
  await open();
  expect((await register({ lab: {}, speed: 1 })).status).toBe(200);
  expect((await ask('/profiles/one/harness')).status).toBe(404);
  expect((await ask('/profiles/other/harness')).status).toBe(404);
  const embed = await fetch(`${mocks.openaiUrl}/embeddings`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-kneepoint-lab-one', 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'text-embedding-3-small', input: 'a text' }),
  });
  expect(embed.status).toBe(200);
  const blockedMs = performance.now();
  while (performance.now() < blockedMs + 200);
  // The block is over before the next request comes, whose answer ends the profile's span.
  const last = await fetch(`${mocks.openaiUrl}/embeddings`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-kneepoint-lab-one', 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'text-embedding-3-small', input: 'another' }),
  });
  expect(last.status).toBe(200);
  const health = (await (await ask('/profiles/one/harness')).json()) as MockHealth;
  expect(health.mockWorkMs.p50).toBeGreaterThan(0);
  expect(health.eventLoopDelayMs.p99).toBeGreaterThan(100);
  expect(health.eventLoopDelayMs.mean).toBeGreaterThan(5);
});
