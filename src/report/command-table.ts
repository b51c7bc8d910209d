import { fitMemory } from '../analyze/exec/measured.ts';
import type { Cell, Observed, Sweep } from '../model/sweep.ts';
import { countOf, formatMemory, formatTime, nothing, short } from './figures.ts';

export type CommandColumn = { heading: string; text: (cell: Cell) => string };

const whole = (ms: number): string => `${Math.round(ms)} ms`;

/** Whether anything ran in a cell: a command has a log then. Cells of other engines run wherever they fit. */
export const wasRun = ({ feasible, command }: Cell): boolean => feasible && command?.log !== '';

const of = (text: (cell: Cell, command: Observed) => string) => (cell: Cell) =>
  cell.command && wasRun(cell) ? text(cell, cell.command) : nothing;

/** What was seen of the user's own command beside the scaling table's figures. */
export const commandColumns: CommandColumn[] = [
  { heading: 'Workers', text: ({ workers }) => String(workers) },
  { heading: 'Start-up', text: of((_, { startUpSeconds }) => formatTime(startUpSeconds)) },
  { heading: 'Whole', text: of((_, { wholeSeconds }) => formatTime(wholeSeconds)) },
  { heading: 'CPU', text: of((_, { cpuSeconds }) => formatTime(cpuSeconds)) },
  { heading: 'Processes', text: of((_, { memory }) => String(memory.peakProcesses)) },
  { heading: 'Attempts', text: of(({ openai }) => short(openai.attemptsPerSuccess)) },
  {
    heading: 'Waited as told',
    text: of((_, { waits }) => {
      const told = waits.obeyed + waits.early;
      return told > 0 ? `${waits.obeyed} of ${told}` : nothing;
    }),
  },
  { heading: 'Embed p50', text: of(({ openai }) => whole(openai.latencyMs.p50)) },
  { heading: 'p99', text: of(({ openai }) => whole(openai.latencyMs.p99)) },
  { heading: 'Upsert p50', text: of(({ qdrant }) => whole(qdrant.latencyMs.p50)) },
  { heading: 'p99', text: of(({ qdrant }) => whole(qdrant.latencyMs.p99)) },
];

/** How memory was measured and what it comes to; undefined where it was not. */
export function memorySentence({ cells }: Sweep): string | undefined {
  const measured = cells.filter(
    ({ feasible, memory, command }) => feasible && memory.measured && command?.usable !== false,
  );
  const fit = fitMemory(
    measured.map(({ workers, memory }) => ({ workers, peakMb: memory.megabytes })),
  );
  const source = measured[0]?.command?.memory.source;
  if (!fit || !source) return undefined;
  const how =
    source === 'pss'
      ? 'resident, pages that processes share counted once'
      : 'resident, shared pages counted in each process';
  const line = `Memory is measured (${how}): `;
  const [{ workers, memory }] = measured as [Cell];
  return measured.length > 1
    ? `${line}${formatMemory(fit.perWorkerMb)} a worker and ${formatMemory(fit.baseMb)} for the rest, a fit over ${countOf(measured.length, 'cell')}.`
    : `${line}${formatMemory(memory.megabytes)} with ${countOf(workers, 'worker')}; one worker count can't tell the workers' share from the rest.`;
}

/** The command as it was given, and the MySQL it read from. */
export const commandLines = ({ provenance }: Sweep): string[] => [
  ...(provenance.command === undefined ? [] : [`Command: ${provenance.command}`]),
  ...(provenance.services === undefined ? [] : [`Real services: ${provenance.services}`]),
  ...(provenance.mysql === undefined ? [] : [`MySQL: ${provenance.mysql}`]),
];
