import type { Cell, Repeat, Sweep } from '../../model/sweep.ts';
import type { RawCell } from '../../simulate/cell.ts';
import { grouped } from '../wording.ts';

/**
 * How an assertion came out. `warned` passes, with something to say. `missing` is an assertion that the
 * run has no samples for: it does not pass.
 */
export type CheckStatus = 'passed' | 'warned' | 'failed' | 'missing';

/** One assertion about a run, and what came of it. */
export type Check = {
  /** `expect.` and a key of the lab's `expect`, or `baseline.` and what is compared. */
  name: string;
  /** The worker count it is about; absent where it is about the whole run. */
  workers?: number;
  expected: string;
  seen: string;
  status: CheckStatus;
  /** What to do where it did not simply pass. */
  remedy?: string;
};

/** What became of a run as a whole. `unknown` is neither: the run is not valid, or lacks samples. */
export type Outcome = 'passed' | 'failed' | 'unknown';

/** An invalid run proves nothing, not even a failure; beyond that one failure decides, then one missing sample. */
export function outcomeOf(checks: Check[], valid: boolean): Outcome {
  const some = (status: CheckStatus) => checks.some((check) => check.status === status);
  if (!valid) return 'unknown';
  if (some('failed')) return 'failed';
  return some('missing') ? 'unknown' : 'passed';
}

/** Whether a run found what binds. */
export const hasVerdict = ({ valid, verdict }: Sweep): boolean =>
  valid && verdict.bottleneck !== 'undetermined';

/** What is said of a check on a verdict where the run has none. */
export const noVerdict = {
  seen: 'the run could not find the bottleneck',
  status: 'missing',
  remedy: 'Follow the warnings of the run and repeat it.',
} satisfies Partial<Check>;

/** Why nothing can be said about a cell's run; undefined where it was run. */
export function notRunReason({ feasible, command, seconds, memory }: Cell): string | undefined {
  if (command?.usable === false) return `failed: ${command.problem ?? 'see its log'}`;
  if (!feasible) return memory.measured ? 'ran out of memory' : 'not run: over memory';
  return seconds > 0 ? undefined : 'no time was measured';
}

/** A figure as the sweep holds it, to six significant digits: what a limit is compared with must be seen. */
export const figure = (value: number): string => String(Number(value.toPrecision(6)));

/** A share of one in per cent, to four significant digits. */
export const percent = (share: number): string => `${Number((100 * share).toPrecision(4))} %`;

/** A number with its noun: `1 429`, `1,200 timeouts`. */
export const counted = (count: number, noun: string, plural = `${noun}s`): string =>
  `${Number.isInteger(count) ? grouped(count) : figure(count)} ${count === 1 ? noun : plural}`;

/** The runs of a cell, one where it was run once. */
export const runsOf = ({ repeats, ...cell }: RawCell): Repeat[] => repeats ?? [repeatOf(cell)];

/** What is compared of a single run. */
export const repeatOf = ({ seconds, openai, qdrant, completeness }: RawCell): Repeat => ({
  seconds,
  rateLimited: openai.rateLimited.rpm + openai.rateLimited.tpm + openai.rateLimited.rpd,
  timeouts: qdrant.timeouts,
  recordsFailed: completeness.recordsFailed,
  pointsStored: completeness.pointsStored,
  chargedTokens: openai.chargedTokens,
});

/** All assertions about one lab's run. */
export type LabCheck = {
  lab: string;
  engine: Sweep['engine'];
  /** Runs of each worker count. */
  runs: number;
  outcome: Outcome;
  checks: Check[];
};

/**
 * Puts assertions and the run together. That a run is valid is asserted where it is not, and nothing that
 * was seen in it passed or failed: the reader must see why.
 */
export function labCheck(sweep: Sweep, checks: Check[]): LabCheck {
  const { lab, engine, valid, cells, warnings } = sweep;
  const seen = warnings.length > 0 ? warnings.map(({ message }) => message).join(' ') : 'not valid';
  const remedy = warnings[0]?.remedy ?? 'Run the lab again.';
  const run: Check = { name: 'run', expected: 'a valid run', seen, status: 'missing', remedy };
  return {
    lab: lab.name,
    engine,
    runs: Math.max(1, ...cells.map((cell) => runsOf(cell).length)),
    outcome: outcomeOf(checks, valid),
    checks: valid
      ? checks
      : [run, ...checks.map((check): Check => ({ ...check, status: 'missing' }))],
  };
}

/** `expect.maxSeconds at 5 workers` */
export const checkTitle = ({ name, workers }: Check): string =>
  workers === undefined ? name : `${name} at ${counted(workers, 'worker')}`;

/** `expected at most 20 s, saw 24.6 s` */
export const checkSentence = ({ expected, seen }: Check): string =>
  `expected ${expected}, saw ${seen}`;
