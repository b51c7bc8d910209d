import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { refusalOf, resultOf, somePoints, startDocs } from './testing.ts';

const points = '/collections/docs/points';

test('a search of an older client finds what measuring every point finds', () => {
  const vector = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 2, maxLength: 2 });
  fc.assert(
    fc.property(
      fc.array(vector, { minLength: 1, maxLength: 20 }),
      vector,
      fc.integer({ min: 1, max: 25 }),
      fc.nat(20),
      (vectors, target, limit, least) => {
        const { ask } = startDocs();
        const list = vectors.map((v, id) => ({ id, vector: v, payload: { n: id } }));
        ask('PUT', points, { body: { points: list } });
        const filter = { must: [{ key: 'n', range: { gte: least } }] };
        const search = { vector: target, limit, filter };
        const hits = resultOf(ask('POST', `${points}/search`, { body: search }));
        const expected = vectors
          .map((v, id) => ({ id, version: 0, score: v[0]! * target[0]! + v[1]! * target[1]! }))
          .filter(({ id }) => id >= least)
          .sort((a, b) => b.score - a.score || a.id - b.id)
          .slice(0, limit);
        // -0 and 0 are one score.
        const plain = (list: { score: number }[]) =>
          list.map((h) => ({ ...h, score: h.score + 0 }));
        expect(plain(hits)).toEqual(plain(expected));
        const query = { query: target, limit, filter };
        const queries = { searches: [query, { ...query, limit: 1 }] };
        expect(resultOf(ask('POST', `${points}/query/batch`, { body: queries }))).toEqual([
          { points: hits },
          { points: hits.slice(0, 1) },
        ]);
        const searches = { searches: [search, { ...search, limit: 1 }] };
        expect(resultOf(ask('POST', `${points}/search/batch`, { body: searches }))).toEqual([
          hits,
          hits.slice(0, 1),
        ]);
      },
    ),
  );
});

test('a search of a named vector, and one of nothing in particular', () => {
  const { ask } = startDocs({}, { vectors: { text: { size: 1, distance: 'Dot' } } });
  const list = [1, 2].map((id) => ({ id, vector: { text: [id] } }));
  ask('PUT', points, { body: { points: list } });
  const search = { vector: { name: 'text', vector: [3] }, limit: 1 };
  expect(resultOf(ask('POST', `${points}/search`, { body: search }))).toEqual([
    { id: 2, version: 0, score: 6 },
  ]);
  expect(resultOf(ask('POST', `${points}/query`, { body: {} })).points).toEqual([
    { id: 1, version: 0, score: 0 },
    { id: 2, version: 0, score: 0 },
  ]);
});

test('a scroll in the order of a field', () => {
  const { ask } = startDocs();
  const ns = [5, 1, 3, 3];
  const list = ns.map((n, id) => ({ id, vector: [1, 1], payload: { n } }));
  ask('PUT', points, { body: { points: [...list, { id: 9, vector: [1, 1] }] } });
  const ids = (order_by: unknown, limit = 10) => {
    const body = { order_by, limit };
    const { points: page, next_page_offset } = resultOf(ask('POST', `${points}/scroll`, { body }));
    expect(next_page_offset).toBeNull();
    return page.map(({ id }: { id: number }) => id);
  };
  expect(ids('n')).toEqual([1, 2, 3, 0]);
  expect(ids({ key: 'n', direction: 'desc' }, 2)).toEqual([0, 2]);
  expect(ids({ key: 'n', start_from: 3 })).toEqual([2, 3, 0]);
  const body = { order_by: 'n', offset: 1 };
  expect(refusalOf(ask('POST', `${points}/scroll`, { body }))[0]).toBe(400);
});

describe('a filter', () => {
  const filled = () => {
    const started = startDocs();
    const payloads = [
      { city: 'Bern', day: '2026-01-01T00:00:00Z', tags: ['a', 'b'], text: 'Red fox, running' },
      { city: 'Rome', day: '2026-02-01T00:00:00Z', tags: [], text: 'A red hat' },
      { city: null, day: '2026-03-01T00:00:00Z', pets: [{ kind: 'cat', age: 3 }] },
      {
        pets: [
          { kind: 'cat', age: 9 },
          { kind: 'dog', age: 3 },
        ],
      },
    ];
    const list = somePoints(4).map((point, at) => ({ ...point, payload: payloads[at] }));
    started.ask('PUT', points, { body: { points: list } });
    return started;
  };
  const key = (name: string, condition: object) => ({ must: [{ key: name, ...condition }] });

  test.each<[object, number[]]>([
    [key('city', { match: { except: ['Rome'] } }), [0, 2]],
    [key('text', { match: { text: 'red' } }), [0, 1]],
    [key('text', { match: { text: 'fox RED' } }), [0]],
    [key('text', { match: { text_any: 'hat fox' } }), [0, 1]],
    [key('day', { range: { gte: '2026-02-01T00:00:00Z' } }), [1, 2]],
    [key('day', { range: { lt: '2026-02-01T01:00:00+01:00' } }), [0]],
    [key('tags', { values_count: { gte: 2 } }), [0]],
    [key('city', { is_null: true }), [2]],
    [key('city', { is_empty: false }), [0, 1]],
    [{ must: [{ is_empty: { key: 'tags' } }] }, [1, 2, 3]],
    [{ must: [{ is_null: { key: 'city' } }] }, [2]],
    [{ must: [{ has_vector: '' }] }, [0, 1, 2, 3]],
    [
      {
        must: [
          {
            nested: {
              key: 'pets',
              filter: {
                must: [
                  { key: 'kind', match: { value: 'cat' } },
                  { key: 'age', match: { value: 3 } },
                ],
              },
            },
          },
        ],
      },
      [2],
    ],
    [{ must: [{ key: 'pets[].age', range: { gt: 3 } }] }, [3]],
    [
      {
        min_should: {
          conditions: [{ has_id: [0, 1] }, { has_id: [1, 2] }, { has_id: [1, 3] }],
          min_count: 2,
        },
      },
      [1],
    ],
  ])('%j', (filter, ids) => {
    const { ask } = filled();
    const found = resultOf(ask('POST', `${points}/scroll`, { body: { filter } })).points;
    expect(found.map(({ id }: { id: number }) => id)).toEqual(ids);
  });
});
