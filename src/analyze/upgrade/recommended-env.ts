/** The test plan's three `.env` blocks, each with the sentence that says where it comes from. */
import type { Lab } from '../../model/lab.ts';
import { bestStep, type Ladder, type Outcome } from './upgrade.ts';

export type EnvBlock = {
  title: 'Conservative' | 'Aggressive' | 'Memory-constrained';
  env: { MAX_WORKERS: number; BATCH_SIZE: number; MYSQL_POOL_SIZE: number };
  /** One sentence. */
  why: string;
};

/** Connections that leave room beside the workers: the test plan gives 20 workers 50. */
const poolFor = (workers: number) => Math.max(10, Math.ceil(2.5 * workers));

/** What is left free by the conservative block, for longer texts and others that use the quota. */
const headroom = 0.8;
/** Workers of the test plan's small machine. */
const fewWorkers = 2;

const workersText = (count: number) => `${count} worker${count === 1 ? '' : 's'}`;
const tenth = (value: number) => Math.round(value * 10) / 10;

const block = (
  title: EnvBlock['title'],
  workers: number,
  batchSize: number,
  why: string,
): EnvBlock => ({
  title,
  env: { MAX_WORKERS: workers, BATCH_SIZE: batchSize, MYSQL_POOL_SIZE: poolFor(workers) },
  why,
});

function conservative(lab: Lab, now: Outcome): EnvBlock {
  const full = now.knee ?? now.recommendedWorkers;
  const workers = Math.max(1, Math.min(now.recommendedWorkers, Math.floor(full * headroom + 1e-9)));
  const why =
    now.knee === null
      ? `Nothing binds up to ${workersText(now.recommendedWorkers)}; this is 80 % of them, for what the lab does not know of.`
      : `${now.bottleneck} is full at ${tenth(now.knee)} workers; this stays at or under 80 % of that, or at the one worker that there must be.`;
  return block('Conservative', workers, lab.workload.batchSize, why);
}

function aggressive(ladder: Ladder, now: Outcome): EnvBlock {
  const { lab } = ladder;
  const { batchSize } = lab.workload;
  const best = bestStep(ladder);
  const isBought = best && best.step.kind !== 'batch' && best.step.kind !== 'pool';
  if (!best || !isBought)
    return block(
      'Aggressive',
      now.recommendedWorkers,
      batchSize,
      now.bottleneck === 'none'
        ? `It scales to ${workersText(now.recommendedWorkers)}, the end of the matrix.`
        : `The most workers before ${now.bottleneck} binds; nothing that can be bought moves it.`,
    );
  const after = best.atTarget ?? best.atLab;
  return block(
    'Aggressive',
    after.recommendedWorkers,
    batchSize,
    `Only after the step to ${best.step.name}, which moves the knee from ${now.knee === null ? 'none' : tenth(now.knee)} to ${after.knee === null ? 'beyond the matrix' : tenth(after.knee)}; without it, use ${now.recommendedWorkers}.`,
  );
}

function memoryConstrained(ladder: Ladder, now: Outcome): EnvBlock {
  const { lab, rows } = ladder;
  const { memoryMb, baseMemoryMb } = lab.worker;
  const workers = Math.min(fewWorkers, now.recommendedWorkers);
  const heldMb = Math.round(baseMemoryMb + workers * memoryMb);
  const doubled = rows.find(
    ({ step }) =>
      step?.kind === 'batch' && step.change(lab).workload.batchSize === 2 * lab.workload.batchSize,
  );
  const batch = doubled?.step?.change(lab).workload;
  const held = `${workersText(workers)} hold ${heldMb} MiB, 80 % of ${tenth(heldMb / 0.8 / 1_024)} GiB`;
  return block(
    'Memory-constrained',
    workers,
    batch?.batchSize ?? lab.workload.batchSize,
    batch
      ? `${held}; larger batches save requests, if a worker claims ${batch.recordsPerClaim} records at a time to fill them.`
      : `${held}; larger batches are not possible here.`,
  );
}

/** The blocks for a lab, from its own ladder. */
export function recommendedEnv(ladder: Ladder): EnvBlock[] {
  const first = ladder.rows[0]!;
  const now = first.atTarget ?? first.atLab;
  return [conservative(ladder.lab, now), aggressive(ladder, now), memoryConstrained(ladder, now)];
}
