import { UsageError } from '../usage-error.ts';

const units: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** `90s`, `10m`, `1.5h` or plain seconds, in milliseconds. */
export function parseDuration(text: string, option = '--timeout'): number {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim()) ?? [];
  const milliseconds = Number(number) * (units[unit] ?? Number.NaN);
  if (!(milliseconds > 0))
    throw new UsageError(`${option}: must be a time such as 90s, 10m or 1h, got "${text}"`);
  return milliseconds;
}
