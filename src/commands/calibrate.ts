import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse } from 'yaml';
import {
  type Calibration,
  calibrate,
  type Finding,
  gradeOf,
} from '../analyze/calibrate/calibrate.ts';
import { type Checked, findingsOf } from '../analyze/calibrate/exec.ts';
import { readAnswers } from '../analyze/calibrate/headers.ts';
import { pointNames, readSamples, tokenNames } from '../analyze/calibrate/samples.ts';
import {
  type Found,
  fromHeaders,
  fromLatencies,
  type Unusable,
} from '../analyze/calibrate/sources.ts';
import { fileProblem } from '../file-problem.ts';
import { checkLab, readLabFile } from '../lab-file.ts';
import { completeLab, type Lab } from '../model/lab.ts';
import { labs } from '../model/labs.ts';
import { inColumns } from '../report/columns.ts';
import { writeAtomically } from '../results.ts';
import { UsageError } from '../usage-error.ts';
import { commentedYaml, measuredIn } from './calibrate-yaml.ts';
import { readSweep } from './report.ts';

export type CalibrateOptions = {
  headers?: string[];
  openaiLatencies?: string;
  qdrantLatencies?: string;
  exec?: string;
  column?: string;
  dropFrom?: string;
  model?: string;
  out?: string;
  force?: boolean;
};

/** A source's text, and how origins call it: never with its folders, which are nobody else's business. */
function readSource(option: string, path: string): { text: string; source: string } {
  try {
    if (path === '-') return { text: readFileSync(0, 'utf8'), source: `stdin of ${today()}` };
    const date = statSync(path).mtime.toISOString().slice(0, 10);
    return { text: readFileSync(path, 'utf8'), source: `${basename(path)} of ${date}` };
  } catch (error) {
    throw new UsageError(
      `${option}: cannot read ${path} (${fileProblem(error)}); give a file, or - for stdin`,
    );
  }
}

const today = () => new Date().toISOString().slice(0, 10);

/** Text of other people's files, fit for one line of a terminal or of a comment. */
const oneLine = (text: string): string => text.replace(/\p{Cc}+/gu, ' ');

/** What was found, or a UsageError that names the option and the file. */
function usable<T>(found: T | Unusable, option: string, path: string): T {
  if (found !== null && typeof found === 'object' && 'problem' in found)
    throw new UsageError(oneLine(`${option}: ${path === '-' ? 'stdin' : path}: ${found.problem}`));
  return found as T;
}

function milliseconds(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value))
    throw new UsageError(`${option}: must be milliseconds over 0, got "${text}"`);
  return value;
}

type Collected = { findings: Finding[]; notes: string[]; checked: Checked[] };

/** What all sources say: first exec, then headers and latencies, which say more about the services. */
function collect(lab: Lab, options: CalibrateOptions, sweepOf: () => ReturnType<typeof readSweep>) {
  const { headers = [], column, dropFrom, model } = options;
  const all: Collected = { findings: [], notes: [], checked: [] };
  const add = ({ findings, notes }: Found) => {
    all.findings.push(...findings);
    all.notes.push(...notes);
  };
  if (options.exec !== undefined) {
    const { sweep, path } = sweepOf();
    const date = sweep.provenance.startedAt?.slice(0, 10) ?? today();
    const found = usable(findingsOf(lab, sweep, `exec of ${date}`), '--exec', path);
    add(found);
    all.checked = found.checked;
  }
  if (headers.length > 0) {
    const texts = headers.map((path) => {
      const { text, source } = readSource('--headers', path);
      return { answers: usable(readAnswers(text), '--headers', path), source };
    });
    const answers = texts.flatMap((each) => each.answers);
    const source = texts.map((each) => each.source).join(' and ');
    add(usable(fromHeaders(answers, lab, model, source), '--headers', headers.join(' ')));
  }
  const dropFromMs = dropFrom === undefined ? undefined : milliseconds('--drop-from', dropFrom);
  for (const service of ['openai', 'qdrant'] as const) {
    const path = service === 'openai' ? options.openaiLatencies : options.qdrantLatencies;
    if (path === undefined) continue;
    const option = `--${service}-latencies`;
    const { text, source } = readSource(option, path);
    const sizeNames = service === 'openai' ? tokenNames : pointNames;
    const samples = usable(readSamples(text, { column, dropFromMs, sizeNames }), option, path);
    add(usable(fromLatencies(service, samples, lab, source), option, path));
  }
  return all;
}

const head = [
  'A lab by `kneepoint calibrate`. Beside each value stands where it comes from:',
  'measured (by you), documented (by the provider), assumed (measured by nobody), chosen (for the experiment).',
];

const commentOf =
  ({ origins }: Calibration) =>
  (field: string, description: string | undefined): string =>
    oneLine(origins.get(field) ?? `${gradeOf(origins, field)}; ${description ?? ''}`);

