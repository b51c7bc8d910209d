/** Rate-limit headers out of what tools leave behind: `curl -i`, `-D` and `-v`, HAR, JSON, or a table. */
import { jsonValues, tableOf } from './table.ts';

/** What one answer said. Names of headers are lower case. */
export type Answer = {
  headers: Record<string, string>;
  /** Of its header, its body, or the request. */
  model: string | undefined;
  /** When it was given, where that is told: any text that sorts by time. */
  at: string | undefined;
};

const modelIn = (text: string | undefined): string | undefined =>
  /"model"\s*:\s*"([^"]+)"/.exec(text ?? '')?.[1];

/** `text-embedding-ada-002` calls itself `text-embedding-ada-002-v2` in its answers. */
const plainModel = (name: string | undefined) => name?.replace(/-v2$/, '');

function answerOf(given: Record<string, string>, model?: string): Answer {
  const headers = Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name.toLowerCase(), value.trim()]),
  );
  const date = Date.parse(headers.date ?? '');
  return {
    headers,
    model: plainModel(headers['openai-model'] ?? model),
    at: Number.isNaN(date) ? undefined : new Date(date).toISOString(),
  };
}

/** A dump of curl: a status line begins an answer, an empty one ends its headers, and its body may follow. */
function fromDump(text: string): Answer[] {
  const answers: { headers: Record<string, string>; body: string }[] = [];
  let inHeaders = false;
  for (const raw of text.split(/\r?\n/)) {
    // `curl -v` marks what came with `<` and what was sent with `>`.
    const line = raw.replace(/^< ?/, '');
    if (/^HTTP\/[\d.]+ \d{3}/.test(line)) {
      answers.push({ headers: {}, body: '' });
      inHeaders = true;
      continue;
    }
    const current = answers.at(-1);
    const header = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line);
    if (!current) {
      // A paste without its status line is one answer.
      if (header) {
        answers.push({ headers: { [header[1]!]: header[2]! }, body: '' });
        inHeaders = true;
      }
    } else if (inHeaders && line.trim() === '') inHeaders = false;
    else if (inHeaders && header) current.headers[header[1]!] = header[2]!;
    else if (!inHeaders) current.body += `${line}\n`;
  }
  return answers.map(({ headers, body }) => answerOf(headers, modelIn(body)));
}

/** What stands at a path of a document that anybody may have written. */
const at = (node: unknown, ...path: string[]): unknown =>
  path.reduce<unknown>(
    (value, name) =>
      value !== null && typeof value === 'object'
        ? (value as Record<string, unknown>)[name]
        : undefined,
    node,
  );
const textAt = (node: unknown, ...path: string[]): string | undefined => {
  const value = at(node, ...path);
  return typeof value === 'string' ? value : undefined;
};

const fromHar = (entries: unknown[]): Answer[] =>
  entries.map((entry) => {
    const headers = at(entry, 'response', 'headers');
    const pairs = (Array.isArray(headers) ? headers : []).map((header) => [
      String(at(header, 'name')),
      String(at(header, 'value')),
    ]);
    const model =
      modelIn(textAt(entry, 'request', 'postData', 'text')) ??
      modelIn(textAt(entry, 'response', 'content', 'text'));
    const answer = answerOf(Object.fromEntries(pairs), model);
    return { ...answer, at: textAt(entry, 'startedDateTime') ?? answer.at };
  });

/** A header object as clients log it: flat, or under `headers`; values may be lists. */
function fromObject(value: unknown): Answer | undefined {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
  const outer = value as Record<string, unknown>;
  const inner = outer.headers ?? outer;
  if (inner === null || typeof inner !== 'object') return undefined;
  const texts = Object.entries(inner)
    .filter(([, part]) => part !== null && (typeof part !== 'object' || Array.isArray(part)))
    .map(([name, part]) => [name, String(Array.isArray(part) ? part[0] : part)]);
  return answerOf(
    Object.fromEntries(texts),
    typeof outer.model === 'string' ? outer.model : undefined,
  );
}

/** A table of recorded headers: columns as the headers are called, without `x-ratelimit-`. */
function fromTable(text: string): Answer[] | { problem: string } {
  const table = tableOf(text);
  if ('problem' in table) return table;
  return table.rows.map((row) => {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(row)) {
      const plain = name.toLowerCase().replaceAll('_', '-');
      const known = /^(limit|remaining|reset)-/.test(plain) ? `x-ratelimit-${plain}` : plain;
      if (value !== '') headers[known] = value;
    }
    const answer = answerOf(headers, row.model);
    return { ...answer, at: row.recorded_on ?? row.date ?? answer.at };
  });
}

/** All answers in a text, whichever form it has. Those without rate-limit headers are among them. */
export function readAnswers(text: string): Answer[] | { problem: string } {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  if (trimmed === '') return { problem: 'is empty' };
  if (/^[[{]/.test(trimmed)) {
    const values = jsonValues(trimmed);
    if (!Array.isArray(values)) return values;
    const entries = at(values[0], 'log', 'entries');
    if (Array.isArray(entries)) return fromHar(entries);
    return values.map(fromObject).filter((answer) => answer !== undefined);
  }
  const isDump = /^(< )?HTTP\/[\d.]+ \d{3}/m.test(trimmed) || /^(< )?x-ratelimit-/im.test(trimmed);
  return isDump ? fromDump(trimmed) : fromTable(trimmed);
}
