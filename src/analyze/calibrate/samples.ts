/** Latencies out of a table: which column, in which unit, and what of it counts. */

import type { LatencySample } from './latency-fit.ts';
import type { Three } from './latency-fit-shape.ts';
import { onlyColumn, type Row, tableOf } from './table.ts';

export type Samples = {
  /** In the order of the file. */
  samples: LatencySample[];
  column: string;
  sizeColumn: string | undefined;
  /** Rows left out, by why. */
  leftOut: string[];
};

export type SampleOptions = {
  /** Takes this column for latencies. */
  column?: string | undefined;
  /** Leaves out samples of at least so many milliseconds, because they are timeouts. */
  dropFromMs?: number | undefined;
  /** Names of a column with the size of a request, the likeliest first. */
  sizeNames: string[];
};

export const tokenNames = [
  'tokens',
  'charged_tokens',
  'prompt_tokens',
  'total_tokens',
  'input_tokens',
];
export const pointNames = ['points', 'vectors', 'points_count', 'batch', 'batch_size', 'inputs'];

/** Nouns of time, without a unit, the likeliest first. */
const nouns = [
  'latency',
  'duration',
  'elapsed',
  'response_time',
  'time',
  'took',
  'rtt',
  onlyColumn,
];
const units: [ending: RegExp, ms: number][] = [
  [/(^|_)(ms|millis|milliseconds)$/, 1],
  [/(^|_)(us|micros|microseconds)$/, 1e-3],
  [/(^|_)(ns|nanos|nanoseconds)$/, 1e-6],
  [/(^|_)(s|sec|secs|second|seconds)$/, 1e3],
];

/** `latencyMs`, `Latency (ms)` and `latency-ms` are one name. */
const plain = (name: string) =>
  name
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '');

/** What a column's values must be multiplied with to be milliseconds, by its name: without a unit they are. */
const toMs = (name: string) => units.find(([ending]) => ending.test(plain(name)))?.[1] ?? 1;

function latencyColumn(columns: string[]): string | undefined {
  const stem = (name: string) =>
    units.reduce((text, [ending]) => text.replace(ending, ''), plain(name));
  for (const noun of nouns) {
    const found = columns.find((column) => stem(column) === noun);
    if (found) return found;
  }
  return columns.find((column) => stem(column) === '');
}

const listed = (columns: string[]) => columns.slice(0, 12).join(', ');

/** Reads latencies, or three percentiles that were given instead; or says what is wrong with the file. */
export function readSamples(
  text: string,
  { column, dropFromMs, sizeNames }: SampleOptions,
): Samples | { percentiles: Three } | { problem: string } {
  const table = tableOf(text);
  if ('problem' in table) return table;
  const { columns, rows } = table;
  const given = percentilesIn(rows);
  if (given && column === undefined) return { percentiles: given };
  if (column !== undefined && !columns.includes(column))
    return { problem: `has no column ${column}; it has ${listed(columns)}` };
  const chosen = column ?? latencyColumn(columns);
  if (chosen === undefined)
    return {
      problem: `no column looks like a latency; choose one with --column: ${listed(columns)}`,
    };
  const sizeColumn = sizeNames
    .map((name) => columns.find((each) => plain(each) === name && each !== chosen))
    .find((name) => name !== undefined);
  const statusColumn = columns.find((name) => ['status', 'status_code'].includes(plain(name)));
  const factor = toMs(chosen);
  let [refused, timedOut] = [0, 0];
  const samples: LatencySample[] = [];
  for (const [at, row] of rows.entries()) {
    // A refusal is quick, and would flatter the service.
    if (statusColumn !== undefined && !/^(2\d\d|ok)$/i.test(row[statusColumn] ?? '')) {
      refused++;
      continue;
    }
    const cell = row[chosen] ?? '';
    const ms = Number(cell) * factor;
    if (cell.trim() === '' || !Number.isFinite(ms) || ms < 0)
      return { problem: `entry ${at + 1}: ${chosen} must be a time, got "${cell.slice(0, 40)}"` };
    if (dropFromMs !== undefined && ms >= dropFromMs) {
      timedOut++;
      continue;
    }
    const size = sizeColumn === undefined ? Number.NaN : Number(row[sizeColumn] || Number.NaN);
    samples.push(Number.isFinite(size) ? { ms, size } : { ms });
  }
  const leftOut = [
    ...(refused > 0 ? [`${refused} without success (${statusColumn})`] : []),
    ...(timedOut > 0 ? [`${timedOut} of at least ${dropFromMs} ms`] : []),
  ];
  return { samples, column: chosen, sizeColumn, leftOut };
}

/** Three percentiles, where that is all that the file says. */
function percentilesIn(rows: Row[]): Three | undefined {
  const row = rows[0];
  if (rows.length !== 1 || row?.p50 === undefined) return undefined;
  const [p50, p95, p99] = [row.p50, row.p95, row.p99].map(Number) as [number, number, number];
  return Number.isFinite(p50 + p95 + p99) ? { p50, p95, p99 } : undefined;
}