function summary(
  calibration: Calibration,
  { notes, checked }: Collected,
  out: string | undefined,
): string {
  const { changes, assumed } = calibration;
  const rows = changes.map(({ field, from, to, by }) => [field, from, to, by]);
  const lines = inColumns([['Field', 'Was', 'Is', 'By'], ...rows]);
  for (const { workers, measuredSeconds, simulatedSeconds } of checked) {
    const off = Math.round(100 * (simulatedSeconds / measuredSeconds - 1));
    const seconds = (value: number) => `${Number(value.toPrecision(3))} s`;
    lines.push(
      `Check at ${workers} worker${workers === 1 ? '' : 's'}: measured ${seconds(measuredSeconds)}, simulated ${seconds(simulatedSeconds)} (${off >= 0 ? '+' : ''}${off} %)`,
    );
  }
  if (notes.length > 0) lines.push(...notes.map((note) => `Note: ${note}`));
  lines.push(`Still assumed: ${assumed.length > 0 ? assumed.join(', ') : 'nothing'}`);
  if (out !== undefined) lines.push(`Next: kneepoint simulate ${out}`);
  return `${lines.map(oneLine).join('\n')}\n`;
}

/** The lab's name by its file's, where that makes a name. */
function nameFor(out: string | undefined): string {
  const name = basename(out ?? '')
    .replace(/\.(ya?ml|json)$/i, '')
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, 64);
  return name || 'calibrated';
}

/** What a built-in lab is there to show, nobody else's lab has to. */
function withoutBuiltInExpect(lab: Lab): Lab {
  const builtIn = JSON.stringify(labs[lab.name]?.expect);
  return JSON.stringify(lab.expect) === builtIn ? { ...lab, expect: {} } : lab;
}

/**
 * Fits a lab to what the user has: headers, latencies, an earlier `exec`. Without a LAB it starts from
 * that run's own, else from `linear`. Without `--out` the lab goes to stdout and the table to stderr.
 */
export function calibrateLab(given: string | undefined, options: CalibrateOptions): number {
  const { headers = [], openaiLatencies, qdrantLatencies, exec, out, force = false } = options;
  const files = [...headers, openaiLatencies, qdrantLatencies].filter((path) => path !== undefined);
  if (files.length === 0 && exec === undefined)
    throw new UsageError(
      'calibrate: give at least one of --headers, --openai-latencies, --qdrant-latencies, --exec',
    );
  if (options.model !== undefined && headers.length === 0)
    throw new UsageError('--model: chooses among --headers; give some, or leave it out');
  for (const [option, value] of Object.entries({
    '--column': options.column,
    '--drop-from': options.dropFrom,
  }))
    if (value !== undefined && openaiLatencies === undefined && qdrantLatencies === undefined)
      throw new UsageError(
        `${option}: is about latencies; give --openai-latencies or --qdrant-latencies, or leave it out`,
      );
  if (files.filter((path) => path === '-').length > 1)
    throw new UsageError('calibrate: stdin (-) can be only one of the files');
  if (out !== undefined && statSync(out, { throwIfNoEntry: false })?.isDirectory())
    throw new UsageError(`--out: ${out} is a folder; name a file in it: ${join(out, 'lab.yaml')}`);
  if (out !== undefined && existsSync(out) && !force)
    throw new UsageError(`--out: ${out} exists; add --force to replace it`);
  let read: ReturnType<typeof readSweep> | undefined;
  const sweepOf = () => {
    read ??= readSweep(exec!, '--exec');
    return read;
  };
  const name = given ?? 'linear';
  const fromRun = given === undefined && exec !== undefined;
  const base = withoutBuiltInExpect(
    fromRun ? sweepOf().sweep.lab : checkLab(readLabFile(name), name),
  );
  const kept =
    given !== undefined && existsSync(given) && /[./\\]/.test(given)
      ? measuredIn(readFileSync(given, 'utf8'))
      : new Map<string, string>();
  const collected = collect(base, options, sweepOf);
  const calibration = calibrate({ ...base, name: nameFor(out) }, collected.findings, kept);
  const yaml = commentedYaml(calibration.lab, head, commentOf(calibration));
  // What is written is read as `simulate` will read it, so that it can't fail there.
  const written = checkLab(parse(yaml), out ?? 'calibrate');
  if (JSON.stringify(written) !== JSON.stringify(completeLab(calibration.lab)))
    throw new Error('the lab as written is not the lab as calibrated');
  const text = summary(calibration, collected, out);
  if (out === undefined) {
    process.stderr.write(text);
    process.stdout.write(yaml);
  } else {
    writeAtomically(out, yaml);
    process.stdout.write(text);
  }
  return 0;
}
