import type { Lab } from '../../model/lab.ts';

/** A field that two labs have differently, as JSON text; `not set` where a lab is silent. */
export type LabDifference = { field: string; a: string; b: string };

const text = (value: unknown): string => (value === undefined ? 'not set' : JSON.stringify(value));

const isSection = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

function differencesIn(a: unknown, b: unknown, field: string): LabDifference[] {
  if (isSection(a) && isSection(b))
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
      differencesIn(a[key], b[key], field ? `${field}.${key}` : key),
    );
  return text(a) === text(b) ? [] : [{ field, a: text(a), b: text(b) }];
}

/** What differs between two completed labs, field by field in the order of the file; `except` names top-level keys left out. */
export function labDifferences(a: Lab, b: Lab, except: (keyof Lab)[] = []): LabDifference[] {
  const left = new Set<string>(except);
  return differencesIn(a, b, '').filter(({ field }) => !left.has(field.split('.')[0]!));
}
