import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { completeLab } from '../../src/model/lab.ts';
import type { Answer, Endpoint } from '../endpoint.ts';
import { createRuns, type Run } from '../runs.ts';
import { qdrantService } from './service.ts';
import type { Distance } from './store.ts';

const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** A service with the keys `one` and `two`, whose upserts take 12.5 ms, and a way to call it. */
const start = () => {
  const runs = createRuns(completeLab({ qdrant: { latency: { fixed: 12.5 } } }), 1);
  const service = qdrantService((key) =>
    key === 'one' || key === 'two' ? runs.qdrant(`lab-${key}`) : undefined,
  );
  const runOf = (key: string): Run => runs.qdrant(`lab-${key}`)!;
  const call = (
    method: Endpoint['method'],
    path: string,
    request: {
      name?: string;
      id?: string;
      body?: unknown;
      query?: Record<string, string>;
      headers?: Record<string, string>;
    } = {},
  ): Answer => {
    const endpoint = service.endpoints.find((e) => e.method === method && e.path === path);
    if (endpoint === undefined) throw new Error(`no endpoint ${method} ${path}`);
    const asked = {
      method,
      url: path,
      headers: request.headers ?? { 'api-key': 'one' },
      params: { name: request.name ?? 'docs', id: request.id ?? '' },
      query: request.query ?? {},
      bytes: Buffer.from(request.body === undefined ? '' : JSON.stringify(request.body)),
    };
    return endpoint.answer(asked, 1000);
  };
  return { service, call, runOf };
};

const collection = '/collections/:name';
const points = '/collections/:name/points';

/** A service with the collection `docs`: one unnamed vector of `size`. */
const startWith = (size: number, distance: Distance) => {
  const started = start();
  started.call('PUT', collection, { body: { vectors: { size, distance } } });
  return started;
};

const resultOf = (answer: Answer) => {
  expect(answer).toMatchObject({ status: 200 });
  return JSON.parse(answer.body).result;
};

const errorOf = (answer: Answer) => [answer.status, JSON.parse(answer.body).status.error];

const withoutTime = (body: string): string => body.replace(/"time":[\d.e-]+/, '"time":0');

describe('the envelope', () => {
  test('of a success, an error and the routes without one', () => {
    const { call, service } = startWith(2, 'Dot');
    expect(withoutTime(call('GET', '/collections').body)).toBe(
      '{"result":{"collections":[{"name":"docs"}]},"status":"ok","time":0}',
    );
    const missing = call('GET', collection, { name: 'other' });
    expect(missing.status).toBe(404);
    expect(withoutTime(missing.body)).toBe(
      '{"status":{"error":"Not found: Collection `other` doesn\'t exist!"},"time":0}',
    );
    const root = call('GET', '/', { headers: {} });
    expect(JSON.parse(root.body)).toMatchObject({
      title: 'qdrant - vector search engine',
      version: '1.19.0',
    });
    expect(call('GET', '/healthz', { headers: {} }).body).toBe('healthz check passed');
    expect(call('GET', '/livez', { headers: {} }).body).toBe('healthz check passed');
    expect(call('GET', '/readyz', { headers: {} }).body).toBe('all shards are ready');
    expect(service.notFound('GET', '/nowhere')).toEqual({ status: 404, body: '' });
    expect(errorOf(service.badJson('expected value at line 1 column 1'))).toEqual([
      400,
      'Format error in JSON body: expected value at line 1 column 1',
    ]);
    expect(service.bodyLimitBytes).toBe(33554432);
    expect(errorOf(service.tooLarge(46866880))).toEqual([
      400,
      'JSON payload (46866880 bytes) is larger than allowed (limit: 33554432 bytes).',
    ]);
    expect(errorOf(service.tooLarge(0))).toEqual([
      400,
      'JSON payload has exceeded limit (33554432 bytes).',
    ]);
  });

  test('of a key that is missing, unknown, or in the other header', () => {
    const { call } = start();
    expect(call('GET', '/collections', { headers: {} })).toMatchObject({
      status: 401,
      body: 'Must provide an API key or an Authorization bearer token',
    });
    expect(call('GET', '/collections', { headers: { 'api-key': 'three' } })).toMatchObject({
      status: 401,
      body: 'Invalid API key or JWT',
    });
    expect(call('GET', '/collections', { headers: { authorization: 'Bearer two' } })).toMatchObject(
      { status: 200 },
    );
  });
});

describe('collections', () => {
  test('come and go, each key with its own', () => {
    const { call } = startWith(2, 'Dot');
    expect(resultOf(call('GET', `${collection}/exists`))).toEqual({ exists: true });
    const two = { headers: { 'api-key': 'two' } };
    expect(resultOf(call('GET', `${collection}/exists`, two))).toEqual({ exists: false });
    expect(
      errorOf(call('PUT', collection, { body: { vectors: { size: 2, distance: 'Dot' } } })),
    ).toEqual([409, 'Wrong input: Collection `docs` already exists!']);
    expect(resultOf(call('DELETE', collection))).toBe(true);
    expect(resultOf(call('DELETE', collection))).toBe(false);
    expect(errorOf(call('PUT', points, { body: { points: [{ id: 1, vector: [1, 2] }] } }))).toEqual(
      [404, "Not found: Collection `docs` doesn't exist!"],
    );
  });
});

