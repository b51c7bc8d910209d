import type { ComparedCell, Comparison, Pair, Side } from '../analyze/check/compare.ts';
import { painter, type Style } from './colours.ts';
import { formatTime, grouped, nothing, printable } from './figures.ts';

const styles: Record<ComparedCell['finding'], Style> = {
  faster: 'green',
  slower: 'red',
  none: 'dim',
  unknown: 'yellow',
};

const factor = (value: number): string => value.toFixed(value < 10 ? 2 : 1);

const change = ({ a, b }: Pair<number>): string =>
  a === b ? grouped(a) : `${grouped(a)} → ${grouped(b)}`;

const columns: { heading: string; text: (cell: ComparedCell) => string }[] = [
  { heading: 'Workers', text: ({ workers }) => String(workers) },
  { heading: 'A', text: ({ seconds: { a } }) => (a === null ? nothing : formatTime(a)) },
  { heading: 'B', text: ({ seconds: { b } }) => (b === null ? nothing : formatTime(b)) },
  { heading: 'B/A', text: ({ ratio }) => (ratio === null ? nothing : factor(ratio)) },
  {
    heading: '95 % interval',
    text: ({ interval }) =>
      interval ? `${factor(interval[0])} to ${factor(interval[1])}` : nothing,
  },
  { heading: '429s', text: ({ rateLimited }) => change(rateLimited) },
  { heading: 'Timeouts', text: ({ timeouts }) => change(timeouts) },
  { heading: 'Lost', text: ({ recordsFailed }) => change(recordsFailed) },
];

const describe = (name: string, { lab, engine, labHash, kneepoint, startedAt }: Side): string =>
  [`${name}  ${lab}`, engine, `kneepoint ${kneepoint}`, `lab ${labHash}`, startedAt ?? []]
    .flat()
    .map(printable)
    .join(' · ');

/** Two runs side by side for a terminal: labs, times with what they show, counts, verdicts, notes. */
export function renderComparison(
  { a, b, lab, cells, only, verdict, notes }: Comparison,
  { colour }: { colour: boolean },
): string {
  const paint = painter(colour);
  const sizes = columns.map(({ heading, text }) =>
    Math.max(heading.length, ...cells.map((cell) => text(cell).length)),
  );
  const row = (texts: string[]) => texts.map((text, at) => text.padStart(sizes[at]!)).join(' | ');
  const onlyIn = ([name, counts]: [string, number[]]): string[] =>
    counts.length > 0 ? [paint('dim', `Worker counts of ${name} only: ${counts.join(', ')}.`)] : [];

  const blocks = [
    [paint('bold', describe('A', a)), paint('bold', describe('B', b))],
    lab.length > 0
      ? [
          paint('bold', 'Lab'),
          ...lab.map((field) => printable(`  ${field.field}: ${field.a} → ${field.b}`)),
        ]
      : ['The labs are the same.'],
    cells.length > 0
      ? [
          paint('bold', `${row(columns.map(({ heading }) => heading))} | Time of B`),
          ...cells.map((cell) => {
            const texts = row(columns.map(({ text }) => text(cell)));
            return `${texts} | ${paint(styles[cell.finding], printable(cell.text))}`;
          }),
          ...onlyIn(['A', only.a]),
          ...onlyIn(['B', only.b]),
        ]
      : [...onlyIn(['A', only.a]), ...onlyIn(['B', only.b])],
    [
      paint('bold', 'Verdict'),
      ...verdict.map(({ field, a: was, b: is, changed }) =>
        printable(`  ${field.padEnd(11)}${changed ? `${was} → ${is}` : `${was} (unchanged)`}`),
      ),
    ],
    notes.length > 0 ? [paint('yellow', 'Notes'), ...notes.map((note) => `  - ${note}`)] : [],
  ];
  return `${blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n')}\n`;
}
