import { formatError, Refusal } from '../answers.ts';
import { readSpaces, refuseFields } from '../bodies.ts';
import { bodyOf, type Call, collectionOf, json, type KeyedRoute, nameOf } from '../call.ts';
import { collectionInfo } from '../info.ts';
import { isRecord, type JsonRecord } from '../json.ts';
import { optimizations, upsertState } from '../optimizer.ts';
import { createCollection } from '../store.ts';
import { readStrictMode, resetRates } from '../strict-mode.ts';

const list = ({ run }: Call) =>
  json({ collections: [...run.store.collections.keys()].map((name) => ({ name })) });

const info = (call: Call) => json(collectionInfo(collectionOf(call), upsertState(call)));

/** What the lab's plan sets for every new collection; undefined where it sets nothing. */
const planLimits = ({ run: { lab } }: Call): JsonRecord | undefined => {
  const { readRateLimit, writeRateLimit } = lab.qdrant;
  if (readRateLimit === 0 && writeRateLimit === 0) return undefined;
  return {
    enabled: true,
    ...(readRateLimit > 0 ? { read_rate_limit: readRateLimit } : {}),
    ...(writeRateLimit > 0 ? { write_rate_limit: writeRateLimit } : {}),
  };
};

const create = (call: Call) => {
  const body = bodyOf(call);
  refuseFields(body, ['sparse_vectors']);
  const spaces = readSpaces(body.vectors);
  const given = readStrictMode(body.strict_mode_config);
  const limits = planLimits(call);
  const strict = given || limits ? { ...limits, ...given } : undefined;
  const { store } = call.run;
  const name = nameOf(call);
  if (store.collections.has(name) || store.aliases.has(name)) {
    throw new Refusal(409, `Wrong input: Collection \`${name}\` already exists!`);
  }
  const settings = strict ? { ...body, strict_mode_config: strict } : body;
  const collection = createCollection(spaces, settings);
  resetRates(collection);
  store.collections.set(name, collection);
  return json(true);
};

const merged = (old: unknown, next: unknown): unknown =>
  isRecord(old) && isRecord(next) ? { ...old, ...next } : next;

const changeable = ['optimizers_config', 'hnsw_config', 'quantization_config', 'metadata'];

/** Settings merge into what is there; a change of strict mode fills its rate limits anew. */
const change = (call: Call) => {
  const body = bodyOf(call);
  const strict = readStrictMode(body.strict_mode_config);
  if (body.params !== undefined && body.params !== null && !isRecord(body.params))
    throw formatError('invalid type, expected struct CollectionParamsDiff');
  const collection = collectionOf(call);
  const settings: JsonRecord = { ...collection.settings };
  for (const name of changeable) {
    if (body[name] !== undefined && body[name] !== null)
      settings[name] = merged(settings[name], body[name]);
  }
  if (isRecord(body.params)) Object.assign(settings, body.params);
  if (strict) settings.strict_mode_config = merged(settings.strict_mode_config, strict);
  collection.settings = settings;
  if (strict) resetRates(collection);
  return json(true);
};

/** A collection that is not there is no error: the result is false. Its aliases go with it. */
const drop = (call: Call) => {
  const { store, upserts } = call.run;
  const name = store.aliases.get(nameOf(call)) ?? nameOf(call);
  const points = store.collections.get(name)?.points.size ?? 0;
  if (points > 0) upserts.remove(points);
  for (const [alias, target] of [...store.aliases]) {
    if (target === name) store.aliases.delete(alias);
  }
  return json(store.collections.delete(name));
};

const exists = (call: Call) => {
  const { collections, aliases } = call.run.store;
  const name = nameOf(call);
  return json({ exists: collections.has(aliases.get(name) ?? name) });
};

const optimizationsOf = (call: Call) => {
  collectionOf(call);
  return json(optimizations(upsertState(call)));
};

const collection = '/collections/:name';

export const collectionRoutes: KeyedRoute[] = [
  { method: 'GET', path: '/collections', run: list },
  { method: 'GET', path: collection, run: info },
  { method: 'PUT', path: collection, run: create },
  { method: 'PATCH', path: collection, run: change },
  { method: 'DELETE', path: collection, run: drop },
  { method: 'GET', path: `${collection}/exists`, run: exists },
  { method: 'GET', path: `${collection}/optimizations`, run: optimizationsOf },
];
