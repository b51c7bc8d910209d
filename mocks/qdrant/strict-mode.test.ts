import { describe, expect, test } from 'vitest';
import { type Ask, refusalOf, resultOf, somePoints, startDocs, timeless } from './testing.ts';

const points = '/collections/docs/points';

const strict = (config: object) => ({ strict_mode_config: { enabled: true, ...config } });

const write = (ask: Ask, count: number, atMs: number, first = 0) =>
  ask('PUT', `${points}?wait=true`, { body: { points: somePoints(count, first) }, atMs });

const limited = (text: string) => `{"status":{"error":"Rate limiting exceeded: ${text}"},"time":0}`;

describe('the write rate limit', () => {
  test('is a bucket of a minute that starts full and charges nothing for a refusal', () => {
    // 60 per minute: one token a second.
    const { ask } = startDocs({}, strict({ write_rate_limit: 60 }));
    expect(write(ask, 60, 0).status).toBe(200);
    const denied = write(ask, 10, 0);
    expect(timeless(denied)).toBe(
      limited(
        'Write rate limit exceeded: Operation requires 10 tokens but only 0.0 were available. Retry after 10s',
      ),
    );
    expect(denied).toMatchObject({
      status: 429,
      headers: { 'retry-after': '10' },
      about: { run: 'lab', kind: 'upsert', refusedBy: 'write-rate', hintMs: 10_000 },
    });
    // After 4.5 s there are 4.5 tokens, and 5.5 are missing: told as 6 s.
    const again = write(ask, 10, 4_500);
    expect(again.headers).toMatchObject({ 'retry-after': '6' });
    expect(again.body).toContain('only 4.5 were available. Retry after 6s');
    expect(write(ask, 10, 9_999).status).toBe(429);
    expect(write(ask, 10, 10_001).status).toBe(200);
    expect(resultOf(ask('POST', `${points}/count`, { body: {}, atMs: 10_001 }))).toEqual({
      count: 60,
    });
  });

  test.each([10, 70, 97, 600])('of %i a minute tells 60 s to who wants it all again', (limit) => {
    const { ask } = startDocs({}, strict({ write_rate_limit: limit }));
    write(ask, limit, 0);
    expect(timeless(write(ask, limit, 0))).toBe(
      limited(
        `Write rate limit exceeded: Operation requires ${limit} tokens but only 0.0 were available. Retry after 60s`,
      ),
    );
  });

  test('never lets through what is larger than the bucket, and gives no hint', () => {
    const { ask } = startDocs({}, strict({ write_rate_limit: 10 }));
    const answer = write(ask, 11, 0);
    expect(answer.status).toBe(429);
    expect(answer.headers).not.toHaveProperty('retry-after');
    expect(timeless(answer)).toBe(
      limited(
        'Write rate limit exceeded, request larger than rate limiter capacity, please try to split your request',
      ),
    );
  });

  test('tells the wait in seconds of the client, whose clock a sped-up run outruns', () => {
    const { ask } = startDocs({}, strict({ write_rate_limit: 60 }), 10);
    write(ask, 60, 0);
    const denied = write(ask, 45, 0);
    expect(denied).toMatchObject({
      headers: { 'retry-after': '5' },
      about: { hintMs: 50_000 },
    });
    // 4.5 real seconds are 45 virtual ones.
    expect(write(ask, 45, 4_499).status).toBe(429);
    expect(write(ask, 45, 4_501).status).toBe(200);
  });

  test('charges other changes by what they touch', () => {
    const { ask } = startDocs({}, strict({ write_rate_limit: 60 }));
    write(ask, 30, 0);
    const change = (path: string, body: object) => ask('POST', `${points}/${path}`, { body });
    expect(change('delete', { points: [1, 2, 3, 4, 5] }).status).toBe(200); // 25 left
    expect(change('payload', { payload: { a: 1 }, filter: {} }).status).toBe(200); // all 25: 0 left
    const field = { body: { field_name: 'n', field_schema: 'integer' } };
    expect(ask('PUT', '/collections/docs/index', field).body).toContain(
      'Operation requires 1 tokens but only 0.0 were available. Retry after 1s',
    );
  });

  test('is full again after a change of strict mode, and gone when that is off', () => {
    const { ask } = startDocs({}, strict({ write_rate_limit: 10 }));
    write(ask, 10, 0);
    expect(write(ask, 1, 0).status).toBe(429);
    const patch = (strict_mode_config: object) =>
      resultOf(ask('PATCH', '/collections/docs', { body: { strict_mode_config } }));
    expect(patch({ write_rate_limit: 20 })).toBe(true);
    expect(write(ask, 20, 0).status).toBe(200);
    expect(write(ask, 1, 0).status).toBe(429);
    expect(patch({ enabled: false })).toBe(true);
    expect(write(ask, 1_000, 0).status).toBe(200);
  });

  test('stops a batch where it strikes; what came before stays', () => {
    const { ask } = startDocs({}, strict({ write_rate_limit: 5 }));
    const operations = [0, 3, 6].map((first) => ({ upsert: { points: somePoints(3, first) } }));
    expect(ask('POST', `${points}/batch`, { body: { operations } }).status).toBe(429);
    expect(resultOf(ask('POST', `${points}/count`, { body: {} }))).toEqual({ count: 3 });
  });

  test('comes from the lab for collections that set none', () => {
    const { ask } = startDocs({ qdrant: { writeRateLimit: 7, readRateLimit: 9 } } as never);
    expect(resultOf(ask('GET', '/collections/docs')).config.strict_mode_config).toEqual({
      enabled: true,
      read_rate_limit: 9,
      write_rate_limit: 7,
    });
    expect(write(ask, 8, 0).status).toBe(429);
  });
});

