import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Ask, refusalOf, resultOf, somePoints, startDocs, startQdrant } from './testing.ts';

const points = '/collections/docs/points';

const pointOf = (ask: Ask, id: number) => resultOf(ask('GET', `${points}/${id}`));
const payloadsOf = (ask: Ask) =>
  resultOf(ask('POST', `${points}/scroll`, { body: { limit: 100 } })).points.map(
    ({ payload }: { payload: unknown }) => payload,
  );

const filled = (count = 3) => {
  const started = startDocs();
  started.ask('PUT', points, { body: { points: somePoints(count) } });
  return started;
};

describe('the payload', () => {
  test('is set, overwritten, deleted by key and cleared', () => {
    const { ask } = filled();
    const done = { operation_id: 1, status: 'completed' };
    const set = { payload: { a: { b: 1, c: 2 } }, points: [0, 1] };
    expect(resultOf(ask('POST', `${points}/payload?wait=true`, { body: set }))).toEqual(done);
    expect(payloadsOf(ask)).toEqual([
      { n: 0, a: { b: 1, c: 2 } },
      { n: 1, a: { b: 1, c: 2 } },
      { n: 2 },
    ]);
    const under = { payload: { d: 3 }, key: 'a', points: [1] };
    ask('POST', `${points}/payload`, { body: under });
    const part = { keys: ['a.b'], filter: { must: [{ key: 'n', match: { value: 1 } }] } };
    ask('POST', `${points}/payload/delete`, { body: part });
    expect(pointOf(ask, 1).payload).toEqual({ n: 1, a: { c: 2, d: 3 } });
    ask('PUT', `${points}/payload`, { body: { payload: { z: 1 }, points: [2] } });
    ask('POST', `${points}/payload/clear`, { body: { points: [0] } });
    expect(payloadsOf(ask)).toEqual([{}, { n: 1, a: { c: 2, d: 3 } }, { z: 1 }]);
    expect(pointOf(ask, 2).vector).toEqual([2, 1]);
  });

  test('of a point that is not there is an error to who waits; the others are changed', () => {
    const { ask } = filled();
    const body = { payload: { a: 1 }, points: [0, 9] };
    expect(refusalOf(ask('POST', `${points}/payload?wait=true`, { body }))).toEqual([
      404,
      'Not found: No point with id 9 found',
    ]);
    expect(pointOf(ask, 0).payload).toEqual({ n: 0, a: 1 });
    expect(ask('POST', `${points}/payload`, { body }).status).toBe(200);
    expect(ask('POST', `${points}/payload`, { body: { payload: {} } }).status).toBe(400);
  });

  test('comes back in part, by path', () => {
    const { ask } = startDocs();
    const payload = { a: { b: 1, c: 2 }, list: [{ x: 1, y: 2 }, { x: 3 }], d: 4 };
    ask('PUT', points, { body: { points: [{ id: 1, vector: [1, 2], payload }] } });
    const read = (with_payload: unknown) =>
      resultOf(ask('POST', points, { body: { ids: [1], with_payload } }))[0].payload;
    expect(read(['a.b', 'd'])).toEqual({ a: { b: 1 }, d: 4 });
    expect(read({ include: ['list[].x'] })).toEqual({ list: [{ x: 1 }, { x: 3 }] });
    expect(read({ exclude: ['a', 'list[].x'] })).toEqual({ list: [{ y: 2 }, {}], d: 4 });
  });
});

test('vectors are replaced and deleted by name', () => {
  const { ask } = startQdrant();
  const vectors = { text: { size: 2, distance: 'Cosine' }, image: { size: 1, distance: 'Dot' } };
  ask('PUT', '/collections/docs', { body: { vectors } });
  const vector = { text: [3, 4], image: [5] };
  ask('PUT', points, { body: { points: [{ id: 1, vector, payload: { a: 1 } }] } });
  const put = (list: unknown) =>
    ask('PUT', `${points}/vectors?wait=true`, { body: { points: list } });
  expect(put([{ id: 1, vector: { image: [6] } }]).status).toBe(200);
  expect(pointOf(ask, 1)).toEqual({
    id: 1,
    payload: { a: 1 },
    vector: { text: [0.6, 0.8], image: [6] },
  });
  expect(refusalOf(put([{ id: 2, vector: { image: [6] } }]))).toEqual([
    404,
    'Not found: No point with id 2 found',
  ]);
  const drop = (names: string[]) =>
    ask('POST', `${points}/vectors/delete`, { body: { points: [1], vector: names } });
  expect(drop(['text']).status).toBe(200);
  expect(pointOf(ask, 1).vector).toEqual({ image: [6] });
  expect(refusalOf(drop(['foo']))).toEqual([
    400,
    'Wrong input: Not existing vector name error: foo',
  ]);
  const having = (has_vector: string) =>
    resultOf(ask('POST', `${points}/count`, { body: { filter: { must: [{ has_vector }] } } }));
  expect([having('text'), having('image')]).toEqual([{ count: 0 }, { count: 1 }]);
});

