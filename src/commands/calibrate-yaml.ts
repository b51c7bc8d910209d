/** Labs as YAML in which each value says beside it where it comes from. */
import { type Document, isMap, isScalar, parseDocument, type YAMLMap } from 'yaml';
import { type LabFile, labSchema } from '../model/lab-schema.ts';

type Node = { description?: string; properties?: Record<string, Node> };

/** Sections that are long enough to stand on lines of their own. */
const isSection = (field: string) => !field.includes('.');

function annotate(
  map: YAMLMap,
  path: string,
  schema: Node | undefined,
  commentOf: (field: string, description: string | undefined) => string | undefined,
): void {
  for (const pair of map.items) {
    if (!isScalar(pair.key)) continue;
    const field = path + String(pair.key.value);
    const child = schema?.properties?.[String(pair.key.value)];
    if (isMap(pair.value) && pair.value.items.length > 0 && isSection(field)) {
      pair.key.commentBefore = ` ${child?.description ?? ''}`;
      annotate(pair.value, `${field}.`, child, commentOf);
      continue;
    }
    if (isMap(pair.value)) pair.value.flow = true;
    const comment = commentOf(field, child?.description);
    const value = pair.value as { comment?: string; flow?: boolean } | null;
    if (comment !== undefined && value) value.comment = ` ${comment}`;
    if (value && 'items' in value) value.flow = true;
  }
}

/** A lab file with a head of its own and a comment beside each value. Lines of `head` become comments. */
export function commentedYaml(
  lab: LabFile,
  head: string[],
  commentOf: (field: string, description: string | undefined) => string | undefined,
): string {
  const document: Document = parseDocument('{}');
  document.contents = document.createNode(lab) as never;
  annotate(document.contents as unknown as YAMLMap, '', labSchema as unknown as Node, commentOf);
  document.commentBefore = head.map((line) => ` ${line}`).join('\n');
  const text = document.toString({ lineWidth: 0, flowCollectionPadding: true, singleQuote: true });
  return text.replace(/^workers: \[ (.*) \]/m, 'workers: [$1]');
}

/** Comments that say of a value that it was measured, by field: what an earlier calibration wrote. */
export function measuredIn(text: string): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (map: YAMLMap, path: string) => {
    for (const pair of map.items) {
      if (!isScalar(pair.key)) continue;
      const field = path + String(pair.key.value);
      const { comment } = (pair.value ?? {}) as { comment?: string | null };
      const origin = comment?.trim();
      if (origin?.startsWith('measured: ')) found.set(field, origin);
      else if (isMap(pair.value)) walk(pair.value, `${field}.`);
    }
  };
  const { contents } = parseDocument(text);
  if (isMap(contents)) walk(contents, '');
  return found;
}