describe('an upsert', () => {
  test('takes as long as the lab says, and says so', () => {
    const { call, runOf } = startWith(2, 'Dot');
    const body = {
      points: [
        { id: uuid(7), vector: [1, 2] },
        { id: 8, vector: [3, 4] },
      ],
    };
    const first = call('PUT', points, { body, query: { wait: 'true' } });
    expect(first.delayMs).toBe(12.5);
    expect(first.body).toBe(
      '{"result":{"operation_id":0,"status":"completed"},"status":"ok","time":0.0125}',
    );
    const second = call('PUT', points, { body });
    expect(resultOf(second)).toEqual({ operation_id: 1, status: 'acknowledged' });
    expect(runOf('one').upserts.state(0).points).toBe(2);
  });

  test('twice leaves what it left once, and replaces a point whole', () => {
    const { call } = startWith(2, 'Dot');
    const put = (list: unknown[]) => call('PUT', points, { body: { points: list } });
    const read = () =>
      resultOf(call('POST', `${points}/scroll`, { body: { with_vector: true } })).points;
    put([
      { id: 2, vector: [0.1, 0.2], payload: { a: 1 } },
      { id: uuid(1).toUpperCase(), vector: [1, 2] },
    ]);
    const once = read();
    expect(once).toEqual([
      { id: 2, payload: { a: 1 }, vector: [0.1, 0.2] },
      { id: uuid(1), payload: {}, vector: [1, 2] },
    ]);
    put([
      { id: 2, vector: [0.1, 0.2], payload: { a: 1 } },
      { id: uuid(1), vector: [1, 2] },
    ]);
    expect(read()).toEqual(once);
    put([{ id: 2, vector: [5, 6], payload: { b: 1 } }]);
    expect(read()[0]).toEqual({ id: 2, payload: { b: 1 }, vector: [5, 6] });
  });

  test('in the batch form is the same as in the list form', () => {
    const { call } = start();
    call('PUT', collection, {
      body: {
        vectors: { text: { size: 2, distance: 'Dot' }, image: { size: 1, distance: 'Euclid' } },
      },
    });
    const batch = {
      ids: [1, 2],
      vectors: {
        text: [
          [1, 2],
          [3, 4],
        ],
        image: [[5], [6]],
      },
      payloads: [{ a: 1 }, null],
    };
    expect(call('PUT', points, { body: { batch } }).status).toBe(200);
    const get = (id: string) => resultOf(call('GET', `${points}/:id`, { id }));
    expect(get('1')).toEqual({ id: 1, payload: { a: 1 }, vector: { text: [1, 2], image: [5] } });
    expect(get('2')).toEqual({ id: 2, payload: {}, vector: { text: [3, 4], image: [6] } });
    expect(
      errorOf(
        call('PUT', points, {
          body: { points: [{ id: 3, vector: { text: [1, 2], image: [1, 2] } }] },
        }),
      ),
    ).toEqual([
      400,
      "Wrong input: Vector dimension error: expected dim: 1, got 2 for vector 'image'",
    ]);
  });

  test.each([
    [
      'a wrong dimension',
      { points: [{ id: 2, vector: [1, 2, 3] }] },
      'Wrong input: Vector dimension error: expected dim: 2, got 3',
    ],
    [
      'an unknown vector name',
      { points: [{ id: 2, vector: { foo: [1, 2] } }] },
      'Wrong input: Not existing vector name error: foo',
    ],
    [
      'a bad id',
      { points: [{ id: 'doc_1', vector: [1, 2] }] },
      'Format error in JSON body: value doc_1 is not a valid point ID, valid values are either an unsigned integer or a UUID',
    ],
    [
      'a number in quotes as id',
      { points: [{ id: '1', vector: [1, 2] }] },
      'Format error in JSON body: value 1 is not a valid point ID, valid values are either an unsigned integer or a UUID',
    ],
    [
      'a number below zero as id',
      { points: [{ id: -1, vector: [1, 2] }] },
      'Format error in JSON body: value -1 is not a valid point ID, valid values are either an unsigned integer or a UUID',
    ],
    [
      'neither points nor batch',
      {},
      'Format error in JSON body: Invalid PointInsertOperations format',
    ],
    ['no point', { points: [] }, 'Bad request: Empty update request'],
    [
      'a vector of text',
      { points: [{ id: 2, vector: ['1', '2'] }] },
      'Format error in JSON body: data did not match any variant of untagged enum VectorStruct',
    ],
  ])('with %s is refused whole and takes no time', (_, body, text) => {
    const { call } = startWith(2, 'Dot');
    const list = 'points' in body && body.points.length > 0 ? body.points : undefined;
    const good = { id: 1, vector: [1, 2] };
    const answer = call('PUT', points, { body: list ? { points: [good, ...list] } : body });
    expect(errorOf(answer)).toEqual([400, text]);
    expect(answer.delayMs).toBeUndefined();
    expect(resultOf(call('POST', `${points}/count`, { body: {} }))).toEqual({ count: 0 });
  });

  test('with a timeout of nothing or an option left out here is refused', () => {
    const { call } = startWith(1, 'Dot');
    const body = { points: [{ id: 1, vector: [1] }] };
    expect(errorOf(call('PUT', points, { body, query: { timeout: '0' } }))).toEqual([
      422,
      'Validation error in query parameters: [timeout: value 0 invalid, must be 1 or larger]',
    ]);
    expect(call('PUT', points, { body: { ...body, update_mode: 'insert_only' } }).status).toBe(400);
  });
});

