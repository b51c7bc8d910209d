import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Ask, type Asked, startDocs, startQdrant, timeless } from './testing.ts';

const whole = (text: string) => `{"status":{"error":${JSON.stringify(text)}},"time":0}`;

const put = (points: unknown): Asked => ({ body: { points } });

/** Every row of the table in the facts that needs no fault: what is asked, the status and the whole text. */
const table: [string, (ask: Ask) => ReturnType<Ask>, number, string][] = [
  ...['GET', 'PATCH'].map((method): (typeof table)[number] => [
    `${method} of a missing collection`,
    (ask) => ask(method, '/collections/other', { body: {} }),
    404,
    "Not found: Collection `other` doesn't exist!",
  ]),
  [
    'points of a missing collection',
    (ask) => ask('PUT', '/collections/other/points', put([{ id: 1, vector: [1, 2] }])),
    404,
    "Not found: Collection `other` doesn't exist!",
  ],
  [
    'a collection that exists',
    (ask) => ask('PUT', '/collections/docs', { body: { vectors: { size: 2, distance: 'Dot' } } }),
    409,
    'Wrong input: Collection `docs` already exists!',
  ],
  [
    'a wrong dimension',
    (ask) => ask('PUT', '/collections/docs/points?wait=false', put([{ id: 1, vector: [1] }])),
    400,
    'Wrong input: Vector dimension error: expected dim: 2, got 1',
  ],
  [
    'a wrong dimension of a named vector',
    (ask) => {
      const vectors = { image: { size: 4, distance: 'Dot' } };
      ask('PUT', '/collections/named', { body: { vectors } });
      return ask(
        'PUT',
        '/collections/named/points',
        put([{ id: 1, vector: { image: [1, 2, 3] } }]),
      );
    },
    400,
    "Wrong input: Vector dimension error: expected dim: 4, got 3 for vector 'image'",
  ],
  [
    'an unknown vector name',
    (ask) => ask('PUT', '/collections/docs/points', put([{ id: 1, vector: { foo: [1, 2] } }])),
    400,
    'Wrong input: Not existing vector name error: foo',
  ],
  [
    'a bad id in a body',
    (ask) => ask('PUT', '/collections/docs/points', put([{ id: 'doc_1', vector: [1, 2] }])),
    400,
    'Format error in JSON body: value doc_1 is not a valid point ID, valid values are either an unsigned integer or a UUID',
  ],
  [
    'a bad id in a path',
    (ask) => ask('GET', '/collections/docs/points/abc'),
    400,
    'Wrong input: Can not recognize "abc" as point id',
  ],
  [
    'a missing point',
    (ask) => ask('GET', '/collections/docs/points/7'),
    404,
    'Not found: Point with id 7 does not exists!',
  ],
  [
    'an upsert of neither points nor batch',
    (ask) => ask('PUT', '/collections/docs/points', { body: {} }),
    400,
    'Format error in JSON body: Invalid PointInsertOperations format',
  ],
  [
    'an empty upsert',
    (ask) => ask('PUT', '/collections/docs/points', put([])),
    400,
    'Bad request: Empty update request',
  ],
  [
    'a timeout of nothing',
    (ask) => ask('PUT', '/collections/docs/points?timeout=0', put([{ id: 1, vector: [1, 2] }])),
    422,
    'Validation error in query parameters: [timeout: value 0 invalid, must be 1 or larger]',
  ],
  [
    'an ordering that is none',
    (ask) => ask('PUT', '/collections/docs/points?ordering=fast', put([{ id: 1, vector: [1, 2] }])),
    400,
    'Deserialize error in query parameters: unknown variant `fast`, expected one of `weak`, `medium`, `strong`',
  ],
  [
    'a wait that is none',
    (ask) => ask('PUT', '/collections/docs/points?wait=maybe', put([{ id: 1, vector: [1, 2] }])),
    400,
    'Deserialize error in query parameters: provided string was not `true` or `false`',
  ],
];

test.each(table)('%s is answered in the words of the server', (_, asks, status, text) => {
  const answer = asks(startDocs().ask);
  expect([answer.status, timeless(answer)]).toEqual([status, whole(text)]);
});

test('a body too large is no 413', () => {
  const { service } = startDocs();
  expect(timeless(service.tooLarge(46866880))).toBe(
    whole('JSON payload (46866880 bytes) is larger than allowed (limit: 33554432 bytes).'),
  );
  expect(timeless(service.tooLarge(Number.NaN))).toBe(
    whole('JSON payload has exceeded limit (33554432 bytes).'),
  );
});

