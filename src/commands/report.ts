import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { Ajv, type ErrorObject } from 'ajv';
import { fileProblem } from '../file-problem.ts';
import { checkLab } from '../lab-file.ts';
import type { Sweep } from '../model/sweep.ts';
import { packageRoot } from '../package-root.ts';
import { renderHtml } from '../report/html.ts';
import { writeAtomically } from '../results.ts';
import { UsageError } from '../usage-error.ts';
import { exitCodeOf, show } from './simulate.ts';

export type ReportOptions = { json?: boolean };

const sweepName = 'sweep.json';
const format = 'kneepoint.sweep/1';

const where = ({ instancePath, message, params, keyword }: ErrorObject): string => {
  const field = instancePath.slice(1).replaceAll('/', '.') || 'the document';
  const more = keyword === 'additionalProperties' ? ` (${params.additionalProperty})` : '';
  if (keyword === 'minItems') return `${field} has fewer than ${params.limit}`;
  return `${field} ${message}${more}`;
};

/**
 * A sweep that a run left behind: its folder, or the file itself. Throws a UsageError of one line where
 * it is damaged, foreign, or of a lab that this version doesn't know.
 */
export function readSweep(given: string, option: string): { sweep: Sweep; path: string } {
  const fail = (path: string, problem: string) => new UsageError(`${option}: ${path} ${problem}`);
  let path = given;
  let text: string;
  try {
    if (statSync(given).isDirectory()) path = join(given, sweepName);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(
      `${option}: cannot read ${path} (${fileProblem(error)}); give the folder of a run, such as results/<time>-<lab>`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fail(path, 'is not whole JSON: damaged, or still being written; run the lab again');
  }
  const { schema } = (value ?? {}) as { schema?: unknown };
  if (schema !== format)
    throw fail(
      path,
      Array.isArray(value)
        ? 'holds several runs; give the folder of one'
        : `is not a ${format}${typeof schema === 'string' ? ` but ${JSON.stringify(schema.slice(0, 40))}` : ''}; give the folder of a kneepoint run`,
    );
  // Compiled only here: few commands read a sweep.
  const published = readFileSync(join(packageRoot, 'schema/sweep.schema.json'), 'utf8');
  const validate = new Ajv({ strict: false, allowUnionTypes: true }).compile(JSON.parse(published));
  if (!validate(value))
    throw fail(path, `is damaged: ${where(validate.errors![0]!)}; run the lab again`);
  const sweep = value as Sweep;
  // Fields that later versions added get their defaults, so that old results can be read.
  return { sweep: { ...sweep, lab: checkLab(sweep.lab, `${option}: ${path}: lab`) }, path };
}

/** Shows a finished run again and writes its page anew. Exits as the run did. */
export function report(given: string, { json = false }: ReportOptions): number {
  const { sweep, path } = readSweep(given, 'report');
  const page = join(
    dirname(path),
    basename(path) === sweepName ? 'report.html' : `${basename(path).replace(/\.json$/, '')}.html`,
  );
  try {
    writeAtomically(page, renderHtml(sweep));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(
      `report: cannot write ${page}; copy the run to a folder that you may write to`,
    );
  }
  show([sweep], json);
  process.stderr.write(`kneepoint: report: ${relative(process.cwd(), page)}\n`);
  return exitCodeOf([sweep]);
}
