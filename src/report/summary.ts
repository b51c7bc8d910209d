import type { Sweep } from '../model/sweep.ts';
import { painter } from './colours.ts';
import { printable, short } from './figures.ts';
import { actionText, isConfident } from './terminal.ts';

/** What a lab showed, one entry for each column but the last. */
const entries = (sweep: Sweep): string[] => {
  const { lab, verdict } = sweep;
  const name = printable(lab.name);
  return isConfident(sweep)
    ? [
        name,
        verdict.bottleneck,
        verdict.knee === null ? '–' : short(verdict.knee),
        String(verdict.recommendedWorkers),
      ]
    : [name, sweep.valid ? 'undetermined' : 'not valid', '–', '–'];
};

/** Several labs, a line each: lab, bottleneck, knee, workers to run, action. Empty without labs. */
export const renderSummary = (sweeps: Sweep[], { colour }: { colour: boolean }): string => {
  if (sweeps.length === 0) return '';
  const paint = painter(colour);
  const headings = ['Lab', 'Bottleneck', 'Knee', 'Run'];
  const rows = sweeps.map(entries);
  const sizes = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  /** Names stand left, numbers right. */
  const padded = (row: string[]): string[] =>
    row.map((text, column) =>
      column < 2 ? text.padEnd(sizes[column] ?? 0) : text.padStart(sizes[column] ?? 0),
    );
  const lines = sweeps.map((sweep, row) => {
    const line = [...padded(rows[row] ?? []), actionText(sweep)].join('  ').trimEnd();
    return isConfident(sweep) ? line : paint('red', line);
  });
  return `${[paint('bold', [...padded(headings), 'Action'].join('  ')), ...lines].join('\n')}\n`;
};
