/** The tests a filter puts to single values of a payload. */
import { formatError, unserved } from './answers.ts';
import { isRecord, type JsonRecord } from './json.ts';

export type ValueTest = (value: unknown) => boolean;

export const conditionError = () =>
  formatError(
    'Expected some form of condition, which can be a field condition (like {"key": ..., "match": ... }), ' +
      'or some other mentioned in the documentation: ' +
      'https://qdrant.tech/documentation/concepts/filtering/#filtering-conditions',
  );

/** Lower-case words, as the server's default tokenizer has them. */
const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

const textTest = (text: unknown, enough: (found: boolean[]) => boolean): ValueTest => {
  if (typeof text !== 'string') throw conditionError();
  const words = wordsOf(text);
  return (value) => {
    if (typeof value !== 'string') return false;
    const held = new Set(wordsOf(value));
    return enough(words.map((word) => held.has(word)));
  };
};

export const matchTest = (match: unknown): ValueTest => {
  if (!isRecord(match)) throw conditionError();
  if ('value' in match) return (value) => value === match.value;
  if (Array.isArray(match.any)) {
    const wanted = new Set<unknown>(match.any);
    return (value) => wanted.has(value);
  }
  if (Array.isArray(match.except)) {
    const unwanted = new Set<unknown>(match.except);
    return (value) => !unwanted.has(value);
  }
  if ('text' in match)
    return textTest(match.text, (found) => found.length > 0 && found.every(Boolean));
  if ('text_any' in match) return textTest(match.text_any, (found) => found.some(Boolean));
  throw unserved(`match.${Object.keys(match)[0] ?? ''}`);
};

const numberIn = (value: unknown): number => (typeof value === 'number' ? value : Number.NaN);
const timeIn = (value: unknown): number =>
  typeof value === 'string' ? Date.parse(value) : Number.NaN;

const boundNames = ['gt', 'gte', 'lt', 'lte'];

/** A range over numbers, or over instants where its bounds are dates. */
export const rangeTest = (range: unknown): ValueTest => {
  if (!isRecord(range)) throw conditionError();
  const strange = Object.keys(range).find((name) => !boundNames.includes(name));
  if (strange !== undefined) throw conditionError();
  const given = boundNames.filter((name) => range[name] !== undefined && range[name] !== null);
  const isDates = given.some((name) => typeof range[name] === 'string');
  const read = isDates ? timeIn : numberIn;
  if (given.some((name) => Number.isNaN(read(range[name])))) throw conditionError();
  const bound = (name: string, otherwise: number) =>
    given.includes(name) ? read(range[name]) : otherwise;
  const above = bound('gt', -Infinity);
  const from = bound('gte', -Infinity);
  const below = bound('lt', Infinity);
  const to = bound('lte', Infinity);
  return (value) => {
    const it = read(value);
    return it > above && it >= from && it < below && it <= to;
  };
};

/** How many values a field holds: an array counts by element. */
export const countTest = (wanted: unknown): ((values: readonly unknown[]) => boolean) => {
  const test = rangeTest(wanted);
  return (values) => test(values.length);
};

export const isNothing = (value: unknown): boolean => value === null || value === undefined;

/** A payload path as a condition's `{"key": "a.b"}` gives it. */
export const keyOf = (value: unknown): string => {
  if (!isRecord(value) || typeof (value as JsonRecord).key !== 'string') throw conditionError();
  return value.key as string;
};
