/** What the real services say when they refuse: which limit, and how long to wait. */
import type { IncomingHttpHeaders } from 'node:http';

const unitMs: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** Milliseconds of a duration as Go prints it, such as `1m2.5s`; undefined where it is none. */
export function goDurationMs(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(text)) return undefined;
  let ms = 0;
  for (const [, value, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g))
    ms += Number(value) * unitMs[unit!]!;
  // Sums of fractions: 2.812 × 1,000 is not 2,812.
  return Math.round(ms * 1_000) / 1_000;
}

const numberIn = (header: string | string[] | undefined): number | undefined => {
  const value = typeof header === 'string' && header.trim() !== '' ? Number(header) : Number.NaN;
  return Number.isFinite(value) && value >= 0 ? value : undefined;
};

/**
 * Milliseconds that a refused client was told to wait: by `retry-after-ms`, else `retry-after` in
 * seconds or as a date, else the text of a 429; undefined where nothing was said. `nowMs` is since 1970.
 */
export function hintMsOf(
  headers: IncomingHttpHeaders,
  text: string,
  nowMs: number,
): number | undefined {
  const ms = numberIn(headers['retry-after-ms']);
  if (ms !== undefined) return ms;
  const after = headers['retry-after'];
  const seconds = numberIn(after);
  if (seconds !== undefined) return seconds * 1_000;
  // Date.parse takes "-1" for a year: only what has the form of an HTTP date is one.
  const dateMs = after?.endsWith('GMT') ? Date.parse(after) : Number.NaN;
  if (!Number.isNaN(dateMs)) return Math.max(0, dateMs - nowMs);
  const told = /try again in ([0-9hms.]+?)\.?(?:\s|"|$)/.exec(text)?.[1];
  return told === undefined ? undefined : goDurationMs(told);
}

/** By the words that stand in the message of a 429 [recorded]. */
const limitWords: [RegExp, string][] = [
  [/requests per min \(RPM\)/i, 'rpm'],
  [/tokens per min \(TPM\)/i, 'tpm'],
  [/requests per day \(RPD\)/i, 'rpd'],
  [/tokens per day \(TPD\)/i, 'tpd'],
  [/read rate limit/i, 'read-rate'],
  [/write rate limit/i, 'write-rate'],
];

type ErrorBody = { error?: { type?: unknown; code?: unknown } };

/** Which limit a 429 names: `rpm`, `tpm`, `rpd`, `quota`, `slow_down`, …; `unknown` where it names none. */
export function limitIn(text: string): string {
  const worded = limitWords.find(([words]) => words.test(text));
  if (worded) return worded[1];
  let error: ErrorBody['error'];
  try {
    error = (JSON.parse(text) as ErrorBody | null)?.error;
  } catch {
    return 'unknown';
  }
  if (error?.code === 'slow_down') return 'slow_down';
  if (error?.type === 'insufficient_quota' || error?.code === 'insufficient_quota') return 'quota';
  // The type says which kind; per minute is what nearly all of them are.
  if (error?.type === 'tokens') return 'tpm';
  return error?.type === 'requests' ? 'rpm' : 'unknown';
}
