/** `check`: whether a run is what its lab expects, and no worse than its baseline. */
import { appendFileSync, existsSync, statSync } from 'node:fs';
import { isAbsolute, join, relative, resolve } from 'node:path';
import {
  baselineProblem,
  compareWithBaseline,
  unfitForBaseline,
} from '../analyze/check/baseline.ts';
import { type LabCheck, labCheck, runsOf } from '../analyze/check/checks.ts';
import {
  checkExpectations,
  expectationsProblem,
  expectsNothing,
} from '../analyze/check/expectations.ts';
import { labDifferences } from '../analyze/check/lab-differences.ts';
import { simulateRepeats } from '../analyze/repeats.ts';
import { fileProblem } from '../file-problem.ts';
import type { Lab } from '../model/lab.ts';
import type { Sweep } from '../model/sweep.ts';
import { provenanceOf } from '../provenance.ts';
import { renderAnnotations } from '../report/annotations.ts';
import { renderChecks } from '../report/check-table.ts';
import { renderJunit } from '../report/junit.ts';
import { renderCheckMarkdown } from '../report/markdown.ts';
import { resultsFolder, writeAtomically, writeResults } from '../results.ts';
import { UsageError } from '../usage-error.ts';
import { type LabOptions, labsFrom } from './lab-options.ts';
import { repeatsFrom } from './repeats-option.ts';
import { readSweep } from './report.ts';
import { colour, invalid } from './simulate.ts';
import { interrupted, untilStopped } from './until-stopped.ts';

export type CheckOptions = LabOptions & {
  /** k6 where it was not given. */
  engine?: string;
  json?: boolean;
  out?: string;
  sweep?: string;
  baseline?: string;
  updateBaseline?: boolean;
  junit?: string;
  repeats?: string;
};

/** Exit codes of design and documentation. */
const failed = 1;

/** Repeats that a time of a real run can be judged by (what they find is in docs/ci.md); a simulated one repeats itself. */
const usualRepeats = { k6: 3, simulate: 1 };

/** A lab with what it is held against. */
type Asked = {
  lab: Lab;
  engine: Sweep['engine'];
  baselinePath?: string;
  /** Absent where the baseline is to be written. */
  baseline?: Sweep;
};

const say = (line: string) => process.stderr.write(`kneepoint: ${line}\n`);

/** Options that change a run, none of which a finished run listens to. */
const runOptions = {
  engine: '--engine',
  repeats: '--repeats',
  out: '--out',
  workers: '--workers',
  records: '--records',
  tier: '--tier',
  plan: '--plan',
  memoryGb: '--memory-gb',
  speed: '--speed',
  seed: '--seed',
} as const;

/** The finished run of `--sweep`. A LAB beside it says what is expected now, and must else be the lab that was run. */
function finishedRun(names: string[], options: CheckOptions): { sweep: Sweep; lab: Lab } {
  for (const [key, option] of Object.entries(runOptions))
    if (options[key as keyof typeof runOptions] !== undefined)
      throw new UsageError(`--sweep: checks a finished run; leave ${option} out`);
  const { sweep } = readSweep(options.sweep!, '--sweep');
  if (names.length > 1) throw new UsageError('--sweep: is one run; give at most one LAB with it');
  if (names.length === 0) return { sweep, lab: sweep.lab };
  const lab = labsFrom(names, {})[0]!;
  // A run with a real service is at speed 1 whatever the lab says.
  const [other] = labDifferences(sweep.lab, lab, ['expect', 'speed']);
  if (other)
    throw new UsageError(
      `--sweep: it is a run of another lab: ${other.field} is ${other.a} there and ${other.b} in ${names[0]}; leave LAB out, or run it`,
    );
  return { sweep, lab };
}

