import { usdText } from '../analyze/upgrade/cost.ts';
import type { Step } from '../analyze/upgrade/steps.ts';
import type { Outcome } from '../analyze/upgrade/upgrade.ts';
import { formatTime, grouped, printable } from './figures.ts';

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

/** How long a run takes, or that it never ends. */
export const secondsText = ({ seconds, problem }: Outcome) =>
  seconds === null
    ? problem?.includes('memory holds')
      ? "won't fit"
      : 'never'
    : formatTime(seconds);

/** Whole amounts without cents. */
export const dollars = (usd: number) => (Number.isInteger(usd) ? `$${grouped(usd)}` : usdText(usd));
export const daysText = (days: number) => `${days} day${days === 1 ? '' : 's'}`;

/** What a step asks for, in words. */
export function priceText({ kind, price }: Step): string {
  if (!price.isKnown) return 'price unknown: ask who rents you the machine';
  if (kind === 'openai') {
    const days = price.waitingDays
      ? ` and ${daysText(price.waitingDays)} since the first payment`
      : '';
    return `${dollars(price.paidUsd ?? 0)} paid in advance in all (${dollars(price.prepaidUsd ?? 0)} more)${days}`;
  }
  if (price.usdPerHour !== undefined)
    return price.usdPerHour === 0
      ? 'free'
      : `$${price.usdPerHour} an hour (${price.origin?.grade}, ${price.origin?.asOf})`;
  return 'free: a setting';
}
