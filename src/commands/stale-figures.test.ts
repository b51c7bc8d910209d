import { expect, test } from 'vitest';
import { listStale } from './list.ts';
import { asOfDay, staleFigures } from './stale-figures.ts';

test('before anything was read nothing is stale, and long after all is', () => {
  expect(staleFigures('2022-01-01')).toEqual([]);
  expect(listStale('2022-01-01', false)).toEqual({
    text: 'No figure is older than 180 days on 2022-01-01.\n',
    exitCode: 0,
  });
  const all = staleFigures('2100-01-01');
  for (const name of [
    'OpenAI tier-3: limits',
    'Qdrant free: price',
    'text-embedding-3-small: price',
  ])
    expect(all.map((figure) => figure.name)).toContain(name);
  expect(listStale('2100-01-01', true)).toMatchObject({ exitCode: 1 });
});

test('180 days are not over 180 days', () => {
  // Tier limits were read on 2026-10-05; 180 days later is 2027-04-03.
  const names = (day: string) => staleFigures(day).map(({ name }) => name);
  expect(names('2027-04-03')).not.toContain('OpenAI tier-3: limits');
  expect(names('2027-04-04')).toContain('OpenAI tier-3: limits');
});

test('of a year only, the first day counts; the oldest come first', () => {
  const stale = staleFigures('2026-11-24');
  expect(stale.find(({ name }) => name === 'Qdrant standard-2: price')!.days).toBe(1_423);
  const days = stale.map((figure) => figure.days);
  expect(days).toEqual([...days].sort((a, b) => b - a));
});

test.each(['2026-02-30', '2026', 'today', '2026-13-01', ''])('--as-of %j is refused', (text) => {
  expect(() => asOfDay(text)).toThrow(/--as-of: must be a day such as/);
});