/** Where a lab's baseline is: the file, or in a folder the file of its name. */
function baselinePathOf(given: string, lab: Lab, labs: Lab[]): string {
  const isFolder = statSync(given, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!isFolder && labs.length === 1 && !/[/\\]$/.test(given)) return given;
  const ofOneRun = join(given, 'sweep.json');
  if (isFolder && labs.length === 1 && existsSync(ofOneRun)) return ofOneRun;
  if (!isFolder && existsSync(given))
    throw new UsageError(
      `--baseline: ${given} is one file, for one lab; with several labs give a folder for a file of each`,
    );
  if (labs.some((other) => other !== lab && other.name === lab.name))
    throw new UsageError(
      `--baseline: two labs are named ${lab.name} and would share one; rename one`,
    );
  return join(given, `${lab.name}.json`);
}

/** The lab with its baseline, after everything about them that can be wrong before a run was looked at. */
function asked(lab: Lab, labs: Lab[], engine: Sweep['engine'], options: CheckOptions): Asked {
  const problem = expectationsProblem(lab);
  if (problem) throw new UsageError(`${lab.name}: ${problem}`);
  if (options.baseline === undefined) {
    if (expectsNothing(lab.expect))
      throw new UsageError(
        `${lab.name}: expect is empty and there is no --baseline, so nothing to check; add, for instance, expect: { complete: true, maxSeconds: 60 }`,
      );
    return { lab, engine };
  }
  const baselinePath = baselinePathOf(options.baseline, lab, labs);
  if (options.updateBaseline) return { lab, engine, baselinePath };
  if (!existsSync(baselinePath))
    throw new UsageError(
      `--baseline: there is no ${baselinePath} yet; write it with --update-baseline`,
    );
  const { sweep: baseline } = readSweep(baselinePath, '--baseline');
  const unfit = unfitForBaseline(baseline);
  const other = baselineProblem(baseline, { engine, lab, provenance: provenanceOf(lab) });
  if (unfit || other)
    throw new UsageError(
      `--baseline: ${baselinePath} does not fit: ${unfit ?? other}; run what it was written for, or write it anew with --update-baseline`,
    );
  return { lab, engine, baselinePath, baseline };
}

/** As many repeats as the baseline has, so that a time can be held against it at all. */
function repeatsFor({ engine, baseline, baselinePath }: Asked, given: number | undefined): number {
  if (given !== undefined) return given;
  if (baseline) return Math.max(...baseline.cells.map((cell) => runsOf(cell).length));
  return baselinePath !== undefined && engine !== 'exec' ? usualRepeats[engine] : 1;
}

function simulated({ lab }: Asked, repeats: number, out: string | undefined): Sweep {
  const sweep = simulateRepeats(lab, provenanceOf(lab), repeats);
  if (out !== undefined) writeResults(resultsFolder(out, lab.name, new Date()), sweep);
  return sweep;
}

/**
 * Runs labs on k6 as `run` does, and tells where the reports are. A lab of which k6 measured nothing has no
 * sweep. Returns the exit code where the user stopped it.
 */
async function measuredOnK6(
  all: Asked[],
  repeats: number,
  { out }: CheckOptions,
): Promise<(Sweep | undefined)[] | typeof interrupted> {
  // Only here: simulations do without mocks.
  const { sweepHere } = await import('./run.ts');
  const stop = untilStopped();
  const runOptions = { repeats: String(repeats), ...(out !== undefined && { out }) };
  try {
    const labs = all.map(({ lab }) => lab);
    const { sweeps, failures } = await sweepHere(labs, runOptions, say, stop.signal);
    for (const failure of new Set(failures)) say(failure);
    for (const { folder } of sweeps)
      say(`report: ${relative(process.cwd(), join(folder, 'report.html'))}`);
    if (!stop.signal.aborted)
      return labs.map((lab) => sweeps.find(({ sweep }) => sweep.lab === lab)?.sweep);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    stop.close();
  }
  say('interrupted; nothing was checked, the finished cells are saved');
  return interrupted;
}

/** What is said of a lab that k6 brought no result for; why not was said already. */
const unmeasured = ({ name }: Lab): LabCheck => ({
  lab: name,
  engine: 'k6',
  runs: 1,
  outcome: 'unknown',
  checks: [
    {
      name: 'run',
      expected: 'a valid run',
      seen: 'nothing was measured',
      status: 'missing',
      remedy: 'Look at the messages of the run, and run it again.',
    },
  ],
});

