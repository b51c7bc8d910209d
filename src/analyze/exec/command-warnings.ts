import type { Cell, Observed, Warning } from '../../model/sweep.ts';
import { ranOutOfMemory } from '../diagnosis/knee.ts';

const counted = (count: number, noun: string, plural = `${noun}s`) =>
  `${count} ${count === 1 ? noun : plural}`;

/** What went wrong with a whole cell. */
function problemWarning(cell: Cell, command: Observed): Warning | undefined {
  const { workers, feasible } = cell;
  const { problem, usable, log } = command;
  if (problem === undefined) return undefined;
  const message = `At ${counted(workers, 'worker')}: ${problem}.`;
  if (ranOutOfMemory(cell))
    return {
      code: 'out-of-memory',
      message,
      remedy: 'Run fewer workers, or give them more memory.',
    };
  if (!feasible)
    return {
      code: 'not-run',
      message,
      remedy: usable
        ? 'Set host.memoryGb (--memory-gb) to what the production host has.'
        : 'Run this worker count on a machine with more memory, or a smaller one here.',
    };
  return {
    code: usable ? 'command-failed' : 'cell-failed',
    message,
    remedy: `${log === '' ? 'Mend it' : `Read ${log}, mend it`}, and run this worker count again (--workers ${workers}).`,
  };
}

/** What was seen of a command that its figures alone don't tell. */
export function commandWarnings(cells: Cell[]): Warning[] {
  return cells.flatMap((cell) => {
    const { workers, command, completeness } = cell;
    if (!command) return [];
    const { leftBehind, duplicatePoints, waits, lostRecords } = command;
    const at = `At ${counted(workers, 'worker')}`;
    const warnings: Warning[] = [];
    const problem = problemWarning(cell, command);
    if (problem) warnings.push(problem);
    if (leftBehind > 0)
      warnings.push({
        code: 'processes-left-behind',
        message: `${at} the command left ${counted(leftBehind, 'process', 'processes')} running; they were ended.`,
        remedy: 'Let the command wait for its workers before it ends.',
      });
    if (duplicatePoints > 0)
      warnings.push({
        code: 'duplicate-points',
        message: `${at} ${counted(duplicatePoints, 'point')} more than one for each chunk are stored.`,
        remedy: 'Derive point ids from record and chunk, so that an upsert tried again overwrites.',
      });
    if (waits.early > 0)
      warnings.push({
        code: 'hints-ignored',
        message: `${at} ${waits.early} of ${waits.early + waits.obeyed} retries came sooner than the 429 asked, by ${Math.round(waits.meanEarlyMs)} ms on average.`,
        remedy: 'Wait for retry-after-ms (or retry-after) before trying again.',
      });
    if (lostRecords.length > 0) {
      const others = completeness.recordsFailed - lostRecords.length;
      const more = others > 0 ? ` and ${others} more` : '';
      warnings.push({
        code: 'records-missing',
        message: `${at} not all points of ${counted(completeness.recordsFailed, 'record')} are in Qdrant: ${lostRecords.join(', ')}${more}.`,
        remedy: 'Look for these ids in the log: a failed batch was given up or swallowed there.',
      });
    }
    return warnings;
  });
}
