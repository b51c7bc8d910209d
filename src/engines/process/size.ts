import { UsageError } from '../../usage-error.ts';

const mebibytes: Record<string, number> = { m: 1, g: 1024, t: 1024 * 1024 };

/**
 * `8g`, `512m` or `1.5g` (also `8GB`, `8GiB`) in MiB: units are powers of 1024, as Docker reads them.
 * A bare number is refused, because bytes and megabytes are equally likely to be meant. Throws
 * UsageError that names `option`.
 */
export function parseSize(text: string, option = '--memory-limit'): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([mgt])(?:i?b)?$/i.exec(text.trim()) ?? [];
  const megabytes = Number(digits) * (mebibytes[unit?.toLowerCase() ?? ''] ?? Number.NaN);
  if (!(megabytes >= 1))
    throw new UsageError(`${option}: "${text}" is no size; write it like 512m, 8g or 1.5g`);
  return megabytes;
}
