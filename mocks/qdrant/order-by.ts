import { formatError, unserved } from './answers.ts';
import { pathOf, type Test, valuesAt } from './filter.ts';
import { compareIds } from './ids.ts';
import { isRecord } from './json.ts';
import { type Collection, matchingPoints, type Point } from './store.ts';

export type Order = { path: string[]; isRising: boolean; from: number | undefined };

/** What a value counts as in an order: a number, or the instant of a date. NaN where it has no place. */
const rankOf = (value: unknown): number => {
  if (typeof value === 'number') return value;
  return typeof value === 'string' ? Date.parse(value) : Number.NaN;
};

export const readOrder = (value: unknown): Order | undefined => {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return { path: pathOf(value), isRising: true, from: undefined };
  if (!isRecord(value) || typeof value.key !== 'string')
    throw formatError('data did not match any variant of untagged enum OrderByInterface');
  const { direction = 'asc', start_from: start } = value;
  if (direction !== 'asc' && direction !== 'desc' && direction !== null)
    throw formatError(`unknown variant \`${String(direction)}\`, expected \`asc\` or \`desc\``);
  const from = start === undefined || start === null ? undefined : rankOf(start);
  if (Number.isNaN(from)) throw unserved('order_by.start_from');
  return { path: pathOf(value.key), isRising: direction !== 'desc', from };
};

/** The points that pass and have a value to order by, one entry per value, equal ones by id. */
export const orderedPoints = (
  collection: Collection,
  { path, isRising, from }: Order,
  test: Test,
): { point: Point; value: unknown }[] => {
  const sign = isRising ? 1 : -1;
  const entries = matchingPoints(collection, test).flatMap((point) =>
    valuesAt(point.payload, path).map((value) => ({ point, value, rank: rankOf(value) })),
  );
  return entries
    .filter(({ rank }) => sign * (rank - (from ?? rank)) >= 0)
    .sort((a, b) => sign * (a.rank - b.rank) || compareIds(a.point.id, b.point.id));
};