test('the read rate limit charges searches, conditions and ids', () => {
  const { ask } = startDocs({}, strict({ read_rate_limit: 20 }));
  write(ask, 3, 0);
  const filter = { must: [{ has_id: [1] }, { should: [{ has_id: [1] }, { has_id: [2] }] }] };
  const read = (path: string, body: object) => ask('POST', `${points}${path}`, { body });
  expect(read('/query', { query: [1, 2], filter }).status).toBe(200); // 1 + 3: 16 left
  expect(read('/scroll', { filter }).status).toBe(200); // 1 + 3: 12 left
  expect(read('/count', {}).status).toBe(200); // 1: 11 left
  expect(read('', { ids: [1, 2, 3, 4] }).status).toBe(200); // 4: 7 left
  expect(ask('GET', `${points}/1`).status).toBe(200); // 1: 6 left
  const searches = [1, 2, 3].map(() => ({ query: [1, 2] }));
  expect(read('/query/batch', { searches }).status).toBe(200); // 3: 3 left
  expect(ask('GET', '/collections/docs').status).toBe(200); // nothing
  const denied = read('', { ids: [1, 2, 3, 4] });
  // One token comes every 3 s.
  expect(timeless(denied)).toBe(
    limited(
      'Read rate limit exceeded: Operation requires 4 tokens but only 3.0 were available. Retry after 3s',
    ),
  );
  expect(denied.about).toMatchObject({ kind: 'other', refusedBy: 'read-rate', hintMs: 3_000 });
});

const help = (name: string, value: number, limit: number) =>
  `Bad request: Limit exceeded ${value} > ${limit} for "${name}". Help: Reduce the "${name}" parameter to or below ${limit}.`;

