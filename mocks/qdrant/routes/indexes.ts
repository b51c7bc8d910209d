import { formatError } from '../answers.ts';
import { bodyOf, type Call, type KeyedRoute } from '../call.ts';
import { atOnce, type Change, makeChange } from '../change.ts';
import { isRecord, type JsonRecord } from '../json.ts';
import { nextOperation } from '../store.ts';
import { checkIndexRoom } from '../strict-mode.ts';

const fieldTypes = ['keyword', 'integer', 'float', 'geo', 'text', 'bool', 'datetime', 'uuid'];

const readFieldSchema = (value: unknown): string | JsonRecord => {
  const type = isRecord(value) ? value.type : value;
  if (!fieldTypes.includes(type as string)) {
    throw formatError('data did not match any variant of untagged enum PayloadFieldSchema');
  }
  return value as string | JsonRecord;
};

const indexChange = (check: Change['check'], apply: Change['check']): Change => ({
  strict: {},
  cost: () => 1,
  check,
  apply(_call, collection) {
    apply(collection);
    return atOnce(nextOperation(collection));
  },
});

const create = (call: Call) => {
  const { field_name: field, field_schema } = bodyOf(call);
  if (typeof field !== 'string') throw formatError('missing field `field_name`');
  const schema = readFieldSchema(field_schema);
  return makeChange(
    call,
    indexChange(checkIndexRoom, ({ indexes }) => indexes.set(field, schema)),
  );
};

/** An index that is not there is no error. */
const drop = (call: Call) => {
  const { field } = call.request.params;
  return makeChange(
    call,
    indexChange(
      () => {},
      ({ indexes }) => indexes.delete(field!),
    ),
  );
};

export const indexRoutes: KeyedRoute[] = [
  { method: 'PUT', path: '/collections/:name/index', run: create },
  { method: 'DELETE', path: '/collections/:name/index/:field', run: drop },
];
