import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Distance } from './store.ts';
import { refusalOf as errorOf, resultOf, startDocs } from './testing.ts';

const points = '/collections/docs/points';

const startWith = (size: number, distance: Distance) => ({
  call: startDocs({}, { vectors: { size, distance } }).ask,
});

describe('a query', () => {
  const sum = (numbers: number[]): number => numbers.reduce((a, b) => a + b, 0);
  const dot = (a: number[], b: number[]): number => sum(a.map((x, i) => x * b[i]!));
  const scores: Record<Distance, (a: number[], b: number[]) => number> = {
    Dot: dot,
    Cosine: (a, b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)),
    Euclid: (a, b) => Math.hypot(...a.map((x, i) => x - b[i]!)),
    Manhattan: (a, b) => sum(a.map((x, i) => Math.abs(x - b[i]!))),
  };

  test('of known vectors', () => {
    const { call } = startWith(2, 'Cosine');
    call('PUT', points, {
      body: {
        points: [
          { id: 1, vector: [3, 4], payload: { a: 1 } },
          { id: 2, vector: [0, 2] },
          { id: 3, vector: [-1, 0] },
        ],
      },
    });
    const ask = (body: unknown) => resultOf(call('POST', `${points}/query`, { body })).points;
    expect(ask({ query: [0, 5], limit: 2, with_payload: true, with_vector: true })).toEqual([
      { id: 2, version: 0, score: 1, payload: {}, vector: [0, 1] },
      { id: 1, version: 0, score: 0.8, payload: { a: 1 }, vector: [0.6, 0.8] },
    ]);
    expect(ask({ query: { nearest: [0, 5] }, offset: 1, score_threshold: 0.5 })).toEqual([
      { id: 1, version: 0, score: 0.8 },
    ]);
    expect(ask({ query: 1, limit: 1 })).toEqual([{ id: 2, version: 0, score: 0.8 }]);
    expect(ask({ query: [0, 5], filter: { must: [{ has_id: [3] }] } })).toEqual([
      { id: 3, version: 0, score: 0 },
    ]);
  });

  test('that does not fit is refused', () => {
    const { call } = startWith(2, 'Cosine');
    const refused = (body: unknown) => errorOf(call('POST', `${points}/query`, { body }));
    expect(refused({ query: [1] })).toEqual([
      400,
      'Wrong input: Vector dimension error: expected dim: 2, got 1',
    ]);
    expect(refused({ query: [1, 2], using: 'foo' })).toEqual([
      400,
      'Wrong input: Not existing vector name error: foo',
    ]);
    expect(refused({ query: 9 })).toEqual([404, 'Not found: No point with id 9 found']);
    expect(refused({ query: { fusion: 'rrf' } })[0]).toBe(400);
    expect(refused({ query: [1, 2], limit: 0 })[0]).toBe(422);
  });

  test.each(['Dot', 'Cosine', 'Euclid', 'Manhattan'] as const)(
    'by %s finds what measuring every pair finds',
    (distance) => {
      const size = 4;
      const vector = fc
        .array(fc.integer({ min: -1000, max: 1000 }), { minLength: size, maxLength: size })
        // Lengths away from zero: without a direction there is no cosine.
        .map((numbers) => numbers.map((n, i) => Math.fround(n / 100 + (i === 0 ? 20 : 0))));
      fc.assert(
        fc.property(
          fc.array(vector, { minLength: 1, maxLength: 30 }),
          vector,
          fc.integer({ min: 1, max: 40 }),
          fc.nat(5),
          (vectors, target, limit, offset) => {
            const { call } = startWith(size, distance);
            call('PUT', points, { body: { points: vectors.map((v, id) => ({ id, vector: v })) } });
            const hits: { id: number; score: number }[] = resultOf(
              call('POST', `${points}/query`, { body: { query: target, limit, offset } }),
            ).points;
            const expected = vectors.map((v) => scores[distance](target, v));
            const isHigh = distance === 'Dot' || distance === 'Cosine';
            const ordered = expected
              .toSorted((a, b) => (isHigh ? b - a : a - b))
              .slice(offset, offset + limit);
            const near = (score: number) =>
              expect.closeTo(score, distance === 'Dot' ? 2 : distance === 'Cosine' ? 5 : 4);
            expect(hits.map(({ score }) => score)).toEqual(ordered.map(near));
            expect(hits.map(({ score }) => score)).toEqual(
              hits.map(({ id }) => near(expected[id]!)),
            );
            expect(new Set(hits.map(({ id }) => id)).size).toBe(hits.length);
          },
        ),
      );
    },
  );
});
