/** Parts of a payload by path: dots go deeper, `[]` into each element of an array. */
import { formatError } from './answers.ts';
import { pathOf } from './filter.ts';
import { isRecord, type JsonRecord } from './json.ts';

const bare = (head: string): string => (head.endsWith('[]') ? head.slice(0, -2) : head);

const narrowed = (value: unknown, tails: string[][], keeps: boolean): unknown => {
  if (Array.isArray(value)) return value.map((element) => narrowed(element, tails, keeps));
  return isRecord(value) ? partOf(value, tails, keeps) : value;
};

const partOf = (record: JsonRecord, paths: string[][], keeps: boolean): JsonRecord => {
  const entries: [string, unknown][] = [];
  for (const [name, value] of Object.entries(record)) {
    const tails = paths.filter(([head]) => bare(head!) === name).map((path) => path.slice(1));
    const isWhole = tails.some((tail) => tail.length === 0);
    if (tails.length === 0 || isWhole) {
      if (isWhole === keeps) entries.push([name, value]);
    } else if (typeof value === 'object' && value !== null) {
      entries.push([name, narrowed(value, tails, keeps)]);
    } else if (!keeps) entries.push([name, value]);
  }
  return Object.fromEntries(entries);
};

/** Only what lies at `keys`. */
export const pickPaths = (payload: JsonRecord, keys: readonly string[]): JsonRecord =>
  partOf(payload, keys.map(pathOf), true);

/** All but what lies at `keys`. */
export const dropPaths = (payload: JsonRecord, keys: readonly string[]): JsonRecord =>
  partOf(payload, keys.map(pathOf), false);

/** The payload with `value` merged into the object at `key`, which is made where it is missing. */
export const mergeAt = (payload: JsonRecord, key: string, value: JsonRecord): JsonRecord => {
  const merge = (at: unknown, path: string[]): unknown => {
    const [head, ...tail] = path;
    if (head === undefined) return { ...(isRecord(at) ? at : {}), ...value };
    const name = bare(head);
    const record = isRecord(at) ? at : {};
    const next = Object.hasOwn(record, name) ? record[name] : undefined;
    const merged = head.endsWith('[]')
      ? (Array.isArray(next) ? next : []).map((element) => merge(element, tail))
      : merge(next, tail);
    return Object.fromEntries([...Object.entries(record), [name, merged]]);
  };
  return merge(payload, pathOf(key)) as JsonRecord;
};

/** A list of paths in a body. */
export const readKeys = (value: unknown): string[] => {
  if (!Array.isArray(value) || value.some((key) => typeof key !== 'string'))
    throw formatError('missing field `keys`');
  return value;
};
