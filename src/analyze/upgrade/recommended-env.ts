/** The test plan's three `.env` blocks. Each is a lab that the ladder judged, and says why. */
import type { Lab } from '../../model/lab.ts';
import { poolFor } from '../pool.ts';
import { exactly, figure, workersText } from '../wording.ts';
import type { Outcome } from './outcome.ts';
import { isSetting } from './steps.ts';
import { type Ladder, type Row, toldOf, worthwhile } from './upgrade.ts';

export type EnvBlock = {
  title: 'Conservative' | 'Aggressive' | 'Memory-constrained';
  env: {
    MAX_WORKERS: number;
    BATCH_SIZE: number;
    MYSQL_POOL_SIZE: number;
    /** Records that a worker claims at a time; only where it is not what the lab says. */
    CLAIM_SIZE?: number;
  };
  why: string;
};

/** What is left free by the conservative block, for longer texts and others that use the quota. */
const headroom = 0.8;
/** Workers of the test plan's small machine. */
const fewWorkers = 2;

/** The block of a lab that was judged. `given` is the ladder's own lab. */
function block(
  title: EnvBlock['title'],
  given: Lab,
  judged: Lab,
  workers: number,
  why: string,
): EnvBlock {
  const { batchSize, recordsPerClaim } = judged.workload;
  return {
    title,
    env: {
      MAX_WORKERS: workers,
      BATCH_SIZE: batchSize,
      MYSQL_POOL_SIZE: poolFor(judged, workers),
      ...(recordsPerClaim !== given.workload.recordsPerClaim && { CLAIM_SIZE: recordsPerClaim }),
    },
    why,
  };
}

function conservative(lab: Lab, now: Outcome): EnvBlock {
  const { recommendedWorkers: most, knee, bottleneck } = now;
  const of = (workers: number, why: string) => block('Conservative', lab, lab, workers, why);
  if (bottleneck === 'undetermined')
    return of(most, `What binds is not known; ${workersText(most)} can be relied on.`);
  // Texts and other users of a quota can't use up claims.
  if (bottleneck === 'work-units')
    return of(most, `There is work for ${workersText(most)}: more would have nothing to do.`);
  const workers = Math.max(1, Math.min(most, Math.floor((knee ?? most) * headroom + 1e-9)));
  if (knee === null)
    return of(
      workers,
      workers < most
        ? `Nothing binds up to ${workersText(most)}; this is 80 % of them, for what the lab does not know of.`
        : `Nothing binds with ${workersText(most)}; there must be one.`,
    );
  const full = `${bottleneck} is full at ${workersText(knee)}`;
  return of(
    workers,
    workers <= knee * headroom
      ? `${full}; this stays at or under 80 % of that.`
      : `${full}; there must be one worker, so there is no 20 % to spare.`,
  );
}

/**
 * The row for more workers than now, or for getting the records done at all: the first that is bought, or
 * else the setting that gains most.
 */
function rowForMore({ rows }: Ladder, now: Outcome): Row | undefined {
  const more = rows.filter(
    (row) =>
      row.step &&
      !row.gainsNothing &&
      (row.gain ?? Infinity) >= worthwhile &&
      (now.seconds === null || toldOf(row).recommendedWorkers > now.recommendedWorkers),
  );
  const bought = more.find(({ step }) => !isSetting(step!));
  return bought ?? more.sort((a, b) => (b.gain ?? 0) - (a.gain ?? 0))[0];
}

const cannotBeDone = ({ records }: Outcome) =>
  `${exactly(records)} record${records === 1 ? '' : 's'} can't be done.`;

const kneeText = ({ knee }: Outcome) => (knee === null ? 'beyond the matrix' : figure(knee));

function aggressive(ladder: Ladder, now: Outcome): EnvBlock {
  const { lab } = ladder;
  const of = (judged: Lab, { recommendedWorkers }: Outcome, why: string) =>
    block('Aggressive', lab, judged, recommendedWorkers, why);
  const { recommendedWorkers: most, bottleneck } = now;
  const row = rowForMore(ladder, now);
  if (bottleneck === 'none' && (now.seconds !== null || !row))
    return of(lab, now, `It scales to ${workersText(most)}, the end of the matrix.`);
  if (bottleneck === 'undetermined')
    return of(lab, now, 'What binds is not known, so nothing more can be promised.');
  if (!row?.step)
    return of(
      lab,
      now,
      `The most workers that run well while ${bottleneck} binds; no single step makes more of them worth it.`,
    );
  const after = toldOf(row);
  const { name } = row.step;
  if (now.seconds === null)
    return of(row.step.change(lab), after, `Only with ${name}: without it, ${cannotBeDone(now)}`);
  const moves = `moves the knee from ${kneeText(now)} to ${kneeText(after)}; without it, use ${most}.`;
  return of(
    row.step.change(lab),
    after,
    isSetting(row.step)
      ? `With ${name}, which is free and ${moves}`
      : `Only after the step to ${name}, which ${moves}`,
  );
}

function memoryConstrained({ lab, rows }: Ladder, now: Outcome): EnvBlock {
  const { memoryMb, baseMemoryMb } = lab.worker;
  const twice = 2 * lab.workload.batchSize;
  const row = rows.find(
    ({ step }) => step?.kind === 'batch' && step.change(lab).workload.batchSize === twice,
  );
  const larger = row && toldOf(row);
  const isUsable =
    larger &&
    larger.seconds !== null &&
    larger.bottleneck !== 'undetermined' &&
    larger.lostShare <= now.lostShare;
  const outcome = isUsable ? larger : now;
  const judged = isUsable ? row!.step!.change(lab) : lab;
  const workers = Math.min(fewWorkers, outcome.recommendedWorkers);
  const heldMb = Math.round(baseMemoryMb + workers * memoryMb);
  const held = `${workersText(workers)} ${workers === 1 ? 'holds' : 'hold'} ${exactly(heldMb)} MiB, 80 % of ${figure(Math.round((heldMb / 0.8 / 1_024) * 10) / 10)} GiB`;
  const isOver = outcome.knee !== null && outcome.knee < workers;
  const waits = isOver
    ? ` It is over the knee (${outcome.bottleneck}, ${figure(outcome.knee!)}): it has to wait.`
    : '';
  return block(
    'Memory-constrained',
    lab,
    judged,
    workers,
    isUsable
      ? `${held}; batches of ${twice} save requests, as in the row "${row!.step!.name}".${waits}`
      : `${held}; larger batches don't help here.${waits}`,
  );
}

/** The blocks for a lab, from its own ladder. */
export function recommendedEnv(ladder: Ladder): EnvBlock[] {
  const now = toldOf(ladder.rows[0]!);
  const asIs = (found: EnvBlock): EnvBlock =>
    now.seconds === null ? { ...found, why: `${found.why} Even so, ${cannotBeDone(now)}` } : found;
  const most = aggressive(ladder, now);
  return [
    asIs(conservative(ladder.lab, now)),
    rowForMore(ladder, now) ? most : asIs(most),
    asIs(memoryConstrained(ladder, now)),
  ];
}
