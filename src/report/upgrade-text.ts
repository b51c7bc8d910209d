import { usdText } from '../analyze/upgrade/cost.ts';
import type { Outcome } from '../analyze/upgrade/outcome.ts';
import type { Step } from '../analyze/upgrade/steps.ts';
import { figure } from '../analyze/wording.ts';
import { grouped, nothing, printable } from './figures.ts';

/** Breaks text at spaces into lines of at most `width` columns; all but the first are indented. */
export function wrapped(text: string, width: number, indent: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of printable(text).split(' ')) {
    const room = width - (lines.length > 0 ? indent : 0);
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`);
}

/** A table set as close as its texts allow; `left` are the columns that are not figures. */
export function tableLines(
  heading: string[],
  body: string[][],
  left: Set<number>,
  paintRow: (text: string, row: number) => string,
): string[] {
  const sizes = heading.map((text, column) =>
    Math.max(text.length, ...body.map((row) => row[column]!.length)),
  );
  const set = (row: string[]) =>
    row
      .map((text, column) =>
        left.has(column) ? text.padEnd(sizes[column]!) : text.padStart(sizes[column]!),
      )
      .join('  ')
      .trimEnd();
  return [
    set(heading),
    sizes.map((size) => '-'.repeat(size)).join('  '),
    ...body.map((row, at) => paintRow(set(row), at)),
  ];
}

/** Units of a duration, each from so many of it on: people say 36 h, and 2 days. */
const units = [
  { name: 'd', seconds: 86_400, from: 2 },
  { name: 'h', seconds: 3_600, from: 1 },
  { name: 'min', seconds: 60, from: 1 },
  { name: 's', seconds: 1, from: 0 },
];

/** A duration in three significant digits of its largest unit: 24.5 s, 1.67 min, 13.9 h, 347 d. */
export function durationText(seconds: number): string {
  if (!Number.isFinite(seconds)) return nothing;
  // As it will be shown: 59.97 s are 60, which are a minute.
  const inUnit = (size: number) => Number((seconds / size).toPrecision(3));
  const unit = units.find(({ seconds: size, from }) => inUnit(size) >= from)!;
  return `${figure(seconds / unit.seconds)} ${unit.name}`;
}

/** How long a run takes, or that it never ends. */
export const secondsText = ({ seconds, problem }: Outcome) =>
  seconds === null
    ? problem?.includes('memory holds')
      ? "won't fit"
      : 'never'
    : durationText(seconds);

/** Dollars with thousands apart; whole amounts without cents. */
export function dollars(usd: number): string {
  const cents = Math.round(usd * 100);
  if (usd === 0 || (cents > 0 && cents % 100 === 0)) return `$${grouped(cents / 100)}`;
  if (usd < 1_000) return usdText(usd);
  return `$${grouped(Math.floor(cents / 100))}.${String(cents % 100).padStart(2, '0')}`;
}
export const daysText = (days: number) => `${days} day${days === 1 ? '' : 's'}`;

/** What a step asks for, in words. */
export function priceText({ kind, price }: Step): string {
  if (!price.isKnown) return 'price unknown: ask who rents you the machine';
  if (kind === 'openai') {
    const { waitingDays = 0, remainingDays = 0 } = price;
    const more = remainingDays === 0 ? ' (none more)' : ` (up to ${remainingDays} more)`;
    const days =
      waitingDays > 0
        ? ` and ${daysText(waitingDays)} since the first payment${remainingDays < waitingDays ? more : ''}`
        : '';
    return `${dollars(price.paidUsd ?? 0)} paid in advance in all (${dollars(price.prepaidUsd ?? 0)} more)${days}`;
  }
  if (price.usdPerHour !== undefined)
    return price.usdPerHour === 0
      ? 'free'
      : `$${price.usdPerHour} an hour (${price.origin?.grade}, ${price.origin?.asOf})`;
  return 'free: a setting';
}
