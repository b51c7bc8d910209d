import { formatError, wrongInput } from './answers.ts';

/**
 * A point's id: an unsigned integer or a UUID in lower case with hyphens. Integers pass through a
 * double, so above 2^53 neighbouring ids become one.
 */
export type PointId = number | string;

/** A UUID in the spelling that is kept. */
export const plainUuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const anyUuid =
  /^(?:urn:uuid:)?(?:[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;
const largestId = 2 ** 64;

/** The one spelling of a UUID, undefined where the text is none. */
const uuidOf = (text: string): string | undefined => {
  if (plainUuid.test(text)) return text;
  const lower = text.toLowerCase();
  const bare = lower.startsWith('{') && lower.endsWith('}') ? lower.slice(1, -1) : lower;
  if (!anyUuid.test(bare)) return undefined;
  const hex = bare.replace('urn:uuid:', '').replaceAll('-', '');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
};

/** The id in a JSON value, undefined where it is none. The string `"1"` is none. */
const pointIdOf = (value: unknown): PointId | undefined => {
  if (typeof value === 'string') return uuidOf(value);
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= largestId
    ? (value as number)
    : undefined;
};

/** An id in a body. */
export const readPointId = (value: unknown): PointId => {
  const id = pointIdOf(value);
  if (id !== undefined) return id;
  const shown = typeof value === 'string' ? value : JSON.stringify(value);
  throw formatError(
    `value ${shown} is not a valid point ID, valid values are either an unsigned integer or a UUID`,
  );
};

/** An id in a path. */
export const pathPointId = (text: string): PointId => {
  const id = pointIdOf(/^\d+$/.test(text) ? Number(text) : text);
  if (id === undefined) throw wrongInput(`Can not recognize "${text}" as point id`);
  return id;
};

/** The server's order of ids: integers before UUIDs, each in its natural order. */
export const compareIds = (a: PointId, b: PointId): number => {
  if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
  return typeof a === 'number' ? -1 : 1;
};
