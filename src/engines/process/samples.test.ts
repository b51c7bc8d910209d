import { expect, test } from 'vitest';
import { createSamples } from './samples.ts';

test('a long run is thinned out evenly and keeps its peak', () => {
  const samples = createSamples(600);
  const count = 100_000;
  const peakAt = 61_803;
  for (let i = 0; i < count; i++)
    samples.add({ seconds: i, megabytes: i === peakAt ? 9_000 : 100 + (i % 7), processes: 1 });
  const kept = samples.all();
  expect(kept.length).toBeLessThanOrEqual(600);
  expect(kept.length).toBeGreaterThanOrEqual(300);
  expect(Math.max(...kept.map(({ megabytes }) => megabytes))).toBe(9_000);
  const gaps = kept.slice(1).map(({ seconds }, i) => seconds - kept[i]!.seconds);
  expect(Math.min(...gaps)).toBeGreaterThan(0);
  expect(Math.max(...gaps)).toBeLessThan((4 * count) / kept.length);
});

test('a short run keeps every sample in order', () => {
  const samples = createSamples(600);
  for (let i = 0; i < 500; i++) samples.add({ seconds: i, megabytes: 1, processes: 1 });
  expect(samples.all().map(({ seconds }) => seconds)).toEqual([...Array(500).keys()]);
});
