import { formatError } from '../answers.ts';
import { atOnce, type Change } from '../change.ts';
import { isRecord, type JsonRecord } from '../json.ts';
import { dropPaths, mergeAt, readKeys } from '../payload-paths.ts';
import { readSelector } from '../selector.ts';
import { nextOperation, pointsWithIds, setPayload } from '../store.ts';

const readPayload = ({ payload }: JsonRecord): JsonRecord => {
  if (payload === undefined) throw formatError('missing field `payload`');
  if (!isRecord(payload)) throw formatError('invalid type, expected a map');
  return payload;
};

const readKey = ({ key }: JsonRecord): string | undefined => {
  if (key === undefined || key === null) return undefined;
  if (typeof key !== 'string' || key === '') throw formatError('Invalid json path');
  return key;
};

/** Puts `next` of its payload in the place of each selected point's payload. */
const changePayloads = (body: JsonRecord, next: (payload: JsonRecord) => JsonRecord): Change => {
  const { strict, ids, missed } = readSelector(body);
  return {
    strict,
    cost: (collection) => ids(collection).length,
    check: () => {},
    apply(call, collection) {
      const found = pointsWithIds(collection, ids(collection));
      const version = nextOperation(collection);
      for (const point of found) {
        setPayload(collection, point, next(point.payload));
        point.version = version;
      }
      missed(call, found);
      return atOnce(version);
    },
  };
};

export const readSetPayload = (body: JsonRecord): Change => {
  const payload = readPayload(body);
  const key = readKey(body);
  return changePayloads(body, (old) =>
    key === undefined ? { ...old, ...payload } : mergeAt(old, key, payload),
  );
};

export const readOverwritePayload = (body: JsonRecord): Change => {
  const payload = readPayload(body);
  return changePayloads(body, () => payload);
};

export const readDeletePayload = (body: JsonRecord): Change => {
  const keys = readKeys(body.keys);
  return changePayloads(body, (old) => dropPaths(old, keys));
};

export const readClearPayload = (body: JsonRecord): Change => changePayloads(body, () => ({}));
