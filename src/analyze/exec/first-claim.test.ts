import { expect, test } from 'vitest';
import { checkLab, readLabFile } from '../../lab-file.ts';
import { simulateCell } from '../../simulate/cell.ts';
import { analyzeMeasured } from '../analyze.ts';
import { withFirstClaims } from './first-claim.ts';
import { type MeasuredCell, nothingObserved } from './measured.ts';

const twoBatches = checkLab(readLabFile('two-batches'), 'two-batches');

/** A simulated cell as its requests show it: without what comes before the first of them. */
function seenByRequests(workers: number, startUpSeconds = 5): MeasuredCell {
  const lab = twoBatches;
  const cell = simulateCell(lab, workers);
  const firstClaim = (lab.worker.readMs + 50 * lab.worker.computeMs) / 1_000;
  const spent = (state: 'embed' | 'qdrant' | 'backoff') => cell.absorbed[state] * cell.seconds;
  return {
    workers,
    feasible: true,
    seconds: cell.seconds - firstClaim,
    longestGapSeconds: workers === 1 ? firstClaim : 0,
    openai: cell.openai,
    qdrant: cell.qdrant,
    spentSeconds: { embed: spent('embed'), qdrant: spent('qdrant'), backoff: 0 },
    peakMb: 100,
    completeness: cell.completeness,
    pointsPerRecord: 8,
    observed: {
      ...nothingObserved,
      wholeSeconds: cell.seconds + 1,
      startUpSeconds,
      exitCode: 0,
      cpuSeconds: 1,
    },
  };
}

test('work on the first claim counts, so that two claims scale twofold and no more', () => {
  const seen = [1, 2, 5].map((workers) => seenByRequests(workers));
  expect(seen.map(({ seconds }) => Number(seconds.toFixed(1)))).toEqual([12, 4, 4]);
  const cells = withFirstClaims(twoBatches, seen);
  expect(cells.map(({ seconds }) => Number(seconds.toFixed(1)))).toEqual([16, 8, 8]);
  expect(cells.map(({ observed }) => Number(observed.startUpSeconds.toFixed(1)))).toEqual([
    1, 1, 1,
  ]);
  const sweep = analyzeMeasured(
    twoBatches,
    cells,
    { machineCores: 8, realServices: false },
    { kneepoint: 'test', node: 'test', labHash: 'test' },
  );
  expect(sweep.cells[1]!.speedup).toBeCloseTo(2, 1);
  expect(sweep.verdict).toMatchObject({ bottleneck: 'work-units', recommendedWorkers: 2 });
  expect(sweep.warnings.map(({ code }) => code)).not.toContain('cells-contradict');
  expect(sweep.verdict.evidence.join('\n')).not.toMatch(/own work a record/);
});

test('a pipeline that claims otherwise than the lab says hides no more than its longest pause', () => {
  const [one] = [seenByRequests(1)];
  const [cell] = withFirstClaims(twoBatches, [{ ...one!, longestGapSeconds: 0.08 }]);
  expect(cell!.seconds - one!.seconds).toBeCloseTo(0.08, 9);
});

test('nothing is hidden in more time than the start-up took, nor known without a lone worker', () => {
  const [one] = [seenByRequests(1, 0.5)];
  expect(withFirstClaims(twoBatches, [one!])[0]!.seconds).toBeCloseTo(one!.seconds + 0.5, 9);
  const two = seenByRequests(2);
  expect(withFirstClaims(twoBatches, [two])).toEqual([two]);
});
