/** Strict mode: what a collection refuses on purpose, in the server's words (verification/ and rate_limiting.rs of 1.19). */
import { createRateLimit } from '../../src/model/rate-limit.ts';
import { badRequest, formatError, invalid, RateRefusal } from './answers.ts';
import { type Call, timeoutOf } from './call.ts';
import { type FilterFacts, filterFacts } from './filter-facts.ts';
import { isRecord, type JsonRecord } from './json.ts';
import type { Collection } from './store.ts';

const atLeastOne = ['max_query_limit', 'max_timeout', 'read_rate_limit', 'write_rate_limit'];
const counts = [
  ...atLeastOne,
  'search_max_hnsw_ef',
  'upsert_max_batchsize',
  'search_max_batchsize',
  'max_collection_vector_size_bytes',
  'max_collection_payload_size_bytes',
  'max_points_count',
  'filter_max_conditions',
  'condition_max_size',
  'max_payload_index_count',
];
const switches = [
  'enabled',
  'unindexed_filtering_retrieve',
  'unindexed_filtering_update',
  'search_allow_exact',
];

/** The strict mode of a body, undefined where it has none. */
export const readStrictMode = (value: unknown): JsonRecord | undefined => {
  if (value === undefined || value === null) return undefined;
  if (!isRecord(value)) throw formatError('invalid type, expected struct StrictModeConfig');
  for (const name of switches) {
    if (value[name] !== undefined && value[name] !== null && typeof value[name] !== 'boolean')
      throw formatError(`invalid type: ${JSON.stringify(value[name])}, expected a boolean`);
  }
  for (const name of counts) {
    const count = value[name];
    if (count === undefined || count === null) continue;
    if (!Number.isInteger(count) || (count as number) < 0)
      throw formatError(`invalid value: ${JSON.stringify(count)}, expected usize`);
    if (count === 0 && atLeastOne.includes(name))
      throw invalid(
        'JSON body',
        `strict_mode_config.${name}: value 0 invalid, must be 1 or larger`,
      );
  }
  return value;
};

/** The strict mode in force, undefined where it is off. */
export const strictModeOf = ({ settings }: Collection): JsonRecord | undefined => {
  const config = settings.strict_mode_config;
  return isRecord(config) && config.enabled === true ? config : undefined;
};

const limitOf = (config: JsonRecord | undefined, name: string): number | undefined => {
  const value = config?.[name];
  return typeof value === 'number' ? value : undefined;
};

/** Makes the collection's limiters anew, both full, as a change of strict mode does. */
export const resetRates = (collection: Collection): void => {
  const config = strictModeOf(collection);
  const rate = (name: string) => {
    const perMinute = limitOf(config, name);
    return perMinute === undefined ? undefined : createRateLimit(perMinute);
  };
  collection.rates = { read: rate('read_rate_limit'), write: rate('write_rate_limit') };
};

/** Takes `cost` from the collection's bucket, or refuses with the wait in the client's real seconds. */
export const takeRate = (
  { run, nowMs }: Call,
  collection: Collection,
  kind: 'read' | 'write',
  cost: number,
): void => {
  const limit = collection.rates[kind];
  if (limit === undefined) return;
  const denied = limit.take(cost, run.clockUs(nowMs));
  if (denied === undefined) return;
  if (denied.waitSeconds === Infinity) {
    throw new RateRefusal(
      kind,
      ', request larger than rate limiter capacity, please try to split your request',
    );
  }
  // A rounding error of the bucket must not add a second to a wait of whole ones.
  const seconds = Math.max(1, Math.ceil(denied.waitSeconds / run.speed));
  throw new RateRefusal(
    kind,
    `: Operation requires ${cost} tokens but only ${denied.available.toFixed(1)} were available. Retry after ${seconds}s`,
    seconds,
  );
};

const violation = (problem: string, help: string) => badRequest(`${problem}. Help: ${help}`);

const checkLimit = (
  config: JsonRecord,
  setting: string,
  name: string,
  value: number | undefined,
): void => {
  const limit = limitOf(config, setting);
  if (limit === undefined || value === undefined || value <= limit) return;
  throw violation(
    `Limit exceeded ${value} > ${limit} for "${name}"`,
    `Reduce the "${name}" parameter to or below ${limit}.`,
  );
};

