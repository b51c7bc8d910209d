/**
 * What a worker does with a claim, without doing any of it: it says what it wants and is resumed with
 * the outcome. The simulator answers in virtual time, a k6 VU with HTTP.
 */
import type { Lab } from './lab.ts';
import { streams, uniform } from './random.ts';
import { type Failure, type Hint, retries, retryDelayMs, upsertRetryMs } from './retry.ts';
import type { Batch, Claim, Workload } from './workload.ts';

export type Want =
  | { kind: 'read'; claim: Claim }
  | { kind: 'compute'; records: number }
  | { kind: 'embed'; batch: Batch; attempt: number }
  | { kind: 'upsert'; batch: Batch; attempt: number }
  /** A wait before another try, in milliseconds. */
  | { kind: 'sleep'; ms: number }
  | { kind: 'done'; recordsFailed: number };

/** What came of the last want. `limited` is a 429, or a 5xx, with its hint. */
export type Outcome = 'ok' | Failure | { limited: Hint };

export type Worker = {
  begin: (claim: Claim) => Want;
  resume: (outcome: Outcome) => Want;
};

type Stage = 'read' | 'compute' | 'embed' | 'embed-wait' | 'upsert' | 'upsert-wait';

export function createWorker(
  { seed, worker: { client, retries: mostRetries, qdrantRetries } }: Lab,
  workload: Workload,
): Worker {
  let claim: Claim = { index: 0, firstRecord: 0, records: 0 };
  let batches = 0;
  let batch: Batch | undefined;
  let stage: Stage = 'read';
  let attempt = 0;
  let recordsFailed = 0;
  let lastFailed = -1;

  const draw = (
    stream: typeof streams.retry | typeof streams.upsertRetry,
    { firstRecord, index }: Batch,
  ) => uniform(seed, stream, { record: firstRecord, attempt, draw: index });

  const nextBatch = (): Want => {
    const index = batch ? batch.index + 1 : 0;
    if (index >= batches) return { kind: 'done', recordsFailed };
    batch = workload.batch(claim, index);
    stage = 'embed';
    attempt = 0;
    return { kind: 'embed', batch, attempt };
  };

  // A record whose chunks lie in two failed batches has failed once.
  const giveUp = ({ firstRecord, records }: Batch): Want => {
    const from = Math.max(firstRecord, lastFailed + 1);
    const last = firstRecord + records - 1;
    recordsFailed += Math.max(0, last - from + 1);
    lastFailed = Math.max(lastFailed, last);
    return nextBatch();
  };

  const wait = (waiting: Stage, ms: number | undefined, current: Batch): Want => {
    if (ms === undefined) return giveUp(current);
    stage = waiting;
    return { kind: 'sleep', ms };
  };

  return {
    begin(next) {
      claim = next;
      batches = workload.batches(claim);
      batch = undefined;
      stage = 'read';
      recordsFailed = 0;
      lastFailed = -1;
      return { kind: 'read', claim };
    },
    resume(outcome) {
      if (stage === 'read') {
        if (outcome !== 'ok') return { kind: 'done', recordsFailed: claim.records };
        stage = 'compute';
        return { kind: 'compute', records: claim.records };
      }
      if (stage === 'compute') return nextBatch();
      const current = batch!;
      if (stage === 'embed-wait' || stage === 'upsert-wait') {
        attempt++;
        stage = stage === 'embed-wait' ? 'embed' : 'upsert';
        return { kind: stage, batch: current, attempt };
      }
      if (stage === 'embed') {
        if (outcome === 'ok') {
          stage = 'upsert';
          attempt = 0;
          return { kind: 'upsert', batch: current, attempt };
        }
        if (typeof outcome === 'string' && !retries(client, outcome)) return giveUp(current);
        const hint = typeof outcome === 'string' ? {} : outcome.limited;
        const u = draw(streams.retry, current);
        const ms = retryDelayMs(client, attempt, hint, u, mostRetries);
        return wait('embed-wait', ms, current);
      }
      if (outcome === 'ok') return nextBatch();
      const again = attempt < qdrantRetries;
      const ms = again ? upsertRetryMs(attempt, draw(streams.upsertRetry, current)) : undefined;
      return wait('upsert-wait', ms, current);
    },
  };
}
