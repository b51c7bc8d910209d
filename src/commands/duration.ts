import { UsageError } from '../usage-error.ts';

const units = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };
const number = String.raw`(\d+(?:\.\d+)?)`;
/** Parts from the largest unit to the smallest, each at most once: 1h30m. */
const parts = new RegExp(
  `^${Object.keys(units)
    .map((unit) => `(?:${number}${unit})?`)
    .join('\\s*')}$`,
);

/** `90s`, `10m`, `1.5h`, `1h30m`, `2d` or plain seconds, in milliseconds. */
export function parseDuration(text: string, option = '--timeout'): number {
  const given = text.trim();
  const found = parts.exec(/^[\d.]+$/.test(given) ? `${given}s` : given)?.slice(1) ?? [];
  const milliseconds = Object.values(units).reduce(
    (sum, unit, at) => sum + Number(found[at] ?? 0) * unit,
    0,
  );
  if (!(milliseconds > 0))
    throw new UsageError(`${option}: must be a time such as 90s, 1h30m or 2d, got "${text}"`);
  return milliseconds;
}