describe('a fault of the lab', () => {
  const faulty = (status: number, more: object = {}) => ({
    faults: [{ on: 'qdrant', kind: 'status', status, fromSeconds: 10, ...more }] as never,
  });
  const late = { atMs: 20_000 };
  const begin = (ask: Ask) => ask('POST', '/collections/docs/points/count', { body: {} });
  const search = { body: { query: [1, 2] }, ...late };
  const upsert = { ...put([{ id: 1, vector: [1, 2] }]), ...late };

  test.each([
    [408, 'query', "Timeout: Timeout error: Operation 'Search' timed out after 60s"],
    [408, 'count', "Timeout: Timeout error: Operation 'Count' timed out after 60s"],
    [
      500,
      'query',
      'Service internal error: The replica set for shard 0 on peer 123 has no active replica',
    ],
    [403, 'query', 'Forbidden: Global manage access is required'],
  ])('with status %i on %s', (status, path, text) => {
    const { ask } = startDocs(faulty(status));
    ask('POST', `/collections/docs/points/${path}`, { ...search, atMs: 0 });
    const answer = ask('POST', `/collections/docs/points/${path}`, search);
    expect([answer.status, timeless(answer)]).toEqual([status, whole(text)]);
    expect(answer.about).toMatchObject({ run: 'lab', kind: 'other', fault: 'status' });
  });

  const full =
    'Service internal error: No space left on device: WAL buffer size exceeds available disk space';
  test.each([
    [
      408,
      2,
      'Timeout: Timeout error: Update operation timed out in 60.00 seconds on 1 out of 2 shards.',
    ],
    [500, 1, full],
    [500, 3, `1 out of 3 shards failed to apply operation. First error captured: ${full}`],
    [
      507,
      1,
      'Insufficient storage: Disk usage is at 91% of total capacity, exceeding the configured limit of 90%. Help: Reduce disk usage (e.g. delete points or drop collections), or raise `max_disk_usage_percent` in the global quota config.',
    ],
  ])('with status %i on an upsert over %i shards stores nothing', (status, shards, text) => {
    const { ask } = startDocs(faulty(status, { untilSeconds: 30 }), { shard_number: shards });
    begin(ask);
    const answer = ask('PUT', '/collections/docs/points', upsert);
    expect([answer.status, timeless(answer)]).toEqual([status, whole(text)]);
    expect(answer.about).toMatchObject({ kind: 'upsert', fault: 'status' });
    const counted = ask('POST', '/collections/docs/points/count', { body: {}, atMs: 40_000 });
    expect(timeless(counted)).toBe('{"result":{"count":0},"status":"ok","time":0}');
  });

  test('with 429 tells when to come again, in real seconds', () => {
    const { ask } = startDocs(faulty(429, { retryAfterSeconds: 25 }), {}, 10);
    begin(ask);
    const answer = ask('PUT', '/collections/docs/points', upsert);
    expect(answer).toMatchObject({
      status: 429,
      headers: { 'retry-after': '3' },
      about: { hintMs: 30_000 },
    });
    expect(timeless(answer)).toContain('Rate limiting exceeded: Write rate limit exceeded: ');
  });

  test('with 503 is a proxy that speaks', () => {
    const { ask } = startDocs(faulty(503));
    begin(ask);
    const answer = ask('PUT', '/collections/docs/points', upsert);
    expect(answer).toMatchObject({ status: 503, headers: { 'content-type': 'text/html' } });
  });

  test('of another kind strikes the answer of work that was done', () => {
    const { ask } = startDocs({ faults: [{ on: 'upsert', kind: 'reset', first: 1 }] as never });
    const answer = ask('PUT', '/collections/docs/points', upsert);
    expect(answer).toMatchObject({
      fault: { kind: 'reset' },
      about: { fault: 'reset', points: 1, kind: 'upsert' },
    });
    expect(ask('POST', '/collections/docs/points/count', { body: {} }).body).toContain('"count":1');
  });
});

test('a suspended cluster answers every key with its status', () => {
  const { ask } = startQdrant({ qdrant: { suspendedStatus: 404 } } as never);
  expect(ask('GET', '/collections')).toMatchObject({ status: 404, body: '{"error":"forbidden"}' });
  expect(ask('GET', '/healthz').status).toBe(200);
});

const routes = () => startDocs().service.endpoints.map(({ method, path }) => ({ method, path }));

test('any JSON on any route is answered', () => {
  const value = fc.jsonValue({ maxDepth: 4 });
  const names = [
    ...['points', 'ids', 'filter', 'payload', 'keys', 'vector', 'vectors', 'batch', 'query'],
    ...['searches', 'operations', 'actions', 'limit', 'order_by', 'with_payload', 'with_vector'],
    ...['must', 'should', 'key', 'match', 'range', 'nested', 'min_should', 'upsert', 'delete'],
    ...['params', 'strict_mode_config', 'field_name', 'field_schema', 'id', 'using', 'offset'],
  ];
  const near = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      value,
      fc.constantFrom(1, 'a', true, null, [1, 2]),
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names), tie('node'), { maxKeys: 5 }),
    ),
  })).node;
  const route = fc.constantFrom(...routes());
  fc.assert(
    fc.property(route, near, ({ method, path }, body) => {
      const { ask } = startDocs();
      ask(
        'PUT',
        '/collections/docs/points',
        put([{ id: 1, vector: [1, 2], payload: { a: [{}] } }]),
      );
      const url = path.replace(':name', 'docs').replace(':id', '1').replace(':field', 'a');
      const { status } = ask(method, url, { body });
      expect([200, 400, 404, 409, 422]).toContain(status);
    }),
    { numRuns: 3_000 },
  );
});

test('a body that nests without end is refused', () => {
  const { ask } = startDocs();
  const depth = 50_000;
  const text = `{"filter":${'{"must":'.repeat(depth)}[]${'}'.repeat(depth)}}`;
  expect(ask('POST', '/collections/docs/points/count', { text }).status).toBe(400);
});

test.each([
  ['', 'EOF while parsing a value at line 1 column 0'],
  ['{"filter":', 'EOF while parsing a value'],
  ['{"filter"}', 'expected `:` at line 1 column 10'],
  ['{"filter":{}', 'expected `,` or `}` at line 1 column 13'],
  ['{filter:{}}', 'key must be a string at line 1 column 2'],
  ['{"filter":{}}x', 'trailing characters at line 1 column 14'],
  ['{"filter":nope}', 'expected value'],
])('%s is no JSON', (text, words) => {
  const { ask } = startDocs();
  const answer = ask('POST', '/collections/docs/points/count', { text });
  expect(answer).toMatchObject({ status: 400, about: { run: 'lab', kind: 'other' } });
  expect(timeless(answer)).toBe(whole(`Format error in JSON body: ${words}`));
});
