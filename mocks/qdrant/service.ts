import { contentKey } from '../../src/model/random.ts';
import { drawKeyOf } from '../draw-key.ts';
import {
  type Answer,
  type Endpoint,
  type MockRequest,
  readJson,
  type Service,
} from '../endpoint.ts';
import type { Run } from '../runs.ts';
import {
  badJson,
  bareJson,
  bodyLimitBytes,
  failed,
  formatError,
  invalid,
  missingKey,
  notFound,
  ok,
  plainText,
  Refusal,
  tooLarge,
  unknownKey,
  unknownRoute,
  unserved,
  wrongInput,
} from './answers.ts';
import {
  fitPoints,
  fitVector,
  readBody,
  readCount,
  readIds,
  readPoints,
  readShape,
  readSpaces,
  readVector,
  refuseFields,
} from './bodies.ts';
import { readFilter, type Test } from './filter.ts';
import { type PointId, pathPointId, readPointId } from './ids.ts';
import { collectionInfo } from './info.ts';
import { isRecord, type JsonRecord } from './json.ts';
import {
  type Collection,
  createCollection,
  deletePoints,
  matchingPoints,
  nearest,
  nextOperation,
  pointsWithIds,
  scroll,
  upsertPoints,
  vectorOf,
} from './store.ts';

/** A request of a known key. */
type Call = { run: Run; request: MockRequest; nowMs: number };

/** The `result` of a success, as JSON text, and how long it is kept back. */
type Outcome = { result: string; delayMs?: number };