const checkFilter = (
  config: JsonRecord,
  { indexes }: Collection,
  facts: FilterFacts,
  setting: string,
): void => {
  const most = limitOf(config, 'filter_max_conditions');
  if (most !== undefined && facts.conditions > most) {
    throw violation(
      `Filter condition limit reached (${facts.conditions} > ${most})`,
      'Reduce the amount of conditions of your filter.',
    );
  }
  const largest = limitOf(config, 'condition_max_size');
  if (largest !== undefined && facts.largest > largest) {
    throw violation(
      `Condition size limit reached (${facts.largest} > ${largest})`,
      'Reduce the size of your condition.',
    );
  }
  if (config[setting] !== false) return;
  const bare = facts.fields.find(({ key, types }) => {
    const schema = indexes.get(key);
    return !types.includes((isRecord(schema) ? schema.type : schema) as string);
  });
  if (bare === undefined) return;
  throw violation(
    `Index required but not found for "${bare.key}" of one of the following types: [${bare.types.join(', ')}]`,
    'Create an index for this key or use a different filter.',
  );
};

/** What strict mode looks at in a request. */
export type Strict = {
  limit?: number;
  filter?: unknown;
  params?: unknown;
  searches?: number;
  /** The points of an upsert. */
  upserted?: number;
  /** The points or ids of any other update. */
  updated?: number;
};

const checkRoom = (config: JsonRecord, collection: Collection): void => {
  const { points, spaces } = collection;
  const mostPoints = limitOf(config, 'max_points_count');
  if (mostPoints !== undefined && points.size >= mostPoints)
    throw badRequest(`Max points count limit of ${mostPoints} reached!`);
  const megabytes = (bytes: number) => `${bytes / 2 ** 20}MB`;
  const mostVectors = limitOf(config, 'max_collection_vector_size_bytes');
  if (mostVectors !== undefined) {
    let perPoint = 0;
    for (const { size } of spaces.values()) perPoint += size * 4;
    if (points.size * perPoint >= mostVectors)
      throw badRequest(`Max vector storage size limit of ${megabytes(mostVectors)} reached!`);
  }
  const mostPayload = limitOf(config, 'max_collection_payload_size_bytes');
  if (mostPayload !== undefined) {
    let bytes = 0;
    for (const { payload } of points.values()) bytes += JSON.stringify(payload).length;
    if (bytes >= mostPayload)
      throw badRequest(`Max payload storage size limit of ${megabytes(mostPayload)} reached!`);
  }
};

/** Refuses what strict mode does not allow, before anything is done. */
export const checkStrict = (
  call: Call,
  collection: Collection,
  kind: 'read' | 'update',
  strict: Strict,
): void => {
  const config = strictModeOf(collection);
  if (config === undefined) return;
  checkLimit(config, 'max_timeout', 'timeout', timeoutOf(call));
  checkLimit(config, 'search_max_batchsize', 'search batch size', strict.searches);
  checkLimit(config, 'upsert_max_batchsize', 'upsert limit', strict.upserted);
  checkLimit(config, 'upsert_max_batchsize', 'update limit', strict.updated);
  if (strict.upserted !== undefined) checkRoom(config, collection);
  checkLimit(config, 'max_query_limit', 'limit', strict.limit);
  const setting = kind === 'read' ? 'unindexed_filtering_retrieve' : 'unindexed_filtering_update';
  checkFilter(config, collection, filterFacts(strict.filter), setting);
  if (!isRecord(strict.params)) return;
  const { exact, hnsw_ef, quantization } = strict.params;
  if (config.search_allow_exact === false && exact === true)
    throw violation('Exact search disabled!', 'Set exact=false.');
  const oversampling = isRecord(quantization) ? quantization.oversampling : undefined;
  const numberOr = (value: unknown) => (typeof value === 'number' ? value : undefined);
  checkLimit(config, 'search_max_oversampling', 'oversampling', numberOr(oversampling));
  checkLimit(config, 'search_max_hnsw_ef', 'hnsw_ef', numberOr(hnsw_ef));
};

/** Refuses an index more than strict mode allows. */
export const checkIndexRoom = (collection: Collection): void => {
  const most = limitOf(strictModeOf(collection), 'max_payload_index_count');
  if (most !== undefined && collection.indexes.size >= most) {
    throw violation(
      `Collection already has the maximum number of payload indices (${most})`,
      'Please delete an existing index before creating a new one.',
    );
  }
};
