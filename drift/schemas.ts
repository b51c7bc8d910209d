import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Ajv, type AnySchema, type ValidateFunction } from 'ajv';
import { createGenerator } from 'ts-json-schema-generator';

/** What a Qdrant answer's `result` is declared as, by the names that `calls.ts` uses. */
const qdrantShapes: Record<string, string> = {
  Version: 'QVersionInfo',
  Collections: 'QCollectionsResponse',
  Collection: 'QCollectionInfo',
  Exists: 'QCollectionExistence',
  Update: 'QUpdateResult',
  Updates: 'QUpdateResult[]',
  Records: 'QRecord[]',
  Scroll: 'QScrollResult',
  Count: 'QCountResult',
  Query: 'QQueryResponse',
  Aliases: 'QCollectionsAliasesResponse',
  ClusterInfo: 'QCollectionClusterInfo',
  Telemetry: 'QTelemetryData',
  Yes: 'boolean',
};

/**
 * The declarations of Qdrant's client, each as a type of its own. As they come they are members of one
 * interface that also holds `responses: never`, for which the generator calls all of them impossible.
 */
function qdrantModule(): string {
  const main = createRequire(import.meta.url).resolve('@qdrant/js-client-rest');
  const declared = join(dirname(main), '../types/openapi/generated_schema.d.ts');
  const text = readFileSync(declared, 'utf8').replace(/components\["schemas"\]\["(\w+)"\]/g, 'Q$1');
  const members = text.slice(
    text.indexOf('    schemas: {\n'),
    text.indexOf('\n    responses: never;'),
  );
  const types = members
    .slice(0, members.lastIndexOf('};'))
    .replace(/^ {8}(\w+): /gm, 'type Q$1 = ');
  const shapes = Object.entries(qdrantShapes).map(
    ([name, type]) => `export type The${name} = ${type};`,
  );
  const helpers = text.slice(0, text.indexOf('export interface paths'));
  return `${helpers}\n${types.replace('    schemas: {\n', '')}\n${shapes.join('\n')}\n`;
}

const generatorOf = (path: string) =>
  createGenerator({
    path,
    tsconfig: new URL('../tsconfig.json', import.meta.url).pathname,
    type: '*',
    skipTypeCheck: true,
    additionalProperties: false,
  });

/** Checks of answers by shape, made from the declarations of the installed clients. */
export function clientShapes(): (shape: string) => ValidateFunction {
  const folder = mkdtempSync(join(tmpdir(), 'kneepoint-drift-'));
  try {
    const path = join(folder, 'qdrant.ts');
    writeFileSync(path, qdrantModule());
    const qdrant = generatorOf(path);
    const openai = generatorOf(new URL('shapes.ts', import.meta.url).pathname);
    const ajv = new Ajv({ allErrors: true, strict: false });
    return (shape) =>
      ajv.compile(
        (shape in qdrantShapes ? qdrant : openai).createSchema(`The${shape}`) as AnySchema,
      );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What is wrong, by field. */
export const problemsIn = (check: ValidateFunction, value: unknown): string[] => {
  if (check(value)) return [];
  return check.errors!.map(({ instancePath, message, params }) => {
    const field = instancePath.slice(1).replaceAll('/', '.') || 'the body';
    const extra = 'additionalProperty' in params ? ` (${params.additionalProperty})` : '';
    return `${field}: ${message}${extra}`;
  });
};
