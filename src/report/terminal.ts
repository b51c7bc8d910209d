import type { Bottleneck, Cell, Sweep, Verdict } from '../model/sweep.ts';
import { type Paint, painter, type Style } from './colours.ts';
import { commandColumns, commandLines, memorySentence, wasRun } from './command-table.ts';
import {
  countOf,
  formatMemory,
  formatShare,
  formatTime,
  grouped,
  nothing,
  printable,
  short,
} from './figures.ts';

/** What each bottleneck is called, and the verb that follows the name in a sentence. */
const names: Record<Bottleneck, { name: string; verb: string }> = {
  'openai-rpm': { name: 'OpenAI requests per minute', verb: 'bind' },
  'openai-tpm': { name: 'OpenAI tokens per minute', verb: 'bind' },
  'openai-rpd': { name: 'OpenAI requests per day', verb: 'bind' },
  qdrant: { name: 'Qdrant', verb: 'binds' },
  'mysql-pool': { name: 'MySQL connection pool', verb: 'binds' },
  memory: { name: 'Memory', verb: 'binds' },
  'work-units': { name: 'Work units', verb: 'run out' },
  'client-cpu': { name: 'Worker CPU', verb: 'binds' },
  none: { name: 'Nothing', verb: 'binds' },
  undetermined: { name: 'Undetermined', verb: 'binds' },
};

/** The name of a bottleneck for people. */
export const bottleneckName = (bottleneck: Bottleneck): string => names[bottleneck].name;

/** Requests that OpenAI turned away with a 429, over all its limits. */
const rejected = ({ openai: { rateLimited } }: Cell): number =>
  rateLimited.rpm + rateLimited.tpm + rateLimited.rpd;

export type Note = { text: string; style: Style };

/**
 * How well a cell scales, in the test plan's words. The shown (rounded) percentage decides, so
 * that a row never contradicts itself; half of linear, or less, is a heavy bottleneck.
 */
export const scalingNote = (cell: Cell): Note => {
  if (cell.command?.usable === false) return { text: 'failed: see warnings', style: 'red' };
  if (!cell.feasible)
    return { text: cell.memory.measured ? 'out of memory' : 'not run: over memory', style: 'red' };
  if (cell.workers === 1) return { text: 'Baseline', style: 'dim' };
  const percent = Math.round(cell.efficiency * 100);
  if (percent >= 95) return { text: '✅ Linear', style: 'green' };
  if (percent >= 80) return { text: 'near linear', style: 'green' };
  if (percent > 50) return { text: '⚠️ Sublinear', style: 'yellow' };
  return { text: '❌ Heavy bottleneck', style: 'red' };
};

export type Column = { heading: string; text: (cell: Cell) => string };

/** The cells' figure where the cell ran. */
const ran =
  (text: (cell: Cell) => string) =>
  (cell: Cell): string =>
    wasRun(cell) ? text(cell) : nothing;

/** A figure that compares cells, where the cell can be judged. */
const judged = (text: (cell: Cell) => string) =>
  ran((cell) => (cell.command?.usable === false ? nothing : text(cell)));

/** The scaling table without its last column, the note. `Lost` is there only when records were. */
export const scalingColumns = (cells: Cell[]): Column[] => [
  { heading: 'Workers', text: (cell) => String(cell.workers) },
  { heading: 'Time', text: ran((cell) => formatTime(cell.seconds)) },
  {
    heading: 'Predicted',
    text: ran((cell) => (cell.predictedSeconds > 0 ? formatTime(cell.predictedSeconds) : nothing)),
  },
  { heading: 'Speedup', text: judged((cell) => `${short(cell.speedup)}x`) },
  { heading: 'Efficiency', text: judged((cell) => formatShare(cell.efficiency)) },
  { heading: '429s', text: ran((cell) => grouped(rejected(cell))) },
  { heading: 'Timeouts', text: ran((cell) => grouped(cell.qdrant.timeouts)) },
  {
    heading: 'Memory',
    text: (cell) => (cell.memory.megabytes > 0 ? formatMemory(cell.memory.megabytes) : nothing),
  },
  ...(cells.some((cell) => cell.completeness.recordsFailed > 0)
    ? [{ heading: 'Lost', text: ran((cell) => grouped(cell.completeness.recordsFailed)) }]
    : []),
];

