/** Where two answers differ in shape, or one differs from the shape that a client declares: by field. */

const kindOf = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;

/** The fields of a JSON value with the kinds that they hold; elements of an array count as one field. */
export function fieldsOf(value: unknown, path = ''): Map<string, Set<string>> {
  const fields = new Map<string, Set<string>>();
  const visit = (node: unknown, at: string): void => {
    const kinds = fields.get(at) ?? new Set();
    fields.set(at, kinds.add(kindOf(node)));
    if (Array.isArray(node)) for (const item of node) visit(item, `${at}[]`);
    else if (node !== null && typeof node === 'object')
      for (const [name, child] of Object.entries(node)) visit(child, at ? `${at}.${name}` : name);
  };
  visit(value, path);
  return fields;
}

/** One line for each field that only one side has, or whose kind differs. */
export function differences(mock: unknown, real: unknown): string[] {
  const [ours, theirs] = [fieldsOf(mock), fieldsOf(real)];
  const lines: string[] = [];
  for (const [field, kinds] of theirs) {
    const own = ours.get(field);
    const name = field || 'the body';
    if (!own) lines.push(`${name}: the mock has none (${[...kinds].join('|')})`);
    else if ([...kinds].sort().join() !== [...own].sort().join())
      lines.push(`${name}: ${[...own].join('|')} instead of ${[...kinds].join('|')}`);
  }
  for (const field of ours.keys())
    if (!theirs.has(field)) lines.push(`${field || 'the body'}: only the mock has it`);
  return lines;
}
