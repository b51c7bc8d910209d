import { formatError, unserved } from './answers.ts';
import {
  conditionError,
  countTest,
  isNothing,
  keyOf,
  matchTest,
  rangeTest,
  type ValueTest,
} from './field-tests.ts';
import { type PointId, readPointId } from './ids.ts';
import { isRecord, type JsonRecord } from './json.ts';

/** What a filter looks at. */
export type Filtered = {
  id: PointId;
  payload: JsonRecord;
  vectors: readonly { readonly name: string }[];
};

/** Whether a point passes a filter. */
export type Test = (point: Filtered) => boolean;

const listOf = (value: unknown): unknown[] => {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
};

/** The values below one step of a path: `a[]` goes into each element of the array `a`. */
const step = (value: unknown, key: string): unknown[] => {
  const each = key.endsWith('[]');
  const name = each ? key.slice(0, -2) : key;
  if (!isRecord(value) || !Object.hasOwn(value, name)) return [];
  const next = value[name];
  if (!each) return [next];
  return Array.isArray(next) ? next : [];
};

/** All values a payload holds at `path` (dots for depth). An array at the end counts by element. */
export const valuesAt = (payload: JsonRecord, path: readonly string[]): unknown[] =>
  path
    .reduce<unknown[]>((values, key) => values.flatMap((value) => step(value, key)), [payload])
    .flatMap((value) => (Array.isArray(value) ? value : [value]));

export const pathOf = (key: string): string[] => key.split('.');

const some = (test: ValueTest) => (values: readonly unknown[]) => values.some(test);

const fieldKinds: readonly [string, (wish: unknown) => (values: readonly unknown[]) => boolean][] =
  [
    ['match', (wish) => some(matchTest(wish))],
    ['range', (wish) => some(rangeTest(wish))],
    ['values_count', countTest],
    ['is_empty', (wish) => (values) => values.every(isNothing) === wish],
    ['is_null', (wish) => (values) => values.includes(null) === wish],
  ];

const fieldTest = (condition: JsonRecord, key: string): Test => {
  const known = ['key', ...fieldKinds.map(([name]) => name)];
  const strange = Object.keys(condition).find(
    (name) => !known.includes(name) && condition[name] !== null,
  );
  if (strange !== undefined) throw unserved(strange);
  const tests = fieldKinds
    .filter(([name]) => !isNothing(condition[name]))
    .map(([name, read]) => read(condition[name]));
  if (tests.length === 0) throw conditionError();
  const path = pathOf(key);
  return ({ payload }) => {
    const values = valuesAt(payload, path);
    return tests.every((test) => test(values));
  };
};

/** Passes where one element of an array of objects passes the inner filter by itself. */
const nestedTest = (nested: unknown): Test => {
  const key = keyOf(nested);
  const { filter } = nested as JsonRecord;
  if (!isRecord(filter)) throw conditionError();
  const test = readFilter(filter);
  const path = pathOf(key.endsWith('[]') ? key.slice(0, -2) : key);
  return ({ id, payload, vectors }) =>
    valuesAt(payload, path).some(
      (value) => isRecord(value) && test({ id, payload: value, vectors }),
    );
};

const conditionTest = (condition: unknown): Test => {
  if (!isRecord(condition)) throw conditionError();
  if (typeof condition.key === 'string') return fieldTest(condition, condition.key);
  if (Array.isArray(condition.has_id)) {
    const wanted = new Set(condition.has_id.map(readPointId));
    return ({ id }) => wanted.has(id);
  }
  if ('is_empty' in condition) {
    const path = pathOf(keyOf(condition.is_empty));
    return ({ payload }) => valuesAt(payload, path).every(isNothing);
  }
  if ('is_null' in condition) {
    const path = pathOf(keyOf(condition.is_null));
    return ({ payload }) => valuesAt(payload, path).includes(null);
  }
  if (typeof condition.has_vector === 'string') {
    return ({ vectors }) => vectors.some(({ name }) => name === condition.has_vector);
  }
  if ('nested' in condition) return nestedTest(condition.nested);
  if (clauses.some((name) => name in condition)) return readFilter(condition);
  throw conditionError();
};

const clauses = ['should', 'min_should', 'must', 'must_not'];

const minShouldTest = (minShould: unknown): Test => {
  if (isNothing(minShould)) return () => true;
  if (!isRecord(minShould) || !Array.isArray(minShould.conditions)) throw conditionError();
  const { min_count } = minShould;
  if (!Number.isInteger(min_count) || (min_count as number) < 0)
    throw formatError(`invalid value: ${JSON.stringify(min_count)}, expected usize`);
  const tests = minShould.conditions.map(conditionTest);
  return (point) => tests.filter((test) => test(point)).length >= (min_count as number);
};

/**
 * The test a filter stands for: every `must`, one of `should` where there are any, no `must_not`.
 * No filter lets every point pass.
 */
export const readFilter = (filter: unknown): Test => {
  if (filter === undefined || filter === null) return () => true;
  if (!isRecord(filter)) throw conditionError();
  const strange = Object.keys(filter).find(
    (name) => !clauses.includes(name) && filter[name] !== null,
  );
  if (strange !== undefined) {
    throw formatError(
      `unknown field \`${strange}\`, expected one of \`should\`, \`min_should\`, \`must\`, \`must_not\``,
    );
  }
  const must = listOf(filter.must).map(conditionTest);
  const should = listOf(filter.should).map(conditionTest);
  const mustNot = listOf(filter.must_not).map(conditionTest);
  const minShould = minShouldTest(filter.min_should);
  return (point) =>
    must.every((test) => test(point)) &&
    (should.length === 0 || should.some((test) => test(point))) &&
    minShould(point) &&
    !mustNot.some((test) => test(point));
};