test.each<[string, object, (ask: Ask) => ReturnType<Ask>, string]>([
  [
    'an upsert too large',
    { upsert_max_batchsize: 10 },
    (ask) => write(ask, 11, 0),
    help('upsert limit', 11, 10),
  ],
  [
    'a deletion too large',
    { upsert_max_batchsize: 10 },
    (ask) =>
      ask('POST', `${points}/delete`, { body: { points: somePoints(11).map(({ id }) => id) } }),
    help('update limit', 11, 10),
  ],
  [
    'a limit too large',
    { max_query_limit: 4 },
    (ask) => ask('POST', `${points}/query`, { body: { query: [1, 2], limit: 5 } }),
    help('limit', 5, 4),
  ],
  [
    'the default limit of a scroll',
    { max_query_limit: 4 },
    (ask) => ask('POST', `${points}/scroll`, { body: {} }),
    help('limit', 10, 4),
  ],
  [
    'a timeout too long',
    { max_timeout: 2 },
    (ask) => ask('POST', `${points}/query?timeout=3`, { body: { query: [1, 2] } }),
    help('timeout', 3, 2),
  ],
  [
    'too many searches at once',
    { search_max_batchsize: 1 },
    (ask) =>
      ask('POST', `${points}/query/batch`, {
        body: { searches: [{ query: [1, 2] }, { query: [1, 2] }] },
      }),
    help('search batch size', 2, 1),
  ],
  [
    'too wide a search',
    { search_max_hnsw_ef: 64 },
    (ask) => ask('POST', `${points}/query`, { body: { query: [1, 2], params: { hnsw_ef: 65 } } }),
    help('hnsw_ef', 65, 64),
  ],
  [
    'too much oversampling',
    { search_max_oversampling: 1.5 },
    (ask) =>
      ask('POST', `${points}/query`, {
        body: { query: [1, 2], params: { quantization: { oversampling: 2 } } },
      }),
    help('oversampling', 2, 1.5),
  ],
  [
    'an exact search',
    { search_allow_exact: false },
    (ask) => ask('POST', `${points}/query`, { body: { query: [1, 2], params: { exact: true } } }),
    'Bad request: Exact search disabled!. Help: Set exact=false.',
  ],
  [
    'a read by a field without index',
    { unindexed_filtering_retrieve: false },
    (ask) =>
      ask('POST', `${points}/query`, {
        body: { query: [1, 2], filter: { must: [{ key: 'city', match: { value: 'Bern' } }] } },
      }),
    'Bad request: Index required but not found for "city" of one of the following types: [keyword]. Help: Create an index for this key or use a different filter.',
  ],
  [
    'a deletion by a field without index',
    { unindexed_filtering_update: false },
    (ask) =>
      ask('POST', `${points}/delete`, {
        body: { filter: { must: [{ key: 'n', range: { gt: 1 } }] } },
      }),
    'Bad request: Index required but not found for "n" of one of the following types: [float, integer]. Help: Create an index for this key or use a different filter.',
  ],
  [
    'too many conditions',
    { filter_max_conditions: 1 },
    (ask) =>
      ask('POST', `${points}/count`, {
        body: { filter: { must: [{ has_id: [1] }, { has_id: [2] }] } },
      }),
    'Bad request: Filter condition limit reached (2 > 1). Help: Reduce the amount of conditions of your filter.',
  ],
  [
    'a point too many',
    { max_points_count: 3 },
    (ask) => {
      write(ask, 3, 0);
      return write(ask, 1, 0, 3);
    },
    'Bad request: Max points count limit of 3 reached!',
  ],
  [
    'a vector too many',
    { max_collection_vector_size_bytes: 2 ** 20 },
    (ask) => {
      write(ask, 2 ** 17, 0);
      return write(ask, 1, 0);
    },
    'Bad request: Max vector storage size limit of 1MB reached!',
  ],
])('strict mode refuses %s', (_, config, asks, text) => {
  expect(refusalOf(asks(startDocs({}, strict(config)).ask))).toEqual([400, text]);
  expect(asks(startDocs().ask).status).toBe(200);
});

test('an index allows the filter', () => {
  const { ask } = startDocs({}, strict({ unindexed_filtering_retrieve: false }));
  const index = { body: { field_name: 'city', field_schema: 'keyword' } };
  ask('PUT', '/collections/docs/index', index);
  const filter = { must: [{ key: 'city', match: { value: 'Bern' } }] };
  expect(ask('POST', `${points}/count`, { body: { filter } }).status).toBe(200);
  ask('DELETE', '/collections/docs/index/city');
  expect(ask('POST', `${points}/count`, { body: { filter } }).status).toBe(400);
});

test('a limit of nothing is none', () => {
  const { ask } = startDocs();
  const body = { strict_mode_config: { write_rate_limit: 0 } };
  expect(refusalOf(ask('PATCH', '/collections/docs', { body }))).toEqual([
    422,
    'Validation error in JSON body: [strict_mode_config.write_rate_limit: value 0 invalid, must be 1 or larger]',
  ]);
});
