/** Tables as users have them: CSV (comma, semicolon or tab), JSON, JSON lines, or one number a line. */

export type Row = Record<string, string>;

/** Rows by column name as it is written, and the names in their order; or why the text is no table. */
export type Table = { columns: string[]; rows: Row[] } | { problem: string };

/** The column of numbers that stand alone. */
export const onlyColumn = 'value';

function cellsOf(line: string, separator: string): string[] {
  const cells: string[] = [];
  let [cell, quoted] = ['', false];
  for (let at = 0; at < line.length; at++) {
    const letter = line[at]!;
    if (letter === '"') {
      // A doubled quote within quotes is one quote (RFC 4180).
      if (quoted && line[at + 1] === '"') {
        cell += '"';
        at++;
      } else quoted = !quoted;
    } else if (letter === separator && !quoted) {
      cells.push(cell.trim());
      cell = '';
    } else cell += letter;
  }
  return [...cells, cell.trim()];
}

const isNumber = (text: string) => text !== '' && Number.isFinite(Number(text));

function csvTable(lines: string[]): Table {
  const separator = ['\t', ';', ','].find((each) => lines[0]!.includes(each)) ?? ',';
  const head = cellsOf(lines[0]!, separator);
  if (head.length === 1 && isNumber(head[0]!))
    return { columns: [onlyColumn], rows: lines.map((line) => ({ [onlyColumn]: line.trim() })) };
  if (head.every(isNumber))
    return { problem: 'the first line names no columns; put a line like latency_ms,tokens before' };
  const rows = lines.slice(1).map((line) => cellsOf(line, separator));
  const short = rows.findIndex((row) => row.length !== head.length);
  if (short >= 0)
    return {
      problem: `line ${short + 2} has ${rows[short]!.length} columns, the first line ${head.length}`,
    };
  return {
    columns: head,
    rows: rows.map((row) => Object.fromEntries(head.map((name, at) => [name, row[at]!]))),
  };
}

function valueRow(value: unknown): Row | undefined {
  if (typeof value === 'number') return { [onlyColumn]: String(value) };
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
  const flat = Object.entries(value).filter(
    ([, part]) => part === null || typeof part !== 'object',
  );
  return Object.fromEntries(flat.map(([name, part]) => [name, part === null ? '' : String(part)]));
}

function fromValues(values: unknown[]): Table {
  const rows: Row[] = [];
  for (const [at, value] of values.entries()) {
    const row = valueRow(value);
    if (!row) return { problem: `entry ${at + 1} is neither a number nor an object` };
    rows.push(row);
  }
  return { columns: [...new Set(rows.flatMap((row) => Object.keys(row)))], rows };
}

/** The values of a JSON document or of JSON lines; or why there are none. */
export function jsonValues(text: string): unknown[] | { problem: string } {
  try {
    const whole: unknown = JSON.parse(text);
    return Array.isArray(whole) ? whole : [whole];
  } catch {
    const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
    const values: unknown[] = [];
    for (const [at, line] of lines.entries())
      try {
        values.push(JSON.parse(line));
      } catch {
        return { problem: `line ${at + 1} is not JSON` };
      }
    return values;
  }
}

/** Reads a table, whichever of the forms it has. */
export function tableOf(text: string): Table {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  if (trimmed === '') return { problem: 'is empty' };
  if (/^[[{]/.test(trimmed)) {
    const values = jsonValues(trimmed);
    return Array.isArray(values) ? fromValues(values) : values;
  }
  return csvTable(trimmed.split(/\r?\n/).filter((line) => line.trim() !== ''));
}
