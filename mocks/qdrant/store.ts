import type { Test } from './filter.ts';
import { compareIds, type PointId } from './ids.ts';
import type { JsonRecord } from './json.ts';

export type Distance = 'Cosine' | 'Dot' | 'Euclid' | 'Manhattan';

/** One vector per point: its length and how two of them compare. */
export type Space = { size: number; distance: Distance };

/** The unnamed vector of a collection has the empty name, as in the server. */
export type NamedVector = { name: string; values: Float32Array };

/** A point to be stored; `vectors` fit the collection and may be kept and changed by the store. */
export type NewPoint = { id: PointId; vectors: NamedVector[]; payload: JsonRecord };

/** A stored point; `version` is the operation that wrote it. */
export type Point = NewPoint & { version: number };

export type Collection = {
  /** By vector name. */
  spaces: Map<string, Space>;
  /** The request that created the collection, for the settings that are told back. */
  settings: JsonRecord;
  points: Map<PointId, Point>;
  /** Payload indexes by field, as asked for: they are told back and speed nothing up. */
  indexes: Map<string, string | JsonRecord>;
  /** Number of the next write, the server's position in its write-ahead log. */
  nextOperation: number;
  /** Ids in order; `points` may hold more, these are in `unsorted`. */
  sorted: PointId[];
  unsorted: PointId[];
};

/** All that is stored for one API key: collections by name. */
export type Store = { collections: Map<string, Collection> };

export const createStore = (): Store => ({ collections: new Map() });

export const createCollection = (
  spaces: Map<string, Space>,
  settings: JsonRecord = {},
): Collection => ({
  spaces,
  settings,
  points: new Map(),
  indexes: new Map(),
  nextOperation: 0,
  sorted: [],
  unsorted: [],
});

/** Takes the next operation number for a write. */
export const nextOperation = (collection: Collection): number => collection.nextOperation++;

/**
 * Brings `values` to length 1 in place. Vectors that are already within 1e-6 of it, or have no length,
 * stay as they are (as the server does it), so that storing what was read back changes nothing.
 */
const normalise = (values: Float32Array): void => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  const length = Math.sqrt(sum);
  if (length < 2 ** -23 || Math.abs(length - 1) <= 1e-6) return;
  for (let i = 0; i < values.length; i++) values[i] = values[i]! / length;
};

/**
 * Writes points whole: an id that exists loses its former vectors and payload, so the same request
 * twice leaves what it left once. Answers the operation's number.
 */
export const upsertPoints = (collection: Collection, points: readonly NewPoint[]): number => {
  const version = nextOperation(collection);
  for (const { id, vectors, payload } of points) {
    for (const { name, values } of vectors) {
      if (collection.spaces.get(name)?.distance === 'Cosine') normalise(values);
    }
    if (!collection.points.has(id)) collection.unsorted.push(id);
    collection.points.set(id, { id, vectors, payload, version });
  }
  return version;
};

/** Deletes what is there of `ids`. Answers the operation's number. */
export const deletePoints = (collection: Collection, ids: Iterable<PointId>): number => {
  let deleted = false;
  for (const id of ids) deleted = collection.points.delete(id) || deleted;
  if (deleted) {
    collection.sorted = [];
    collection.unsorted = [...collection.points.keys()];
  }
  return nextOperation(collection);
};

/** The points with these ids, in that order, each once; ids that are not there are left out. */
export const pointsWithIds = (collection: Collection, ids: readonly PointId[]): Point[] =>
  [...new Set(ids)].flatMap((id) => collection.points.get(id) ?? []);

export const matchingPoints = (collection: Collection, test: Test): Point[] =>
  [...collection.points.values()].filter(test);

/** All ids in order. Sorting waits for a reader: writers come far more often. */
const sortedIds = (collection: Collection): readonly PointId[] => {
  if (collection.unsorted.length > 0) {
    collection.sorted = [...collection.sorted, ...collection.unsorted].sort(compareIds);
    collection.unsorted = [];
  }
  return collection.sorted;
};

/** The index of the first of the ordered `items` that is not `before` the place sought. */
const firstIndex = <T>(items: readonly T[], before: (item: T) => boolean): number => {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (before(items[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** One page of the points that pass, in id order from `offset` on, and the id the next page starts at. */
export const scroll = (
  collection: Collection,
  page: { offset: PointId | undefined; limit: number; test: Test },
): { points: Point[]; next: PointId | undefined } => {
  const { offset, limit, test } = page;
  const ids = sortedIds(collection);
  const start =
    offset === undefined ? 0 : firstIndex(ids, (candidate) => compareIds(candidate, offset) < 0);
  const points: Point[] = [];
  for (let i = start; i < ids.length; i++) {
    const point = collection.points.get(ids[i]!)!;
    if (!test(point)) continue;
    if (points.length === limit) return { points, next: point.id };
    points.push(point);
  }
  return { points, next: undefined };
};

const dot = (a: Float32Array, b: Float32Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

const euclid = (a: Float32Array, b: Float32Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(sum);
};

const manhattan = (a: Float32Array, b: Float32Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum;
};

/** The score of two vectors, and whether a higher one is nearer. Cosine wants both at length 1. */
const measures: Record<
  Distance,
  { score: (a: Float32Array, b: Float32Array) => number; highIsNear: boolean }
> = {
  Cosine: { score: dot, highIsNear: true },
  Dot: { score: dot, highIsNear: true },
  Euclid: { score: euclid, highIsNear: false },
  Manhattan: { score: manhattan, highIsNear: false },
};

export type Hit = { point: Point; score: number };

export const vectorOf = (point: NewPoint, name: string): Float32Array | undefined =>
  point.vectors.find((vector) => vector.name === name)?.values;

/**
 * The `limit` nearest points after the first `offset`, nearest first, found by measuring every point;
 * equal scores go by id. A score is kept in single precision, as the server has it. `threshold` is the
 * worst score that still counts, itself included.
 */
export const nearest = (
  collection: Collection,
  query: {
    name: string;
    vector: Float32Array;
    limit: number;
    offset: number;
    test: Test;
    threshold: number | undefined;
  },
): Hit[] => {
  const space = collection.spaces.get(query.name)!;
  const { score: measure, highIsNear } = measures[space.distance];
  const target = query.vector.slice();
  if (space.distance === 'Cosine') normalise(target);
  const sign = highIsNear ? -1 : 1;
  const worst = query.threshold === undefined ? Number.POSITIVE_INFINITY : sign * query.threshold;
  const order = (a: Hit, b: Hit): number =>
    sign * (a.score - b.score) || compareIds(a.point.id, b.point.id);
  const wanted = query.offset + query.limit;
  const hits: Hit[] = [];
  for (const point of collection.points.values()) {
    const values = vectorOf(point, query.name);
    if (values === undefined || !query.test(point)) continue;
    const hit = { point, score: Math.fround(measure(target, values)) };
    if (sign * hit.score > worst) continue;
    if (hits.length === wanted) {
      if (wanted === 0 || order(hit, hits.at(-1)!) > 0) continue;
      hits.pop();
    }
    hits.splice(
      firstIndex(hits, (other) => order(other, hit) < 0),
      0,
      hit,
    );
  }
  return hits.slice(query.offset);
};