const header = (request: MockRequest, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

const apiKeyOf = (request: MockRequest): string | undefined =>
  header(request, 'api-key') ?? /^Bearer (.*)$/.exec(header(request, 'authorization') ?? '')?.[1];

/** Seconds since `startedMs` on the performance clock, to the nanosecond. */
const secondsSince = (startedMs: number): number =>
  Math.round((performance.now() - startedMs) * 1e6) / 1e9;

const checkTimeout = (text: string | undefined): void => {
  if (text === undefined) return;
  if (!/^\d+$/.test(text)) {
    throw new Refusal(400, 'Deserialize error in query parameters: invalid digit found in string');
  }
  if (Number(text) < 1) {
    throw invalid('query parameters', `timeout: value ${text} invalid, must be 1 or larger`);
  }
};

/** `wait` is off unless asked for. */
const isWaiting = ({ query: { wait } }: MockRequest): boolean => {
  if (wait === undefined || wait === 'false') return false;
  if (wait === 'true') return true;
  throw new Refusal(
    400,
    'Deserialize error in query parameters: provided string was not `true` or `false`',
  );
};

const nameOf = (request: MockRequest): string => request.params.name!;

const collectionOf = ({ run, request }: Call): Collection => {
  const name = nameOf(request);
  const collection = run.store.collections.get(name);
  if (collection === undefined) throw notFound(`Collection \`${name}\` doesn't exist!`);
  return collection;
};

const updateResult = (operation: number, waiting: boolean): string =>
  `{"operation_id":${operation},"status":"${waiting ? 'completed' : 'acknowledged'}"}`;

const json = (value: unknown): Outcome => ({ result: JSON.stringify(value) });

const listCollections = ({ run }: Call): Outcome =>
  json({ collections: [...run.store.collections.keys()].map((name) => ({ name })) });

const create = ({ run, request }: Call): Outcome => {
  const body = readBody(readJson(request));
  refuseFields(body, ['sparse_vectors']);
  const spaces = readSpaces(body.vectors);
  const name = nameOf(request);
  if (run.store.collections.has(name)) {
    throw new Refusal(409, `Wrong input: Collection \`${name}\` already exists!`);
  }
  run.store.collections.set(name, createCollection(spaces, body));
  return json(true);
};

/** A collection that is not there is no error: the result is false. */
const drop = ({ run, request }: Call): Outcome =>
  json(run.store.collections.delete(nameOf(request)));

const exists = ({ run, request }: Call): Outcome =>
  json({ exists: run.store.collections.has(nameOf(request)) });

/**
 * Stores the points once all of them are found good, so that a refused request leaves nothing behind.
 * They can be read at once; only the answer is kept back.
 */
const upsert = (call: Call): Outcome => {
  const { request, run, nowMs } = call;
  const waiting = isWaiting(request);
  const points = readPoints(readBody(readJson(request)));
  const collection = collectionOf(call);
  fitPoints(collection.spaces, points);
  const added = points.filter(({ id }) => !collection.points.has(id)).length;
  const nowUs = run.clockUs(nowMs);
  const key = drawKeyOf(request, () => contentKey(String(points[0]!.id)));
  const ticket = run.upserts.write({ points: points.length, added }, key, nowUs);
  const operation = upsertPoints(collection, points);
  run.seen.upserts++;
  const doneUs = ticket.appliedUs;
  return {
    result: updateResult(operation, waiting),
    delayMs: (doneUs - nowUs) / 1_000 / run.speed,
  };
};

const retrieve = (call: Call): Outcome => {
  const body = readBody(readJson(call.request));
  const ids = readIds(body.ids);
  const shape = readShape(body, true);
  return json(pointsWithIds(collectionOf(call), ids).map((point) => shape(point)));
};

const retrieveOne = (call: Call): Outcome => {
  const collection = collectionOf(call);
  const id = pathPointId(call.request.params.id!);
  const point = collection.points.get(id);
  if (point === undefined) throw notFound(`Point with id ${id} does not exists!`);
  return json(readShape({ with_vector: true }, true)(point));
};

const scrollPoints = (call: Call): Outcome => {
  const body = readBody(readJson(call.request));
  refuseFields(body, ['order_by']);
  const shape = readShape(body, true);
  const page = {
    limit: readCount(body, 'limit', 1, 10),
    offset:
      body.offset === undefined || body.offset === null ? undefined : readPointId(body.offset),
    test: readFilter(body.filter),
  };
  const { points, next } = scroll(collectionOf(call), page);
  return json({ points: points.map((point) => shape(point)), next_page_offset: next ?? null });
};

const count = (call: Call): Outcome => {
  const { filter } = readBody(readJson(call.request));
  const test = readFilter(filter);
  const collection = collectionOf(call);
  const points =
    filter === undefined || filter === null
      ? collection.points.size
      : matchingPoints(collection, test).length;
  return json({ count: points });
};

/** What a query looks for: a vector of its own, or that of a stored point. */
const readTarget = (query: unknown): Float32Array | PointId => {
  const target = isRecord(query) && 'nearest' in query ? query.nearest : query;
  if (Array.isArray(target)) return readVector(target);
  if (isRecord(query) && isRecord(target)) throw unserved(`query.${Object.keys(target)[0] ?? ''}`);
  if (target === undefined || target === null) throw unserved('query of no vector');
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
const withoutTarget = (target: Float32Array | PointId, test: Test): Test => {
  if (target instanceof Float32Array) return test;
  return (point) => point.id !== target && test(point);
};

const query = (call: Call): Outcome => {
  const body = readBody(readJson(call.request));
  refuseFields(body, ['prefetch', 'lookup_from']);
  const target = readTarget(body.query);
  const shape = readShape(body, false);
  const name = typeof body.using === 'string' ? body.using : '';
  const wish = {
    name,
    limit: readCount(body, 'limit', 1, 10),
    offset: readCount(body, 'offset', 0, 0),
    test: withoutTarget(target, readFilter(body.filter)),
    threshold: readThreshold(body.score_threshold),
  };
  const collection = collectionOf(call);
  const vector = target instanceof Float32Array ? target : storedTarget(collection, target, name);
  fitVector(collection.spaces, name, vector);
  const hits = nearest(collection, { ...wish, vector });
  return json({ points: hits.map(({ point, score }) => shape(point, score)) });
};

/** The ids to delete, found once the collection is known. */
const readSelector = (body: JsonRecord): ((collection: Collection) => PointId[]) => {
  if (body.points !== undefined) {
    const ids = readIds(body.points);
    return () => ids;
  }
  if (!isRecord(body.filter)) {
    throw formatError('data did not match any variant of untagged enum PointsSelector');
  }
  const test = readFilter(body.filter);
  return (collection) => matchingPoints(collection, test).map(({ id }) => id);
};

const remove = (call: Call): Outcome => {
  const waiting = isWaiting(call.request);
  const select = readSelector(readBody(readJson(call.request)));
  const collection = collectionOf(call);
  return { result: updateResult(deletePoints(collection, select(collection)), waiting) };
};

const fieldTypes = ['keyword', 'integer', 'float', 'geo', 'text', 'bool', 'datetime', 'uuid'];

const readFieldSchema = (value: unknown): string | JsonRecord => {
  const type = isRecord(value) ? value.type : value;
  if (!fieldTypes.includes(type as string)) {
    throw formatError('data did not match any variant of untagged enum PayloadFieldSchema');
  }
  return value as string | JsonRecord;
};

const createIndex = (call: Call): Outcome => {
  const waiting = isWaiting(call.request);
  const body = readBody(readJson(call.request));
  if (typeof body.field_name !== 'string') throw formatError('missing field `field_name`');
  const schema = readFieldSchema(body.field_schema);
  const collection = collectionOf(call);
  collection.indexes.set(body.field_name, schema);
  return { result: updateResult(nextOperation(collection), waiting) };
};

/** The routes anyone may ask. */
const openEndpoints: Endpoint[] = [
  {
    method: 'GET',
    path: '/',
    answer: () =>
      bareJson({ title: 'qdrant - vector search engine', version: '1.19.0', commit: '74f3e85' }),
  },
  { method: 'GET', path: '/healthz', answer: () => plainText(200, 'healthz check passed') },
  { method: 'GET', path: '/livez', answer: () => plainText(200, 'healthz check passed') },
  { method: 'GET', path: '/readyz', answer: () => plainText(200, 'all shards are ready') },
];

/** The routes that need a key. */
const keyedRoutes: { method: Endpoint['method']; path: string; run: (call: Call) => Outcome }[] = [
  { method: 'GET', path: '/collections', run: listCollections },
  {
    method: 'GET',
    path: '/collections/:name',
    run: (call) => json(collectionInfo(collectionOf(call))),
  },
  { method: 'PUT', path: '/collections/:name', run: create },
  { method: 'DELETE', path: '/collections/:name', run: drop },
  { method: 'GET', path: '/collections/:name/exists', run: exists },
  { method: 'PUT', path: '/collections/:name/points', run: upsert },
  { method: 'POST', path: '/collections/:name/points', run: retrieve },
  { method: 'GET', path: '/collections/:name/points/:id', run: retrieveOne },
  { method: 'POST', path: '/collections/:name/points/scroll', run: scrollPoints },
  { method: 'POST', path: '/collections/:name/points/count', run: count },
  { method: 'POST', path: '/collections/:name/points/query', run: query },
  { method: 'POST', path: '/collections/:name/points/delete', run: remove },
  { method: 'PUT', path: '/collections/:name/index', run: createIndex },
];

/** Runs a route and puts its outcome, or its refusal, into the envelope. */
const answerOf = (run: (call: Call) => Outcome, call: Call): Answer => {
  const startedMs = performance.now();
  try {
    checkTimeout(call.request.query.timeout);
    const { result, delayMs } = run(call);
    if (delayMs === undefined) return ok(result, secondsSince(startedMs));
    // The server was at work during the delay too, and says so.
    return { ...ok(result, delayMs / 1000), delayMs };
  } catch (error) {
    if (error instanceof Refusal) return failed(error, secondsSince(startedMs));
    throw error;
  }
};

/**
 * Qdrant's REST API, version 1.19.0, as far as an ingestion pipeline uses it, over points that are
 * really stored. `runOf` answers undefined for a key that does not exist.
 */
export function qdrantService(runOf: (key: string) => Run | undefined): Service {
  const keyed = (run: (call: Call) => Outcome): Endpoint['answer'] => {
    return (request, nowMs) => {
      const apiKey = apiKeyOf(request);
      if (apiKey === undefined) return missingKey();
      const state = runOf(apiKey);
      return state === undefined ? unknownKey() : answerOf(run, { run: state, request, nowMs });
    };
  };
  return {
    endpoints: [
      ...openEndpoints,
      ...keyedRoutes.map(({ method, path, run }) => ({ method, path, answer: keyed(run) })),
    ],
    bodyLimitBytes,
    notFound: unknownRoute,
    badJson,
    tooLarge,
  };
}