describe('reading', () => {
  const filled = () => {
    const started = startWith(1, 'Dot');
    started.call('PUT', points, {
      body: {
        points: [10, 2, 33, 4].map((id) => ({
          id,
          vector: [id],
          payload: { n: id, tags: id % 2 === 0 ? ['even', 'all'] : ['all'], deep: { n: id } },
        })),
      },
    });
    return started;
  };

  test('by id keeps the order asked for and leaves out what is not there', () => {
    const { call } = filled();
    expect(
      resultOf(call('POST', points, { body: { ids: [33, 5, 2], with_payload: ['n'] } })),
    ).toEqual([
      { id: 33, payload: { n: 33 } },
      { id: 2, payload: { n: 2 } },
    ]);
    expect(errorOf(call('GET', `${points}/:id`, { id: '7' }))).toEqual([
      404,
      'Not found: Point with id 7 does not exists!',
    ]);
    expect(errorOf(call('GET', `${points}/:id`, { id: 'abc' }))).toEqual([
      400,
      'Wrong input: Can not recognize "abc" as point id',
    ]);
  });

  test.each([
    [{ must: [{ key: 'tags', match: { value: 'even' } }] }, [2, 4, 10]],
    [{ must: { key: 'n', match: { any: [4, 33, 5] } } }, [4, 33]],
    [{ must_not: [{ key: 'tags', match: { value: 'even' } }] }, [33]],
    [{ must: [{ key: 'deep.n', range: { gt: 2, lte: 10 } }] }, [4, 10]],
    [{ should: [{ has_id: [10] }, { key: 'n', range: { gte: 33 } }] }, [10, 33]],
    [{ must: [{ should: [{ has_id: [2] }] }], must_not: [{ has_id: [2] }] }, []],
    [{ must: [{ key: 'absent', match: { value: 1 } }] }, []],
    [{}, [2, 4, 10, 33]],
  ])('with the filter %j', (filter, ids) => {
    const { call } = filled();
    const scrolled = resultOf(call('POST', `${points}/scroll`, { body: { filter } }));
    expect(scrolled.points.map((point: { id: number }) => point.id)).toEqual(ids);
    expect(resultOf(call('POST', `${points}/count`, { body: { filter } }))).toEqual({
      count: ids.length,
    });
    expect(call('POST', `${points}/delete`, { body: { filter } }).status).toBe(200);
    expect(resultOf(call('POST', `${points}/count`, { body: {} }))).toEqual({
      count: 4 - ids.length,
    });
  });

  test('with a filter that is none is refused', () => {
    const { call } = filled();
    for (const filter of [
      { must: [{}] },
      { musst: [] },
      { must: [{ key: 'n', geo_radius: {} }] },
    ]) {
      expect(call('POST', `${points}/count`, { body: { filter } }).status).toBe(400);
    }
  });

  test('page by page meets every point once and in order', () => {
    const id = fc.oneof(fc.nat(100), fc.nat(100).map(uuid));
    fc.assert(
      fc.property(
        fc.uniqueArray(id),
        fc.array(id),
        fc.integer({ min: 1, max: 7 }),
        (ids, deleted, limit) => {
          const { call } = startWith(1, 'Dot');
          // In two writes with a read between them: the order has to survive both.
          for (const part of [ids.slice(0, ids.length / 2), ids, ids.slice(1)]) {
            call('PUT', points, { body: { points: part.map((p) => ({ id: p, vector: [1] })) } });
            call('POST', `${points}/scroll`, { body: {} });
          }
          call('POST', `${points}/delete`, { body: { points: deleted } });
          const met: (number | string)[] = [];
          let offset: number | string | null = null;
          do {
            const page = resultOf(call('POST', `${points}/scroll`, { body: { limit, offset } }));
            expect(page.points.length).toBeLessThanOrEqual(limit);
            met.push(...page.points.map((point: { id: number | string }) => point.id));
            // A point met twice would otherwise go round for ever.
            expect(met.length).toBeLessThanOrEqual(ids.length);
            offset = page.next_page_offset;
          } while (offset !== null);
          const left = ids.filter((p) => !deleted.includes(p));
          const numbers = left.filter((p) => typeof p === 'number').sort((a, b) => a - b);
          const uuids = left.filter((p) => typeof p === 'string').sort();
          expect(met).toEqual([...numbers, ...uuids]);
        },
      ),
    );
  });
});
