import { isRecord } from './json.ts';

/** What strict mode and read costs ask of a filter. */
export type FilterFacts = {
  conditions: number;
  /** Values of the longest list in a condition. */
  largest: number;
  /** The payload fields it looks at, with the index types that would serve. */
  fields: { key: string; types: string[] }[];
};

const listOf = (value: unknown): unknown[] => {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
};

const typesOfValue = (value: unknown): string[] => {
  if (typeof value === 'boolean') return ['bool'];
  return typeof value === 'number' ? ['integer'] : ['keyword'];
};

const typesOf = ({ match, range }: Record<string, unknown>): string[] => {
  if (isRecord(match)) {
    if ('text' in match || 'text_any' in match || 'phrase' in match) return ['text'];
    if ('value' in match) return typesOfValue(match.value);
    return typesOfValue(listOf(match.any ?? match.except)[0]);
  }
  if (!isRecord(range)) return [];
  return Object.values(range).some((bound) => typeof bound === 'string')
    ? ['datetime']
    : ['float', 'integer'];
};

/** Of a filter that has been read, or undefined: conditions in conditions count each. */
export const filterFacts = (filter: unknown): FilterFacts => {
  const facts: FilterFacts = { conditions: 0, largest: 0, fields: [] };
  const walk = (node: unknown, prefix: string): void => {
    if (!isRecord(node)) return;
    const minShould = isRecord(node.min_should) ? node.min_should.conditions : undefined;
    for (const list of [node.must, node.should, node.must_not, minShould]) {
      for (const condition of listOf(list)) visit(condition, prefix);
    }
  };
  const visit = (condition: unknown, prefix: string): void => {
    if (!isRecord(condition)) return;
    if ('must' in condition || 'should' in condition || 'must_not' in condition) {
      walk(condition, prefix);
      return;
    }
    if (isRecord(condition.nested)) {
      walk(condition.nested.filter, `${prefix}${condition.nested.key}[].`);
      return;
    }
    facts.conditions++;
    const match = isRecord(condition.match) ? condition.match : {};
    const list = match.any ?? match.except ?? condition.has_id;
    facts.largest = Math.max(facts.largest, Array.isArray(list) ? list.length : 1);
    const types = typesOf(condition);
    if (typeof condition.key === 'string' && types.length > 0)
      facts.fields.push({ key: prefix + condition.key, types });
  };
  walk(filter, '');
  return facts;
};