/** What went wrong in the cells and has no column of its own, a sentence for each cell. */
export const troubles = (cells: Cell[]): string[] =>
  cells.filter(wasRun).flatMap(({ workers, completeness, openai, qdrant }) => {
    const missing = completeness.pointsExpected - completeness.pointsStored;
    const parts = [
      ...(completeness.recordsFailed > 0
        ? [
            `${grouped(completeness.recordsFailed)} of ${countOf(completeness.records, 'record')} lost`,
          ]
        : []),
      ...(missing > 0
        ? [`${grouped(missing)} of ${countOf(completeness.pointsExpected, 'point')} missing`]
        : []),
      ...(openai.errors > 0 ? [countOf(openai.errors, 'OpenAI error')] : []),
      ...(qdrant.errors > 0 ? [countOf(qdrant.errors, 'Qdrant error')] : []),
    ];
    return parts.length > 0 ? [`At ${countOf(workers, 'worker')}: ${parts.join(', ')}.`] : [];
  });

/** Whether the verdict may be shown as a number: an invalid run must not look confident. */
export const isConfident = ({ valid, verdict }: Sweep): boolean =>
  valid && verdict.bottleneck !== 'undetermined';

/** Where the first resource is full, in workers: `2.5 workers`, `9 workers (8 to 10)`. */
export const kneeText = ({ knee, kneeInterval }: Verdict): string => {
  const [low, high] = kneeInterval ?? [0, 0];
  const between = short(low) === short(high) ? '' : `${short(low)} to ${short(high)}`;
  if (knee === null) return between ? `${between} workers` : 'none within the matrix';
  return `${countOf(knee, 'worker')}${between && ` (${between})`}`;
};

/** What to do: `Run 2 workers.`, or that the run cannot tell. */
export const recommendation = (sweep: Sweep): string => {
  if (!sweep.valid) return 'This run is not valid: no recommendation.';
  if (!isConfident(sweep)) return 'This run could not find the bottleneck: no recommendation.';
  return `Run ${countOf(sweep.verdict.recommendedWorkers, 'worker')}.`;
};

/** Why: `OpenAI tokens per minute bind at 2.5 workers.` Empty where the run cannot tell. */
export const reason = (sweep: Sweep): string => {
  if (!isConfident(sweep)) return '';
  const { bottleneck, knee, kneeInterval } = sweep.verdict;
  const most = Math.max(...sweep.cells.map((cell) => cell.workers));
  if (bottleneck === 'none') return `Nothing binds up to ${countOf(most, 'worker')}.`;
  const { name, verb } = names[bottleneck];
  if (knee !== null) return `${name} ${verb} at ${countOf(knee, 'worker')}.`;
  return kneeInterval === null
    ? `${name} ${verb}.`
    : `${name} ${verb} between ${short(kneeInterval[0])} and ${short(kneeInterval[1])} workers.`;
};

/** What to do about the bottleneck. An invalid run knows only that it has to be repeated. */
export const actionText = ({ valid, verdict }: Sweep): string =>
  valid ? printable(verdict.action) : 'Follow the warnings and run again';

/** The lines to paste into `.env`. */
export const envLines = ({ env }: Verdict): string[] =>
  Object.entries(env).map(([key, value]) => `${key}=${value}`);

/** What was run, in parts: engine, tier, plan, records. */
export const circumstances = ({ engine, lab }: Sweep): string[] => [
  engine,
  `OpenAI ${lab.openai.tier}`,
  `Qdrant ${lab.qdrant.plan}`,
  countOf(lab.workload.records, 'record'),
];

/** What follows the bottleneck once it is lifted. */
export const nextName = ({ nextBottleneck }: Verdict): string =>
  nextBottleneck === 'none' ? 'nothing within the matrix' : bottleneckName(nextBottleneck);

/** Breaks text at spaces into lines of at most `width` columns; the first line is not indented. */
const wrapped = (text: string, width: number, indent: string): string => {
  const lines: string[] = [];
  let line = '';
  for (const word of printable(text).split(' ')) {
    const room = width - (lines.length > 0 ? indent.length : 0);
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].join(`\n${indent}`);
};

