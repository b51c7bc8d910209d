import { type Document, isMap, isScalar, parseDocument, type YAMLMap } from 'yaml';
import { withoutFilledIn } from './analyze/calibrate/calibrate.ts';
import { completeLab } from './model/lab.ts';
import { type LabFile, labSchema } from './model/lab-schema.ts';

type Node = {
  description?: string;
  enum?: readonly string[];
  properties?: Record<string, Node>;
};

/**
 * A lab as YAML with what each key means beside it, to be copied and changed. What its tier and its plan
 * fill in is left to them, so that changing the tier changes the limits.
 */
export function labYaml(file: LabFile): string {
  const document: Document = parseDocument('{}');
  document.contents = document.createNode(withoutFilledIn(completeLab(file))) as never;
  comment(document.contents as unknown as YAMLMap, labSchema as unknown as Node);
  document.commentBefore = ` ${labSchema.description}\n Every key may be left out: the values shown are then the defaults of this lab.`;
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

function comment(map: YAMLMap, schema: Node): void {
  for (const pair of map.items) {
    const name = isScalar(pair.key) ? String(pair.key.value) : '';
    const child = schema.properties?.[name];
    if (!child) continue;
    if (isMap(pair.value)) {
      if (isScalar(pair.key)) pair.key.commentBefore = ` ${child.description ?? ''}`;
      if (pair.value.items.length === 0) pair.value.flow = true;
      else comment(pair.value, child);
    } else if (isScalar(pair.value)) {
      const options = child.enum ? ` (${child.enum.join(' | ')})` : '';
      pair.value.comment = ` ${child.description ?? ''}${options}`;
    }
  }
}
