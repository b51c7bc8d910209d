/** Requests as no client should send them: valid ones, damaged. */
import fc from 'fast-check';
import type { Endpoint } from '../../mocks/endpoint.ts';

export type Malformed = {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | Uint8Array;
};

/** A body that the route takes, by the end of its path. */
const goodBodies: Record<string, unknown> = {
  '/v1/embeddings': {
    model: 'text-embedding-3-small',
    input: ['a', 'b'],
    dimensions: 4,
    encoding_format: 'float',
    user: 'someone',
  },
  '/collections/:name': { vectors: { size: 4, distance: 'Cosine' }, shard_number: 1 },
  '/collections/aliases': {
    actions: [{ create_alias: { collection_name: 'docs', alias_name: 'also' } }],
  },
  '/points': { points: [{ id: 1, vector: [1, 2, 3, 4], payload: { a: 1 } }], ids: [1, 2] },
  '/points/scroll': {
    limit: 5,
    offset: 1,
    filter: { must: [{ key: 'a', match: { value: 1 } }], must_not: [{ has_id: [7] }] },
    with_payload: true,
    with_vector: true,
  },
  '/points/count': { filter: { should: [{ key: 'a', range: { gte: 1, lt: 5 } }] }, exact: true },
  '/points/query': { query: [1, 2, 3, 4], limit: 3, with_payload: ['a'], score_threshold: 0.1 },
  '/points/query/batch': { searches: [{ query: [1, 2, 3, 4], limit: 3 }] },
  '/points/search': { vector: [1, 2, 3, 4], limit: 3 },
  '/points/search/batch': { searches: [{ vector: [1, 2, 3, 4], limit: 3 }] },
  '/points/delete': { points: [1, 2], filter: { must: [] } },
  '/points/payload': { payload: { a: 2 }, points: [1] },
  '/points/payload/delete': { keys: ['a'], points: [1] },
  '/points/payload/clear': { points: [1] },
  '/points/vectors': { points: [{ id: 1, vector: [4, 3, 2, 1] }] },
  '/points/batch': {
    operations: [
      { upsert: { points: [{ id: 3, vector: [1, 2, 3, 4] }] } },
      { delete: { points: [3] } },
    ],
  },
  '/index': { field_name: 'a', field_schema: 'integer' },
};

const goodBodyOf = ({ path }: Endpoint): unknown => {
  const ends = Object.keys(goodBodies).filter((end) => path.endsWith(end));
  const longest = ends.sort((a, b) => b.length - a.length)[0];
  return longest === undefined ? {} : goodBodies[longest];
};

/** All places in a JSON value, the root included. */
function placesIn(value: unknown, at: (string | number)[] = []): (string | number)[][] {
  if (value === null || typeof value !== 'object') return [at];
  const inner = Object.entries(value).flatMap(([key, child]) => placesIn(child, [...at, key]));
  return [at, ...inner];
}

function replaced(value: unknown, [key, ...rest]: (string | number)[], by: unknown): unknown {
  if (key === undefined) return by;
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  const inner = (copy as Record<string, unknown>)[key];
  (copy as Record<string, unknown>)[key] = replaced(inner, rest, by);
  return copy;
}

const strange = fc.oneof(
  { weight: 4, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  {
    weight: 4,
    arbitrary: fc.constantFrom<unknown>(
      null,
      true,
      -1,
      0,
      1.5,
      1e308,
      2 ** 64,
      -(2 ** 63),
      '',
      '1',
      '\u0000',
      '\ud800',
      '__proto__',
      [],
      {},
      [[]],
      [null],
      { __proto__: null },
      { key: 'a' },
      { must: 1 },
      Array.from({ length: 3_000 }, () => 'x'),
      'x'.repeat(50_000),
    ),
  },
);

const segment = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('docs', 'other', '1', 'aliases', '7') },
  {
    weight: 3,
    arbitrary: fc.constantFrom('%zz', '%00', '..', '%2e%2e', '%F0%9F', 'x'.repeat(2_000), '', ':n'),
  },
  { weight: 2, arbitrary: fc.string({ maxLength: 12 }).map(encodeURIComponentSafely) },
);

/** Lone surrogates can't be encoded; they are dropped. */
function encodeURIComponentSafely(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

const query = fc.constantFrom(
  '',
  '?wait=true',
  '?wait=maybe',
  '?timeout=0',
  '?timeout=x',
  '?timeout=99999999999999999999',
  '?ordering=wild',
  '?%zz=%zz',
  `?${'a=b&'.repeat(200)}`,
  '?wait=true&wait=false',
);

const header = fc.constantFrom<Record<string, string>>(
  {},
  { 'content-type': 'text/plain' },
  { 'content-type': 'multipart/form-data; boundary=x' },
  { 'content-type': '' },
  { 'content-encoding': 'gzip' },
  { 'x-kneepoint-record': '-1' },
  { 'x-kneepoint-record': '1e999', 'x-kneepoint-attempt': 'NaN', 'x-kneepoint-draw': '{}' },
  { 'x-kneepoint-late-ms': 'Infinity' },
  { accept: 'x'.repeat(4_000) },
);

const key = fc.constantFrom('good', 'good', 'good', 'good', 'wrong', 'none', 'long');

function keyHeaders(service: 'openai' | 'qdrant', kind: string): Record<string, string> {
  if (kind === 'none') return {};
  const text = { good: 'kneepoint-lab-fuzz', wrong: 'kneepoint', long: 'k'.repeat(3_000) }[kind]!;
  return service === 'openai'
    ? { authorization: `Bearer ${kind === 'good' ? 'sk-' : ''}${text}` }
    : { 'api-key': text };
}

/** So many damaged requests to a service, always the same for a seed. */
export function malformedRequests(
  service: 'openai' | 'qdrant',
  endpoints: Endpoint[],
  count: number,
  seed: number,
): Malformed[] {
  const arbitrary = fc
    .record({
      endpoint: fc.constantFrom(...endpoints),
      kind: fc.constantFrom(
        'swap',
        'swap',
        'swap',
        'swap',
        'cut',
        'bytes',
        'extra',
        'deep',
        'good',
      ),
      where: fc.nat(),
      value: strange,
      bytes: fc.uint8Array({ maxLength: 200 }),
      name: segment,
      query,
      header,
      key,
      method: fc.constantFrom(
        '',
        '',
        '',
        '',
        '',
        '',
        'GET',
        'POST',
        'PUT',
        'DELETE',
        'PATCH',
        'OPTIONS',
      ),
    })
    .map(
      ({
        endpoint,
        kind,
        where,
        value,
        bytes,
        name,
        query: search,
        header: extra,
        key: who,
        method,
      }) => {
        const good = goodBodyOf(endpoint);
        const text = JSON.stringify(good);
        const places = placesIn(good);
        const body = {
          swap: () => JSON.stringify(replaced(good, places[where % places.length]!, value)) ?? '',
          cut: () => text.slice(0, where % text.length),
          bytes: () => bytes,
          extra: () => JSON.stringify({ ...(good as object), strange: value }),
          deep: () => '['.repeat(1 + (where % 20_000)),
          good: () => text,
        }[kind as 'swap']();
        return {
          method: method || endpoint.method,
          path: endpoint.path.replace(/:\w+/g, () => name) + search,
          headers: { 'content-type': 'application/json', ...extra, ...keyHeaders(service, who) },
          body,
        };
      },
    );
  return fc.sample(arbitrary, { numRuns: count, seed });
}
