import type { Bottleneck, Cell, Sweep, Verdict } from '../model/sweep.ts';
import { type Paint, painter, type Style } from './colours.ts';

/** Stands where a cell has no figure, because it was not run. */
const nothing = '–';

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

/** A whole number with thousands separators: 5250 → `5,250`. */
export const grouped = (value: number): string =>
  String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');

/** A number with at most one decimal, and none where it is zero: 2.5, 8, 12.4. */
export const short = (value: number): string => String(Math.round(value * 10) / 10);

const tenths = (value: number, unit: string): string => {
  const rounded = Math.round(value * 10) / 10;
  return rounded < 100 ? `${rounded.toFixed(1)} ${unit}` : `${grouped(value)} ${unit}`;
};

/** A duration in seconds as text: tenths below 100 s, whole seconds below 2 h, then hours. */
export const formatTime = (seconds: number): string => {
  if (!Number.isFinite(seconds)) return nothing;
  return seconds < 7200 ? tenths(seconds, 's') : tenths(seconds / 3600, 'h');
};

/** A share of one as whole per cent: 0.75 → `75 %`. */
export const formatShare = (share: number): string =>
  Number.isFinite(share) ? `${Math.round(share * 100)} %` : nothing;

/** Memory in MiB as MiB below one GiB, else as GiB with one decimal. */
export const formatMemory = (megabytes: number): string =>
  megabytes < 1024 ? `${grouped(megabytes)} MiB` : `${(megabytes / 1024).toFixed(1)} GiB`;

/** `1 worker`, `2 workers`, `2.5 workers`. */
export const countOf = (count: number, noun: string): string =>
  `${count >= 1000 ? grouped(count) : short(count)} ${noun}${count === 1 ? '' : 's'}`;

/** Text without control characters: a lab's name must not be able to steer a terminal. */
export const printable = (text: string): string => {
  let clean = '';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    clean += code < 32 || (code >= 127 && code < 160) ? ' ' : char;
  }
  return clean;
};

/** Requests that OpenAI turned away with a 429, over all its limits. */
const rejected = ({ openai: { rateLimited } }: Cell): number =>
  rateLimited.rpm + rateLimited.tpm + rateLimited.rpd;

export type Note = { text: string; style: Style };

/**
 * How well a cell scales, in the test plan's words. The shown (rounded) percentage decides, so
 * that a row never contradicts itself; half of linear, or less, is a heavy bottleneck.
 */
export const scalingNote = (cell: Cell): Note => {
  if (!cell.feasible) return { text: 'not run: over memory', style: 'red' };
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
    cell.feasible ? text(cell) : nothing;

/** The scaling table without its last column, the note. `Lost` is there only when records were. */
export const scalingColumns = (cells: Cell[]): Column[] => [
  { heading: 'Workers', text: (cell) => String(cell.workers) },
  { heading: 'Time', text: ran((cell) => formatTime(cell.seconds)) },
  { heading: 'Predicted', text: ran((cell) => formatTime(cell.predictedSeconds)) },
  { heading: 'Speedup', text: ran((cell) => `${short(cell.speedup)}x`) },
  { heading: 'Efficiency', text: ran((cell) => formatShare(cell.efficiency)) },
  { heading: '429s', text: ran((cell) => grouped(rejected(cell))) },
  { heading: 'Timeouts', text: ran((cell) => grouped(cell.qdrant.timeouts)) },
  { heading: 'Memory', text: (cell) => formatMemory(cell.memory.megabytes) },
  ...(cells.some((cell) => cell.completeness.recordsFailed > 0)
    ? [{ heading: 'Lost', text: ran((cell) => grouped(cell.completeness.recordsFailed)) }]
    : []),
];

/** What went wrong in the cells and has no column of its own, a sentence for each cell. */
export const troubles = (cells: Cell[]): string[] =>
  cells
    .filter((cell) => cell.feasible)
    .flatMap(({ workers, completeness, openai, qdrant }) => {
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

/** The scaling table. Emoji stand in the last column only: their width differs by terminal. */
const table = (cells: Cell[], width: number, paint: Paint): string[] => {
  const columns = scalingColumns(cells).map(({ heading, text }) => {
    const texts = cells.map(text);
    const size = Math.max(heading.length, ...texts.map((entry) => entry.length));
    return { heading: heading.padStart(size), texts: texts.map((entry) => entry.padStart(size)) };
  });
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
    [`${paint('bold', printable(lab.name))} · ${circumstances(sweep).map(printable).join(' · ')}`],
    [
      ...table(cells, width, paint),
      ...(cells.some((cell) => cell.feasible && cell.memory.measured)
        ? []
        : [paint('dim', 'Memory is computed from the lab, not measured.')]),
      ...troubles(cells).map((text) => paint('red', wrapped(text, width, ''))),
    ],
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
