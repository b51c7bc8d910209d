import { formatError, notFound, Refusal } from '../answers.ts';
import { bodyOf, type Call, json, type KeyedRoute, namedCollection, nameOf } from '../call.ts';
import { isRecord, type JsonRecord } from '../json.ts';

const textIn = (record: JsonRecord, name: string): string => {
  const text = record[name];
  if (typeof text !== 'string') throw formatError(`missing field \`${name}\``);
  return text;
};

type Action = (call: Call) => void;

const noAlias = (alias: string) => notFound(`Alias ${alias} does not exists!`);

const readCreate = (body: JsonRecord): Action => {
  const [name, alias] = [textIn(body, 'collection_name'), textIn(body, 'alias_name')];
  return (call) => {
    const { store } = call.run;
    namedCollection(call, name);
    if (store.collections.has(alias))
      throw new Refusal(409, `Wrong input: Collection \`${alias}\` already exists!`);
    store.aliases.set(alias, store.aliases.get(name) ?? name);
  };
};

const readDelete = (body: JsonRecord): Action => {
  const alias = textIn(body, 'alias_name');
  return ({ run }) => void run.store.aliases.delete(alias);
};

const readRename = (body: JsonRecord): Action => {
  const [before, after] = [textIn(body, 'old_alias_name'), textIn(body, 'new_alias_name')];
  return ({ run: { store } }) => {
    const name = store.aliases.get(before);
    if (name === undefined) throw noAlias(before);
    if (store.collections.has(after))
      throw new Refusal(409, `Wrong input: Collection \`${after}\` already exists!`);
    store.aliases.delete(before);
    store.aliases.set(after, name);
  };
};

const actions: [string, (body: JsonRecord) => Action][] = [
  ['create_alias', readCreate],
  ['delete_alias', readDelete],
  ['rename_alias', readRename],
];

const readAction = (value: unknown): Action => {
  for (const [name, read] of actions) {
    const body = isRecord(value) ? value[name] : undefined;
    if (isRecord(body)) return read(body);
  }
  throw formatError('data did not match any variant of untagged enum AliasOperations');
};

const change = (call: Call) => {
  const { actions: list } = bodyOf(call);
  if (!Array.isArray(list)) throw formatError('missing field `actions`');
  for (const act of list.map(readAction)) act(call);
  return json(true);
};

const listed = ({ run: { store } }: Call, wanted?: string) => ({
  aliases: [...store.aliases]
    .filter(([, name]) => wanted === undefined || name === wanted)
    .map(([alias_name, collection_name]) => ({ alias_name, collection_name })),
});

const ofCollection = (call: Call) => {
  const name = nameOf(call);
  namedCollection(call, name);
  return json(listed(call, call.run.store.aliases.get(name) ?? name));
};

export const aliasRoutes: KeyedRoute[] = [
  { method: 'POST', path: '/collections/aliases', run: change },
  { method: 'GET', path: '/aliases', run: (call) => json(listed(call)) },
  { method: 'GET', path: '/collections/:name/aliases', run: ofCollection },
];
