import type { RateLimit } from '../../src/model/rate-limit.ts';
import { insufficientStorage } from './answers.ts';
import type { Test } from './filter.ts';
import { compareIds, type PointId } from './ids.ts';
import type { JsonRecord } from './json.ts';
import { createLedger, type Ledger, usualMaxBytes } from './ledger.ts';
import { type KeptBody, type NamedVector, normalise } from './vectors.ts';

export type Distance = 'Cosine' | 'Dot' | 'Euclid' | 'Manhattan';

/** One vector per point: its length and how two of them compare. */
export type Space = { size: number; distance: Distance };

/**
 * A point to be stored; `vectors` fit the collection and may be kept and changed by the store.
 * `payloadBytes` is the length of the payload as JSON.
 */
export type NewPoint = {
  id: PointId;
  vectors: NamedVector[];
  payload: JsonRecord;
  payloadBytes: number;
};

/** A stored point; `version` is the operation that wrote it. */
export type Point = NewPoint & { version: number };

export type Collection = {
  /** By vector name. */
  spaces: Map<string, Space>;
  /** The request that created the collection, for the settings that are told back. */
  settings: JsonRecord;
  points: Map<PointId, Point>;
  /** What its points are charged to. */
  ledger: Ledger;
  /** Payload indexes by field, as asked for: they are told back and speed nothing up. */
  indexes: Map<string, string | JsonRecord>;
  /** Number of the next write, the server's position in its write-ahead log. */
  nextOperation: number;
  /** Ids in order; `points` may hold more, these are in `unsorted`. */
  sorted: PointId[];
  unsorted: PointId[];
  /** Strict mode's rate limits, where it is on and has any. */
  rates: { read?: RateLimit | undefined; write?: RateLimit | undefined };
};

/** All that is stored for one API key: collections by name, and the collection each alias stands for. */
export type Store = { collections: Map<string, Collection>; aliases: Map<string, string> };

export const createStore = (ledger = createLedger(usualMaxBytes)): Store => ({
  collections: new Collections(ledger),
  aliases: new Map(),
});

export const createCollection = (
  spaces: Map<string, Space>,
  settings: JsonRecord = {},
): Collection => ({
  ledger: createLedger(usualMaxBytes),
  spaces,
  settings,
  points: new Map(),
  indexes: new Map(),
  nextOperation: 0,
  sorted: [],
  unsorted: [],
  rates: {},
});

/** Takes the next operation number for a write. */
export const nextOperation = (collection: Collection): number => collection.nextOperation++;

/**
 * Bytes of a stored point without its payload and the numbers of its vector: the point, its lists, its
 * places in the map and among the ids. Measured: 298 with a number for an id, on Node 24; the rest is
 * for a UUID.
 */
const pointBytes = 384;

/** Bytes in memory for each of the payload's JSON: a payload of 113 took 151, text beyond Latin takes two a character. */
const bytesPerPayloadByte = 2;

const chargeOf = ({ payloadBytes }: NewPoint): number =>
  pointBytes + bytesPerPayloadByte * payloadBytes;

const release = (ledger: Ledger, point: Point): void => {
  ledger.usedBytes -= chargeOf(point);
  for (const vector of point.vectors) vector.release();
};

/** Collections by name; what they hold is charged to one ledger, and no more once they are gone. */
class Collections extends Map<string, Collection> {
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    super();
    this.#ledger = ledger;
  }

  /** `collection` is new and still empty. */
  override set(name: string, collection: Collection): this {
    this.delete(name);
    collection.ledger = this.#ledger;
    return super.set(name, collection);
  }

  override delete(name: string): boolean {
    const { points } = this.get(name) ?? {};
    for (const point of points?.values() ?? []) release(this.#ledger, point);
    return super.delete(name);
  }

  override clear(): void {
    for (const name of [...this.keys()]) this.delete(name);
  }
}

/** Bytes that `points` will be charged with: each vector's numbers, or once the body they stand in. */
const bytesOf = (points: readonly NewPoint[]): number => {
  let bytes = 0;
  const bodies = new Set<KeptBody>();
  for (const point of points) {
    bytes += chargeOf(point);
    for (const { body, valueBytes } of point.vectors) {
      bytes += valueBytes;
      if (body !== undefined) bodies.add(body);
    }
  }
  for (const { byteLength } of bodies) bytes += byteLength;
  return bytes;
};

/** Bytes that are free again once the points with the ids of `points` are overwritten. */
const bytesFreedBy = (collection: Collection, points: readonly NewPoint[]): number => {
  let bytes = 0;
  const usersGone = new Map<KeptBody, number>();
  for (const id of new Set(points.map((point) => point.id))) {
    const old = collection.points.get(id);
    if (old === undefined) continue;
    bytes += chargeOf(old);
    for (const { body, valueBytes } of old.vectors) {
      bytes += valueBytes;
      if (body !== undefined) usersGone.set(body, (usersGone.get(body) ?? 0) + 1);
    }
  }
  for (const [body, gone] of usersGone) if (gone === body.users) bytes += body.byteLength;
  return bytes;
};

/** Refuses points that would take all stores together over what the mocks may hold. */
export const checkRoom = (collection: Collection, points: readonly NewPoint[]): void => {
  const { usedBytes, maxBytes } = collection.ledger;
  const wanted = usedBytes + bytesOf(points);
  if (wanted <= maxBytes || wanted - bytesFreedBy(collection, points) <= maxBytes) return;
  throw insufficientStorage(maxBytes);
};

/**
 * Writes points whole: an id that exists loses its former vectors and payload, so the same request
 * twice leaves what it left once. Answers the operation's number.
 */
export const upsertPoints = (collection: Collection, points: readonly NewPoint[]): number => {
  const version = nextOperation(collection);
  const { ledger, spaces } = collection;
  for (const { id, vectors, payload, payloadBytes } of points) {
    const point = { id, vectors, payload, payloadBytes, version };
    const old = collection.points.get(id);
    if (old === undefined) collection.unsorted.push(id);
    else release(ledger, old);
    ledger.usedBytes += chargeOf(point);
    for (const vector of vectors) {
      vector.store(ledger, spaces.get(vector.name)?.distance === 'Cosine');
    }
    collection.points.set(id, point);
  }
  return version;
};

/** Puts another payload into a stored point. */
export const setPayload = (collection: Collection, point: Point, payload: JsonRecord): void => {
  const { ledger } = collection;
  ledger.usedBytes -= chargeOf(point);
  point.payload = payload;
  point.payloadBytes = JSON.stringify(payload).length;
  ledger.usedBytes += chargeOf(point);
};

/** Deletes what is there of `ids`. Answers the operation's number. */
export const deletePoints = (collection: Collection, ids: Iterable<PointId>): number => {
  let deleted = false;
  for (const id of ids) {
    const point = collection.points.get(id);
    if (point === undefined) continue;
    release(collection.ledger, point);
    collection.points.delete(id);
    deleted = true;
  }
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
  point.vectors.find((vector) => vector.name === name)?.values();

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
