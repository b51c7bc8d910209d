import { notFound, wrongInput } from '../answers.ts';
import { readCount, readIds, readShape } from '../bodies.ts';
import { bodyOf, type Call, collectionOf, json, type KeyedRoute, type Outcome } from '../call.ts';
import { readFilter } from '../filter.ts';
import { filterFacts } from '../filter-facts.ts';
import { pathPointId, readPointId } from '../ids.ts';
import { orderedPoints, readOrder } from '../order-by.ts';
import { matchingPoints, pointsWithIds, scroll } from '../store.ts';
import { checkStrict, takeRate } from '../strict-mode.ts';

const retrieve = (call: Call): Outcome => {
  const body = bodyOf(call);
  const ids = readIds(body.ids);
  const shape = readShape(body, true);
  const collection = collectionOf(call);
  checkStrict(call, collection, 'read', {});
  takeRate(call, collection, 'read', Math.max(1, ids.length));
  return json(pointsWithIds(collection, ids).map((point) => shape(point)));
};

const retrieveOne = (call: Call): Outcome => {
  const collection = collectionOf(call);
  const id = pathPointId(call.request.params.id!);
  takeRate(call, collection, 'read', 1);
  const point = collection.points.get(id);
  if (point === undefined) throw notFound(`Point with id ${id} does not exists!`);
  return json(readShape({ with_vector: true }, true)(point));
};

const scrollPoints = (call: Call): Outcome => {
  const body = bodyOf(call);
  const shape = readShape(body, true);
  const limit = readCount(body, 'limit', 1, 10);
  const offset =
    body.offset === undefined || body.offset === null ? undefined : readPointId(body.offset);
  const order = readOrder(body.order_by);
  if (order !== undefined && offset !== undefined) {
    throw wrongInput(
      "Cannot use an `offset` when using `order_by`. The alternative for paging is to use `order_by.start_from` and a filter to exclude the IDs that you've already seen for the `order_by.start_from` value",
    );
  }
  const { filter } = body;
  const test = readFilter(filter);
  const collection = collectionOf(call);
  checkStrict(call, collection, 'read', { limit, filter });
  takeRate(call, collection, 'read', 1 + filterFacts(filter).conditions);
  if (order !== undefined) {
    const points = orderedPoints(collection, order, test).slice(0, limit);
    return json({
      points: points.map(({ point, value }) => ({ ...shape(point), order_value: value })),
      next_page_offset: null,
    });
  }
  const { points, next } = scroll(collection, { offset, limit, test });
  return json({ points: points.map((point) => shape(point)), next_page_offset: next ?? null });
};

const count = (call: Call): Outcome => {
  const { filter } = bodyOf(call);
  const test = readFilter(filter);
  const collection = collectionOf(call);
  checkStrict(call, collection, 'read', { filter });
  takeRate(call, collection, 'read', 1 + filterFacts(filter).conditions);
  const points =
    filter === undefined || filter === null
      ? collection.points.size
      : matchingPoints(collection, test).length;
  return json({ count: points });
};

const points = '/collections/:name/points';

export const pointRoutes: KeyedRoute[] = [
  { method: 'POST', path: points, run: retrieve },
  { method: 'GET', path: `${points}/:id`, run: retrieveOne },
  { method: 'POST', path: `${points}/scroll`, run: scrollPoints },
  { method: 'POST', path: `${points}/count`, run: count },
];
