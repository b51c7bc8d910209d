import { type Answer, type MockRequest, readJson } from '../endpoint.ts';
import type { Run } from '../runs.ts';
import { invalid, notFound, queryError } from './answers.ts';
import { readBody } from './bodies.ts';
import type { JsonRecord } from './json.ts';
import type { Collection } from './store.ts';

/** A request of a known key. */
export type Call = { run: Run; request: MockRequest; nowMs: number };

/** The `result` of a success, as JSON text, how long it is kept back, and the points it wrote. */
export type Outcome = { result: string; delayMs?: number; points?: number };

/** A route that needs a key. */
export type KeyedRoute = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  /** An answer of its own stands outside the envelope. */
  run: (call: Call) => Outcome | Answer;
};

export const json = (value: unknown): Outcome => ({ result: JSON.stringify(value) });

export const bodyOf = ({ request }: Call): JsonRecord => readBody(readJson(request));

export const nameOf = ({ request }: Call): string => request.params.name!;

/** The collection of the path, by its name or an alias. */
export const collectionOf = (call: Call): Collection => namedCollection(call, nameOf(call));

export const namedCollection = ({ run: { store } }: Call, name: string): Collection => {
  const collection = store.collections.get(store.aliases.get(name) ?? name);
  if (collection === undefined) throw notFound(`Collection \`${name}\` doesn't exist!`);
  return collection;
};

/** Seconds the client gives the server, undefined where it sets none. */
export const timeoutOf = ({ request: { query } }: Call): number | undefined => {
  const text = query.timeout;
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw queryError('invalid digit found in string');
  const seconds = Number(text);
  if (seconds < 1) {
    throw invalid('query parameters', `timeout: value ${text} invalid, must be 1 or larger`);
  }
  return seconds;
};

/** `wait` is off unless asked for. */
export const isWaiting = ({ request: { query } }: Call): boolean => {
  const { wait } = query;
  if (wait === undefined || wait === 'false') return false;
  if (wait === 'true') return true;
  throw queryError('provided string was not `true` or `false`');
};

const orderings = ['weak', 'medium', 'strong'];

/** An ordering is checked and changes nothing: there is one replica. */
export const checkOrdering = ({ request: { query } }: Call): void => {
  const { ordering } = query;
  if (ordering === undefined || orderings.includes(ordering)) return;
  throw queryError(
    `unknown variant \`${ordering}\`, expected one of \`weak\`, \`medium\`, \`strong\``,
  );
};
