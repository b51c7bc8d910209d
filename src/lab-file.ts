import { readFileSync } from 'node:fs';
import { Ajv, type ErrorObject } from 'ajv';
import leven from 'leven';
import { parse } from 'yaml';
import { fileProblem } from './file-problem.ts';
import { completeLab, type Lab, labProblem } from './model/lab.ts';
import { type LabFile, labSchema } from './model/lab-schema.ts';
import { labFiles } from './model/labs.ts';
import { UsageError } from './usage-error.ts';

const validate = new Ajv({ allErrors: true, strict: false }).compile(labSchema);

const nearest = (word: string, known: string[]): string | undefined =>
  known
    .map((name) => ({ name, distance: leven(word, name) }))
    .sort((a, b) => a.distance - b.distance)
    .filter(({ name, distance }) => distance <= Math.max(2, name.length / 2))[0]?.name;

/** The field as users write it: `openai.limits.tpm`. */
const fieldOf = (pointer: string): string => pointer.slice(1).replaceAll('/', '.');

/** The names an object of the schema knows, by the path of the error. */
function knownKeys(pointer: string): string[] {
  let node: { properties?: Record<string, never> } = labSchema as never;
  for (const part of pointer.split('/').slice(1)) node = node.properties?.[part] ?? {};
  return Object.keys(node.properties ?? {});
}

/** A value as text of one line, shortened; JSON alone would call what is not finite `null`. */
function textOf(value: unknown): string {
  const text =
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : JSON.stringify(value);
  return text !== undefined && text.length > 80 ? `${text.slice(0, 79)}…` : String(text);
}

function explain(error: ErrorObject, value: unknown): string {
  const field = fieldOf(error.instancePath) || 'the lab';
  const got = textOf(value);
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(error.params.additionalProperty);
      const path = [...error.instancePath.split('/').slice(1), key].join('.');
      const near = nearest(key, knownKeys(error.instancePath));
      return `${path}: unknown key${near ? `; did you mean ${near}?` : `; known are ${knownKeys(error.instancePath).join(', ')}`}`;
    }
    case 'enum': {
      const options = error.params.allowedValues as string[];
      const near = typeof value === 'string' ? nearest(value, options) : undefined;
      return `${field}: ${got} is not one of ${options.join(', ')}${near ? `; did you mean ${near}?` : ''}`;
    }
    case 'required':
      return `${field}: ${error.params.missingProperty} is missing`;
    default:
      return `${field}: ${error.message}, got ${got}`;
  }
}

const valueAt = (root: unknown, pointer: string): unknown =>
  pointer
    .split('/')
    .slice(1)
    .reduce<unknown>((node, part) => (node as Record<string, unknown> | undefined)?.[part], root);

/** Checks and completes a lab. Throws a UsageError of one line that names the field and the fix. */
export function checkLab(given: unknown, origin: string): Lab {
  if (given === null || typeof given !== 'object' || Array.isArray(given))
    throw new UsageError(`${origin}: a lab is a mapping of keys, see \`kneepoint labs linear\``);
  if (!validate(given)) {
    // An anyOf reports each branch; the deepest error is the one that the user meant.
    const errors = validate.errors!.filter(({ keyword }) => keyword !== 'anyOf');
    const error = errors.sort((a, b) => b.instancePath.length - a.instancePath.length)[0]!;
    throw new UsageError(`${origin}: ${explain(error, valueAt(given, error.instancePath))}`);
  }
  const lab = completeLab(given as LabFile);
  const problem = labProblem(lab);
  if (problem) throw new UsageError(`${origin}: ${problem}`);
  return lab;
}

/** A lab as its author wrote it: a built-in name, or the path of a YAML or JSON file. */
export function readLabFile(nameOrPath: string): unknown {
  const builtIn = Object.hasOwn(labFiles, nameOrPath) ? labFiles[nameOrPath] : undefined;
  if (builtIn) return builtIn;
  if (!/[./\\]/.test(nameOrPath)) {
    const near = nearest(nameOrPath, Object.keys(labFiles));
    throw new UsageError(
      `LAB: no built-in lab "${nameOrPath}"${near ? `; did you mean ${near}?` : ''} (built-in: ${Object.keys(labFiles).join(', ')}; or give a file)`,
    );
  }
  let text: string;
  try {
    text = readFileSync(nameOrPath, 'utf8');
  } catch (error) {
    throw new UsageError(
      `LAB: cannot read ${nameOrPath} (${fileProblem(error)}); give a built-in name or a YAML or JSON file`,
    );
  }
  try {
    const value: unknown = parse(text, { logLevel: 'error' });
    // What contains itself is no lab, and nothing that reads one expects it.
    JSON.stringify(value);
    return value;
  } catch (error) {
    throw new UsageError(`${nameOrPath}: ${yamlProblem(error as Error)}`);
  }
}

/** Why a text can't be read, in one line. */
function yamlProblem(error: Error): string {
  if (/circular/.test(error.message))
    return 'an anchor contains itself; write its values out instead of *alias';
  const { code, message } = error as Error & { code?: string };
  if (code === 'MULTIPLE_DOCS') return 'holds several YAML documents; keep one and drop the ---';
  return message.split('\n')[0]!.replace(/:$/, '');
}