const padded = (columns: Column[], cells: Cell[]): { heading: string; texts: string[] }[] =>
  columns.map(({ heading, text }) => {
    const texts = cells.map(text);
    const size = Math.max(heading.length, ...texts.map((entry) => entry.length));
    return { heading: heading.padStart(size), texts: texts.map((entry) => entry.padStart(size)) };
  });

/** What was seen of a user's own command: a second table below the first. */
const commandTable = (sweep: Sweep, paint: Paint): string[] => {
  if (!sweep.cells.some(({ command }) => command)) return [];
  const columns = padded(commandColumns, sweep.cells);
  return [
    paint('bold', columns.map(({ heading }) => heading).join(' ')),
    paint('dim', columns.map(({ heading }) => '-'.repeat(heading.length)).join(' ')),
    ...sweep.cells.map((_, row) => columns.map(({ texts }) => texts[row]).join(' ')),
    ...[memorySentence(sweep) ?? []].flat().map((line) => paint('dim', line)),
  ];
};

/** The scaling table. Emoji stand in the last column only: their width differs by terminal. */
const table = (cells: Cell[], width: number, paint: Paint): string[] => {
  const columns = padded(scalingColumns(cells), cells);
  const notes = cells.map(scalingNote);
  const widest = Math.max(...notes.map(({ text }) => text.length + 1));
  const total = columns.reduce((sum, { heading }) => sum + heading.length + 3, widest);
  const [gap, cross] = total <= width ? [' | ', '-|-'] : [' ', ' '];
  return [
    paint('bold', [...columns.map(({ heading }) => heading), 'Scaling'].join(gap)),
    paint(
      'dim',
      [...columns.map(({ heading }) => '-'.repeat(heading.length)), '-'.repeat(widest)].join(cross),
    ),
    ...notes.map(({ text, style }, row) =>
      [...columns.map(({ texts }) => texts[row] ?? ''), paint(style, text)].join(gap),
    ),
  ];
};

/**
 * A sweep as text for a terminal: scaling table, verdict, evidence, warnings, `.env` lines.
 * `width` is in columns; prose is wrapped to it and the table is set closer where it is narrow.
 */
export const renderSweep = (
  sweep: Sweep,
  { colour, width = 110 }: { colour: boolean; width?: number },
): string => {
  const { lab, cells, verdict, warnings } = sweep;
  const paint = painter(colour);
  const confident = isConfident(sweep);
  const field = (label: string, text: string): string =>
    `${paint('dim', label.padEnd(12))}${wrapped(text, width - 12, ' '.repeat(12))}`;
  const bullet = (text: string): string => `  - ${wrapped(text, width - 4, '    ')}`;

  const blocks = [
    [
      `${paint('bold', printable(lab.name))} · ${circumstances(sweep).map(printable).join(' · ')}`,
      ...commandLines(sweep).map((line) => paint('dim', wrapped(line, width, '  '))),
    ],
    [
      ...table(cells, width, paint),
      ...(cells.some((cell) => cell.feasible && cell.memory.measured)
        ? []
        : [paint('dim', 'Memory is computed from the lab, not measured.')]),
      ...troubles(cells).map((text) => paint('red', wrapped(text, width, ''))),
    ],
    commandTable(sweep, paint),
    [
      paint(
        confident ? 'green' : 'red',
        wrapped(`${recommendation(sweep)} ${reason(sweep)}`.trim(), width, ''),
      ),
      ...(confident
        ? [
            field('Bottleneck', `${bottleneckName(verdict.bottleneck)} (${verdict.bottleneck})`),
            field('Knee', kneeText(verdict)),
            field('Next', nextName(verdict)),
          ]
        : [field('Bottleneck', 'undetermined')]),
      field('Action', actionText(sweep)),
    ],
    verdict.evidence.length > 0 ? [paint('bold', 'Evidence'), ...verdict.evidence.map(bullet)] : [],
    warnings.length > 0
      ? [
          paint('yellow', 'Warnings'),
          ...warnings.flatMap(({ code, message, remedy }) => [
            bullet(`${code}: ${message}`),
            `    ${paint('cyan', wrapped(`Remedy: ${remedy}`, width - 4, '    '))}`,
          ]),
        ]
      : [],
    confident ? [paint('bold', '.env'), ...envLines(verdict).map((line) => `  ${line}`)] : [],
  ];
  return `${blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n')}\n`;
};
