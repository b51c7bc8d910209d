import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createTextCache } from './text-cache.ts';

test('tells every text from every other, however alike they are', () => {
  const text = fc.oneof(
    fc.string(),
    // Alike at all places that are looked at.
    fc.integer({ min: 0, max: 9 }).map((n) => `${'a'.repeat(100)}${n}${'a'.repeat(100)}`),
  );
  fc.assert(
    fc.property(fc.array(text), (texts) => {
      const cache = createTextCache<string>();
      for (const given of texts) if (cache.get(given) === undefined) cache.set(given, given);
      for (const given of texts) expect([given, undefined]).toContain(cache.get(given));
      expect(cache.get(`${texts.join()}, never set`)).toBeUndefined();
    }),
  );
});

test('remembers, and forgets when told', () => {
  const cache = createTextCache<number>();
  cache.set('', 0);
  cache.set('one', 1);
  expect([cache.get(''), cache.get('one')]).toEqual([0, 1]);
  cache.clear();
  expect(cache.get('one')).toBeUndefined();
});
