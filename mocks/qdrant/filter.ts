import { formatError, unserved } from './answers.ts';
import { type PointId, readPointId } from './ids.ts';
import { isRecord, type JsonRecord } from './json.ts';

/** Whether a point passes a filter. */
export type Test = (point: { id: PointId; payload: JsonRecord }) => boolean;

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

const conditionError = () =>
  formatError(
    'Expected some form of condition, which can be a field condition (like {"key": ..., "match": ... }), ' +
      'or some other mentioned in the documentation: ' +
      'https://qdrant.tech/documentation/concepts/filtering/#filtering-conditions',
  );

const matchTest = (match: unknown): ((value: unknown) => boolean) => {
  if (!isRecord(match)) throw conditionError();
  if ('value' in match) return (value) => value === match.value;
  if (Array.isArray(match.any)) {
    const wanted = new Set<unknown>(match.any);
    return (value) => wanted.has(value);
  }
  throw unserved(`match.${Object.keys(match)[0] ?? ''}`);
};

const bound = (range: JsonRecord, name: string): number | undefined => {
  const value = range[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number') throw unserved('range over dates');
  return value;
};

const rangeTest = (range: unknown): ((value: unknown) => boolean) => {
  if (!isRecord(range)) throw conditionError();
  const above = bound(range, 'gt') ?? Number.NEGATIVE_INFINITY;
  const from = bound(range, 'gte') ?? Number.NEGATIVE_INFINITY;
  const below = bound(range, 'lt') ?? Number.POSITIVE_INFINITY;
  const to = bound(range, 'lte') ?? Number.POSITIVE_INFINITY;
  return (value) =>
    typeof value === 'number' && value > above && value >= from && value < below && value <= to;
};

const fieldTest = (condition: JsonRecord, key: string): Test => {
  const tests = [
    ...(condition.match ? [matchTest(condition.match)] : []),
    ...(condition.range ? [rangeTest(condition.range)] : []),
  ];
  const strange = Object.keys(condition).find(
    (name) => !['key', 'match', 'range'].includes(name) && condition[name] !== null,
  );
  if (strange !== undefined) throw unserved(strange);
  if (tests.length === 0) throw conditionError();
  const path = pathOf(key);
  return ({ payload }) => {
    const values = valuesAt(payload, path);
    return tests.every((test) => values.some(test));
  };
};

const conditionTest = (condition: unknown): Test => {
  if (!isRecord(condition)) throw conditionError();
  if (typeof condition.key === 'string') return fieldTest(condition, condition.key);
  if (Array.isArray(condition.has_id)) {
    const wanted = new Set(condition.has_id.map(readPointId));
    return ({ id }) => wanted.has(id);
  }
  if ('must' in condition || 'should' in condition || 'must_not' in condition) {
    return readFilter(condition);
  }
  const kind = ['is_empty', 'is_null', 'has_vector', 'nested', 'min_should'].find(
    (name) => name in condition,
  );
  throw kind === undefined ? conditionError() : unserved(kind);
};

/**
 * The test a filter stands for: every `must`, one of `should` where there are any, no `must_not`.
 * No filter lets every point pass.
 */
export const readFilter = (filter: unknown): Test => {
  if (filter === undefined || filter === null) return () => true;
  if (!isRecord(filter)) throw conditionError();
  const strange = Object.keys(filter).find(
    (name) => !['must', 'should', 'must_not'].includes(name) && filter[name] !== null,
  );
  if (strange === 'min_should') throw unserved(strange);
  if (strange !== undefined) {
    throw formatError(
      `unknown field \`${strange}\`, expected one of \`should\`, \`min_should\`, \`must\`, \`must_not\``,
    );
  }
  const must = listOf(filter.must).map(conditionTest);
  const should = listOf(filter.should).map(conditionTest);
  const mustNot = listOf(filter.must_not).map(conditionTest);
  return (point) =>
    must.every((test) => test(point)) &&
    (should.length === 0 || should.some((test) => test(point))) &&
    !mustNot.some((test) => test(point));
};
