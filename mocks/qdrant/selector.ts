import { badRequest, notFound } from './answers.ts';
import { readIds } from './bodies.ts';
import { type Call, isWaiting } from './call.ts';
import { readFilter } from './filter.ts';
import type { PointId } from './ids.ts';
import type { JsonRecord } from './json.ts';
import { type Collection, matchingPoints, type Point } from './store.ts';
import type { Strict } from './strict-mode.ts';

/** Which points a change is about: by ids, else by a filter. */
export type Selector = {
  strict: Strict;
  ids: (collection: Collection) => PointId[];
  /** Throws after the change where it named a point that is not there and the client waits to hear it. */
  missed: (call: Call, found: readonly Point[]) => void;
};

/** The points to change, found once the collection is known. `refusal` says that none are named. */
export const readSelector = (
  body: JsonRecord,
  refusal = badRequest('No filter or points provided'),
): Selector => {
  const { points, filter } = body;
  if (points !== undefined && points !== null) {
    const ids = [...new Set(readIds(points))];
    return {
      strict: { updated: ids.length },
      ids: () => ids,
      missed(call, found) {
        if (found.length === ids.length || !isWaiting(call)) return;
        const there = new Set(found.map(({ id }) => id));
        throw notFound(`No point with id ${ids.find((id) => !there.has(id))} found`);
      },
    };
  }
  if (filter === undefined || filter === null) throw refusal;
  const test = readFilter(filter);
  return {
    strict: { filter },
    ids: (collection) => matchingPoints(collection, test).map(({ id }) => id),
    missed: () => {},
  };
};
