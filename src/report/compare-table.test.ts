import { expect, test } from 'vitest';
import { compareSweeps } from '../analyze/check/compare.ts';
import type { Sweep } from '../model/sweep.ts';
import { renderComparison } from './compare-table.ts';
import { exampleSweep } from './example-sweep.ts';

const faster: Sweep = {
  ...exampleSweep,
  lab: { ...exampleSweep.lab, name: 'worked\u001b[31m', seed: 2 },
  verdict: { ...exampleSweep.verdict, recommendedWorkers: 10 },
  cells: exampleSweep.cells.slice(1).map((cell) => ({
    ...cell,
    seconds: cell.seconds / (cell.workers > 5 ? 2 : 1.01),
    qdrant: { ...cell.qdrant, timeouts: 3 },
  })),
};

test('two runs side by side: labs, times, counts, verdicts, notes', () => {
  const text = renderComparison(compareSweeps(exampleSweep, faster), { colour: false });
  expect(text).toMatch(/^A {2}worked-example · k6 · kneepoint 0\.1\.0 · lab 5f3a09c1$/m);
  expect(text).toMatch(/^ {2}seed: 1 → 2$/m);
  expect(text).toMatch(
    /^ +5 \| +12\.0 s \| +11\.9 s \| 0\.99 \| +– \| +0 \| +0 → 3 \| +0 \| no difference that this data can show/m,
  );
  expect(text).toMatch(/^ +20 \| +6\.0 s \| +3\.0 s \| 0\.50 .* \| 50 % faster \(single runs/m);
  expect(text).toContain('Worker counts of A only: 1.');
  expect(text).toMatch(/^ {2}Run +8 workers → 10 workers$/m);
  expect(text).toMatch(/^ {2}Bottleneck qdrant \(unchanged\)$/m);
  expect(text).not.toContain('\u001b');
});

test('the same run twice is the same', () => {
  const text = renderComparison(compareSweeps(exampleSweep, exampleSweep), { colour: true });
  expect(text).toContain('The labs are the same.');
  expect(text).toContain('\u001b[2mno difference that this data can show');
});
