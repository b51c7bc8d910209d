import { formatError } from '../answers.ts';
import { bodyOf, type Call, type KeyedRoute } from '../call.ts';
import { type Change, makeChange, makeChanges } from '../change.ts';
import { readDelete } from '../changes/delete.ts';
import {
  readClearPayload,
  readDeletePayload,
  readOverwritePayload,
  readSetPayload,
} from '../changes/payload.ts';
import { readUpsert, upsertIn } from '../changes/upsert.ts';
import { readDeleteVectors, readUpdateVectors } from '../changes/vectors.ts';
import { isRecord, type JsonRecord } from '../json.ts';

type Read = (body: JsonRecord) => Change;

const one = (read: Read) => (call: Call) => makeChange(call, read(bodyOf(call)));

/** What an operation of a batch may be, by the name it goes by there. */
const operations: Record<string, Read> = {
  upsert: readUpsert,
  delete: readDelete,
  set_payload: readSetPayload,
  overwrite_payload: readOverwritePayload,
  delete_payload: readDeletePayload,
  clear_payload: readClearPayload,
  update_vectors: readUpdateVectors,
  delete_vectors: readDeleteVectors,
};

const readOperation = (value: unknown): Change => {
  const [name, body] = (isRecord(value) ? Object.entries(value)[0] : undefined) ?? [];
  if (name === undefined || !Object.hasOwn(operations, name) || !isRecord(body))
    throw formatError('data did not match any variant of untagged enum UpdateOperation');
  return operations[name]!(body);
};

const batch = (call: Call) => {
  const { operations: list } = bodyOf(call);
  if (!Array.isArray(list)) throw formatError('missing field `operations`');
  return makeChanges(call, list.map(readOperation));
};

const points = '/collections/:name/points';

export const changeRoutes: KeyedRoute[] = [
  { method: 'PUT', path: points, run: (call) => makeChange(call, upsertIn(call)) },
  { method: 'POST', path: `${points}/delete`, run: one(readDelete) },
  { method: 'POST', path: `${points}/payload`, run: one(readSetPayload) },
  { method: 'PUT', path: `${points}/payload`, run: one(readOverwritePayload) },
  { method: 'POST', path: `${points}/payload/delete`, run: one(readDeletePayload) },
  { method: 'POST', path: `${points}/payload/clear`, run: one(readClearPayload) },
  { method: 'PUT', path: `${points}/vectors`, run: one(readUpdateVectors) },
  { method: 'POST', path: `${points}/vectors/delete`, run: one(readDeleteVectors) },
  { method: 'POST', path: `${points}/batch`, run: batch },
];
