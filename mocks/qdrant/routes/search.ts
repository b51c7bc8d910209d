import { formatError, notFound, unserved, wrongInput } from '../answers.ts';
import {
  fitVector,
  readCount,
  readShape,
  readVector,
  refuseFields,
  type Shape,
} from '../bodies.ts';
import { bodyOf, type Call, collectionOf, json, type KeyedRoute, type Outcome } from '../call.ts';
import { readFilter, type Test } from '../filter.ts';
import { filterFacts } from '../filter-facts.ts';
import { type PointId, readPointId } from '../ids.ts';
import { isRecord, type JsonRecord } from '../json.ts';
import { type Collection, type Hit, nearest, scroll, vectorOf } from '../store.ts';
import { checkStrict, type Strict, takeRate } from '../strict-mode.ts';

/** A search that has been read from a body, and not yet made. */
type Search = {
  strict: Strict;
  /** Tokens of the read rate limit. */
  cost: number;
  find: (collection: Collection) => JsonRecord[];
};

/** What a query looks for: a vector of its own, that of a stored point, or nothing in particular. */
type Target = Float32Array | PointId | undefined;

const readTarget = (query: unknown): Target => {
  if (query === undefined || query === null) return undefined;
  const target = isRecord(query) && 'nearest' in query ? query.nearest : query;
  if (Array.isArray(target)) return readVector(target);
  if (isRecord(target)) throw unserved(`query.${Object.keys(target)[0] ?? ''}`);
  return readPointId(target);
};

const storedTarget = (collection: Collection, id: PointId, name: string): Float32Array => {
  const point = collection.points.get(id);
  if (point === undefined) throw notFound(`No point with id ${id} found`);
  const vector = vectorOf(point, name);
  if (vector === undefined) throw wrongInput(`Not existing vector name error: ${name}`);
  return vector;
};

const readThreshold = (value: unknown): number | undefined => {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number') throw formatError('invalid type, expected f32');
  return Math.fround(value);
};

/** A query by a point's id leaves that point out. */
const withoutTarget = (target: Target, test: Test): Test => {
  if (target === undefined || target instanceof Float32Array) return test;
  return (point) => point.id !== target && test(point);
};

const searchFor = (body: JsonRecord, target: Target, name: string, shape: Shape): Search => {
  const wish = {
    name,
    limit: readCount(body, 'limit', 1, 10),
    offset: readCount(body, 'offset', 0, 0),
    test: withoutTarget(target, readFilter(body.filter)),
    threshold: readThreshold(body.score_threshold),
  };
  const { limit, offset, test } = wish;
  const { filter, params } = body;
  const hitsIn = (collection: Collection): Hit[] => {
    if (target === undefined) {
      const { points } = scroll(collection, { offset: undefined, limit: offset + limit, test });
      return points.slice(offset).map((point) => ({ point, score: 0 }));
    }
    const vector = target instanceof Float32Array ? target : storedTarget(collection, target, name);
    fitVector(collection.spaces, name, vector);
    return nearest(collection, { ...wish, vector });
  };
  return {
    strict: { limit, filter, params },
    cost: 1 + filterFacts(filter).conditions,
    find: (collection) => hitsIn(collection).map(({ point, score }) => shape(point, score)),
  };
};

const readQuery = (body: JsonRecord): Search => {
  refuseFields(body, ['prefetch', 'lookup_from']);
  const name = typeof body.using === 'string' ? body.using : '';
  return searchFor(body, readTarget(body.query), name, readShape(body, false));
};

/** The older form: a vector, or one with its name. */
const readSearch = (body: JsonRecord): Search => {
  const { vector } = body;
  const isNamed = isRecord(vector) && typeof vector.name === 'string';
  if (!isNamed && !Array.isArray(vector))
    throw formatError('data did not match any variant of untagged enum NamedVectorStruct');
  const name = isNamed ? (vector.name as string) : '';
  const values = readVector(isNamed ? vector.vector : vector);
  if (body.limit === undefined) throw formatError('missing field `limit`');
  return searchFor(body, values, name, readShape(body, false));
};

const findAll = (call: Call, searches: readonly Search[], isBatch: boolean): JsonRecord[][] => {
  const collection = collectionOf(call);
  if (isBatch) checkStrict(call, collection, 'read', { searches: searches.length });
  for (const { strict } of searches) checkStrict(call, collection, 'read', strict);
  const cost = searches.reduce((sum, search) => sum + search.cost, 0);
  takeRate(call, collection, 'read', Math.max(1, cost));
  return searches.map(({ find }) => find(collection));
};

const readSearches = (call: Call, read: (body: JsonRecord) => Search): Search[] => {
  const { searches } = bodyOf(call);
  if (!Array.isArray(searches)) throw formatError('missing field `searches`');
  return searches.map((search) => {
    if (!isRecord(search)) throw formatError('invalid type, expected a map');
    return read(search);
  });
};

const query = (call: Call): Outcome => {
  const [points] = findAll(call, [readQuery(bodyOf(call))], false);
  return json({ points });
};
const queryBatch = (call: Call): Outcome =>
  json(findAll(call, readSearches(call, readQuery), true).map((points) => ({ points })));
const search = (call: Call): Outcome => json(findAll(call, [readSearch(bodyOf(call))], false)[0]);
const searchBatch = (call: Call): Outcome =>
  json(findAll(call, readSearches(call, readSearch), true));

const points = '/collections/:name/points';

export const searchRoutes: KeyedRoute[] = [
  { method: 'POST', path: `${points}/query`, run: query },
  { method: 'POST', path: `${points}/query/batch`, run: queryBatch },
  { method: 'POST', path: `${points}/search`, run: search },
  { method: 'POST', path: `${points}/search/batch`, run: searchBatch },
];