describe('a batch', () => {
  test('runs one operation after another', () => {
    const { ask } = filled();
    const operations = [
      { upsert: { points: somePoints(2, 10) } },
      { set_payload: { payload: { a: 1 }, points: [10] } },
      { overwrite_payload: { payload: { b: 1 }, points: [11] } },
      { delete_payload: { keys: ['n'], points: [10] } },
      { update_vectors: { points: [{ id: 10, vector: [7, 7] }] } },
      { clear_payload: { points: [0] } },
      { delete: { filter: { must: [{ key: 'n', range: { gte: 1 } }] } } },
    ];
    const results = resultOf(ask('POST', `${points}/batch?wait=true`, { body: { operations } }));
    expect(results).toEqual(
      operations.map((_, at) => ({ operation_id: at + 1, status: 'completed' })),
    );
    expect(payloadsOf(ask)).toEqual([{}, { a: 1 }, { b: 1 }]);
    expect(pointOf(ask, 10).vector).toEqual([7, 7]);
  });

  test('stops at the first error; what came before stays', () => {
    const { ask } = startDocs();
    const wrong = { id: 5, vector: [1] };
    const operations = [
      { upsert: { points: somePoints(2) } },
      { upsert: { points: [wrong] } },
      { delete: { points: [0] } },
    ];
    expect(refusalOf(ask('POST', `${points}/batch`, { body: { operations } }))).toEqual([
      400,
      'Wrong input: Vector dimension error: expected dim: 2, got 1',
    ]);
    expect(payloadsOf(ask)).toEqual([{ n: 0 }, { n: 1 }]);
  });
});

describe('waiting', () => {
  const slow = (seconds: number) => ({ qdrant: { latency: { fixed: seconds * 1_000 } } });
  const upsert = (ask: Ask, query: string, atMs = 0, count = 1) =>
    ask('PUT', `${points}?${query}`, { body: { points: somePoints(count) }, atMs });
  const statusOf = (answer: ReturnType<Ask>) => resultOf(answer).status;

  test('for the write, for its place in the queue, or no longer than asked', () => {
    const { ask } = startDocs(slow(3));
    const [waited, left, late, inTime] = [
      upsert(ask, 'wait=true'),
      upsert(ask, 'wait=false'),
      upsert(ask, 'wait=true&timeout=2'),
      upsert(ask, 'wait=true&timeout=3&ordering=strong'),
    ];
    expect([statusOf(waited), waited.delayMs]).toEqual(['completed', 3_000]);
    expect([statusOf(left), left.delayMs]).toEqual(['acknowledged', undefined]);
    expect([statusOf(late), late.delayMs]).toEqual(['wait_timeout', 2_000]);
    expect([statusOf(inTime), inTime.delayMs]).toEqual(['completed', 3_000]);
    expect(waited.about).toEqual({ run: 'lab', kind: 'upsert', points: 1 });
  });

  test('is in real time: a timeout counts virtual seconds too', () => {
    const { ask } = startDocs(slow(3), {}, 10);
    expect(upsert(ask, 'wait=true&timeout=2').delayMs).toBe(200);
    expect(upsert(ask, 'wait=true').delayMs).toBe(300);
  });

  test('blocks the client that does not wait once the queue is full', () => {
    // One slot, one second each, one place in the queue: the third is taken when the first is done.
    const { ask } = startDocs({
      qdrant: { latency: { fixed: 0 }, slots: 1, pointsPerSecond: 1, queueLength: 1 },
    } as never);
    const delays = [1, 2, 3].map(() => upsert(ask, 'wait=false').delayMs ?? 0);
    expect(delays).toEqual([0, 1_000, 2_000]);
  });
});

test('a server killed for memory answers 502 until it is back, and keeps what it had', () => {
  const { ask } = startDocs({
    qdrant: { latency: { fixed: 0 }, memoryPoints: 10, restartSeconds: 30 },
  } as never);
  const upsert = (count: number, first: number, atMs: number) =>
    ask('PUT', `${points}?wait=true`, { body: { points: somePoints(count, first) }, atMs });
  expect(upsert(8, 0, 0).status).toBe(200);
  const killed = upsert(3, 8, 1_000);
  expect(killed).toMatchObject({ status: 502, headers: { 'content-type': 'text/html' } });
  expect(killed.body).toContain('502 Bad Gateway');
  expect(ask('GET', '/collections', { atMs: 30_999 }).status).toBe(502);
  expect(upsert(1, 0, 30_999).status).toBe(502);
  expect(upsert(1, 0, 31_000).status).toBe(200);
  const body = { points: [0, 1, 2, 50] };
  ask('POST', `${points}/delete`, { body, atMs: 31_000 });
  expect(upsert(3, 8, 31_000).status).toBe(200);
  expect(resultOf(ask('POST', `${points}/count`, { body: {}, atMs: 31_000 }))).toEqual({
    count: 8,
  });
});

test('whatever is changed, the model knows how many points there are', () => {
  const id = fc.nat(12);
  const operation = fc.oneof(
    fc.uniqueArray(id, { minLength: 1 }).map((ids) => ({
      upsert: { points: ids.map((n) => ({ id: n, vector: [n, 1] })) },
    })),
    fc.array(id).map((ids) => ({ delete: { points: ids } })),
    id.map((n) => ({ delete: { filter: { must: [{ has_id: [n] }] } } })),
  );
  fc.assert(
    fc.property(fc.array(operation), (operations) => {
      const { ask, run } = startDocs();
      ask('POST', `${points}/batch`, { body: { operations } });
      const { count } = resultOf(ask('POST', `${points}/count`, { body: {} }));
      expect(run.upserts.state(0).points).toBe(count);
    }),
  );
});