function checksOf({ lab, baseline }: Asked, sweep: Sweep): LabCheck {
  return labCheck(sweep, [
    ...checkExpectations(sweep, lab.expect),
    ...(baseline ? compareWithBaseline(baseline, sweep) : []),
  ]);
}

/** Writes the run as the new baseline. What proves nothing now would prove nothing later either. */
function updateBaseline({ lab, baselinePath }: Asked, sweep: Sweep): boolean {
  const unfit = unfitForBaseline(sweep);
  if (unfit) {
    say(`${lab.name}: the baseline is not written: ${unfit}`);
    return false;
  }
  writeAtomically(baselinePath!, `${JSON.stringify(sweep, null, 2)}\n`, '--baseline');
  say(`${lab.name}: baseline written: ${baselinePath}`);
  return true;
}

/** Lab files of the repository, by lab, as GitHub names them. */
function filesByLab(names: string[], labs: Lab[], workspace: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const [at, name] of names.entries()) {
    const path = relative(workspace, resolve(name));
    const inside = !path.startsWith('..') && !isAbsolute(path);
    if (inside && existsSync(name)) files.set(labs[at]!.name, path.replaceAll('\\', '/'));
  }
  return files;
}

/** What GitHub shows of a job: its summary, and an annotation for each check that needs a look. */
function tellGithub(results: LabCheck[], files: Map<string, string>): void {
  // On stderr, which the runner reads too: stdout may be one JSON document.
  for (const line of renderAnnotations(results, files)) process.stderr.write(`${line}\n`);
  const summary = process.env.GITHUB_STEP_SUMMARY;
  if (!summary) return;
  try {
    appendFileSync(summary, `${renderCheckMarkdown(results)}\n`);
  } catch (error) {
    say(`GITHUB_STEP_SUMMARY: cannot write ${summary} (${fileProblem(error)})`);
  }
}

/** Checks labs, or a finished run, and tells in all the ways that were asked for. Exit codes: 0, 1, 3, 130. */
export async function check(names: string[], options: CheckOptions): Promise<number> {
  const { engine = 'k6' } = options;
  if (engine !== 'k6' && engine !== 'simulate')
    throw new UsageError(`--engine: "${engine}" is not one of k6, simulate`);
  if (options.updateBaseline && options.baseline === undefined)
    throw new UsageError('--update-baseline: give the file to write with --baseline FILE');
  const repeats = repeatsFrom(options.repeats);

  const finished = options.sweep === undefined ? undefined : finishedRun(names, options);
  const labs = finished ? [finished.lab] : labsFrom(names, options);
  const all = labs.map((lab) => asked(lab, labs, finished?.sweep.engine ?? engine, options));

  const measured = finished
    ? [finished.sweep]
    : engine === 'simulate'
      ? all.map((one) => simulated(one, repeatsFor(one, repeats), options.out))
      : await measuredOnK6(all, Math.max(...all.map((one) => repeatsFor(one, repeats))), options);
  if (measured === interrupted) return interrupted;

  const results = measured.map((sweep, at) =>
    sweep ? checksOf(all[at]!, sweep) : unmeasured(all[at]!.lab),
  );
  const outcomes = results.map(({ outcome }) => outcome);
  const outcome = outcomes.includes('failed')
    ? 'failed'
    : outcomes.includes('unknown')
      ? 'unknown'
      : 'passed';
  if (options.json)
    process.stdout.write(
      `${JSON.stringify({ schema: 'kneepoint.check/1', outcome, labs: results }, null, 2)}\n`,
    );
  else process.stdout.write(renderChecks(results, { colour: colour() }));

  if (options.junit !== undefined) writeAtomically(options.junit, renderJunit(results), '--junit');
  if (process.env.GITHUB_ACTIONS === 'true')
    tellGithub(results, filesByLab(names, labs, process.env.GITHUB_WORKSPACE || process.cwd()));
  const written =
    !options.updateBaseline ||
    measured.map((sweep, at) => sweep && updateBaseline(all[at]!, sweep)).every(Boolean);
  if (outcome === 'failed') return failed;
  return outcome === 'unknown' || !written ? invalid : 0;
}
