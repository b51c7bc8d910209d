import { expect, test } from 'vitest';
import { labs } from '../../model/labs.ts';
import { compareStrategies, intervalOf } from './strategies.ts';

const compared = compareStrategies(labs['openai-tier-1']!);
const named = (name: string) => compared.results.find((result) => result.name === name)!;

test("an interval is Student's: a known answer", () => {
  // Mean 5.5, standard deviation 3.0277; t(0.975, 9) is 2.2622.
  const { mean, low, high } = intervalOf([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(mean).toBe(5.5);
  expect(high - mean).toBeCloseTo(2.2622 * (3.02765 / Math.sqrt(10)), 3);
  expect(mean - low).toBeCloseTo(high - mean, 12);
});

test('no strategy beats the limit: what loses nothing takes as long as the tokens do', () => {
  const least = (compared.records * 4_000) / (1e6 / 60);
  for (const { name, seconds, recordsLost } of compared.results) {
    if (recordsLost.mean > 0) continue;
    expect(seconds.mean, name).toBeGreaterThan(least * 0.999);
    // So few workers are fewer than the limit feeds: 2 of 2.5.
    if (name !== 'fewer workers') expect(seconds.mean, name).toBeLessThan(least * 1.07);
  }
});

test('a shared limiter and fewer workers have no 429s to speak of; 95 % costs a twentieth', () => {
  for (const share of [100, 95]) {
    const limiter = named(`shared limiter at ${share} %`);
    expect(limiter.refused.mean).toBe(0);
    expect(limiter.attemptsPerSuccess.mean).toBe(1);
  }
  const ratio =
    named('shared limiter at 95 %').seconds.mean / named('shared limiter at 100 %').seconds.mean;
  expect(ratio).toBeCloseTo(1 / 0.95, 2);
  const few = named('fewer workers');
  expect(few.workers).toBe(2);
  expect(few.refused.mean).toBeLessThan(10);
});

test('waits without jitter spend more 429s than with, and those more than without hints', () => {
  const [herd, hint, blind] = [
    'hint without jitter',
    'hint with jitter',
    'full jitter, no hint',
  ].map((name) => named(name).refused);
  expect(herd!.low).toBeGreaterThan(hint!.high);
  expect(hint!.low).toBeGreaterThan(blind!.high);
});

test('retries that are counted lose records, fewer the more there are; AIMD loses none', () => {
  const lost = ['no retries', '2 retries', '5 retries', '10 retries'].map(
    (name) => named(`openai-node-7, ${name}`).recordsLost,
  );
  for (const [at, { low }] of lost.slice(0, -1).entries())
    expect(low).toBeGreaterThan(lost[at + 1]!.high);
  expect(lost.at(-1)!.mean).toBeGreaterThan(0);
  expect(named('AIMD on 429s').recordsLost.mean).toBe(0);
  expect(named('AIMD on 429s').refused.mean).toBeLessThan(named('doing nothing').refused.mean / 10);
});

test('the settings to use lose nothing and are not those that lose records quickly', () => {
  expect(compared.best).toBe('shared limiter at 100 %');
  const lossy = compareStrategies(labs['sdk-defaults']!);
  const best = lossy.results.find(({ name }) => name === lossy.best)!;
  expect(best.recordsLost.mean).toBe(0);
});

test('where nothing is refused, no limiter is recommended', () => {
  const linear = compareStrategies(labs.linear!, { seeds: 3 });
  expect(linear.why).toContain('no limit refuses anything');
  expect(linear.best).not.toContain('limiter');
});

test('memory at most 80 % full, whatever is asked for', () => {
  // 12 workers of 525 MB are 77 % of 8 GiB, 13 are 83 %.
  const { workers, results } = compareStrategies(labs['memory-8gb']!, { workers: 20, seeds: 2 });
  expect(workers).toBe(12);
  for (const { workers: count, name } of results) expect(count, name).toBeLessThanOrEqual(12);
});

test('where claims are too few, the records stay what they are and idle workers are not recommended', () => {
  const { records, results } = compareStrategies(labs['two-batches']!, { seeds: 2 });
  expect(records).toBe(100);
  const few = results.find(({ name }) => name === 'fewer workers')!;
  expect(few.workers).toBe(2);
  expect(few.timeRatio.mean).toBeCloseTo(1, 6);
  const large = results.find(({ name }) => name === 'batch 200, claim 50')!;
  expect(large).toMatchObject({ workers: 2, claims: 2 });
});

test("a client's own retries are named as its library names them", () => {
  const python = { ...labs['openai-tier-1']!.worker, client: 'openai-python-3' as const };
  const { results } = compareStrategies(
    { ...labs['openai-tier-1']!, worker: python },
    { seeds: 2 },
  );
  const five = results.find(({ name }) => name === 'openai-python-3, 5 retries')!;
  expect(five.settings).toEqual(['max_retries=5']);
  expect(named('openai-node-7, 5 retries').settings).toEqual(['maxRetries: 5']);
});
