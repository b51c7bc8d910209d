import type { Gate } from '../model/client-limit.ts';
import { createFaults, type Fault, faultOutcome, isInstead } from '../model/faults.ts';
import { createHistogram } from '../model/histogram.ts';
import type { Lab } from '../model/lab.ts';
import { createRateLimit } from '../model/rate-limit.ts';
import { createEmbeddings, createHost, hintOf, rejectionUs } from '../model/services.ts';
import type { Cell, WorkerState } from '../model/sweep.ts';
import { createUpserts } from '../model/upserts.ts';
import { createWorker, type Outcome, type Want } from '../model/worker.ts';
import { createWorkload } from '../model/workload.ts';
import { createTimeline } from './timeline.ts';
import { createTurns } from './turns.ts';

/** A cell before it is compared with its neighbours. */
export type RawCell = Omit<Cell, 'speedup' | 'efficiency' | 'predictedSeconds'>;

/**
 * Refusals in a row, per worker, after which a cell has collapsed: where each 429 costs quota and the
 * day's refill is slow, patient workers can keep a bucket empty for ever.
 */
const mostRefusalsInARow = 1_000;

/**
 * Refusals for each request that was let through, over a whole cell, after which it has collapsed too:
 * a storm in which one request in a thousand is let through ends nowhere. Judged from so many on.
 */
const [mostRefusalsPerAnswer, refusalsToJudge] = [500, 100_000];

/** A refused upsert takes about a round trip (assumed). */
const upsertRefusalUs = 1_000;

/** Memory that so many workers hold, in MiB and as a share of the host. */
export function memoryOf({ worker, host }: Lab, workers: number): Cell['memory'] {
  const megabytes = worker.baseMemoryMb + workers * worker.memoryMb;
  return { megabytes, shareOfHost: megabytes / (host.memoryGb * 1_024), measured: false };
}

/** What a cell is that was not run because its workers do not fit into memory. */
export function infeasibleCell(lab: Lab, workers: number): RawCell {
  const none = { p50: 0, p95: 0, p99: 0 };
  return {
    workers,
    feasible: false,
    seconds: 0,
    recordsPerSecond: 0,
    openai: {
      requests: 0,
      succeeded: 0,
      rateLimited: { rpm: 0, tpm: 0, rpd: 0 },
      errors: 0,
      chargedTokens: 0,
      attemptsPerSuccess: 0,
      latencyMs: none,
    },
    qdrant: {
      requests: 0,
      succeeded: 0,
      timeouts: 0,
      errors: 0,
      pointsPerSecond: 0,
      latencyMs: none,
    },
    mysql: { poolWaitMs: none },
    memory: memoryOf(lab, workers),
    absorbed: { read: 0, compute: 0, embed: 0, qdrant: 0, backoff: 0, idle: workers },
    completeness: {
      records: lab.workload.records,
      pointsExpected: lab.workload.records * lab.workload.chunksPerRecord,
      pointsStored: 0,
      recordsFailed: 0,
    },
  };
}

/** What a client makes of a fault, and when: `answeredUs` is when the answer would have come without it. */
function strike(
  fault: Fault | undefined,
  answeredUs: number,
  nowUs: number,
  timeoutUs: number,
): { doneUs: number; outcome: Outcome } {
  const delayUs = fault?.kind === 'latency' || fault?.kind === 'dribble' ? fault.ms * 1_000 : 0;
  const doneUs = answeredUs + Math.round(delayUs);
  if (fault?.kind === 'stall' || doneUs - nowUs > timeoutUs)
    return { doneUs: nowUs + timeoutUs, outcome: 'failed' };
  return { doneUs, outcome: fault ? faultOutcome(fault) : 'ok' };
}

/**
 * Runs the whole pipeline with so many workers in virtual time. Times are whole microseconds. A gate is
 * a limit that the workers share on their own side; waits for it count as backoff.
 */
export function simulateCell(lab: Lab, workers: number, gate?: Gate): RawCell {
  const memory = memoryOf(lab, workers);
  if (memory.shareOfHost > 1) return infeasibleCell(lab, workers);

  const workload = createWorkload(lab.workload);
  const embeddings = createEmbeddings(lab);
  const upserts = createUpserts(lab);
  const host = createHost(lab);
  const faults = createFaults(lab.seed, lab.faults);
  const writeLimit = lab.qdrant.writeRateLimit
    ? createRateLimit(lab.qdrant.writeRateLimit)
    : undefined;

  const embedTimeoutUs = Math.round(lab.openai.timeoutMs * 1_000);
  const upsertTimeoutUs = Math.round(lab.qdrant.timeoutMs * 1_000);

  const embedTimes = createHistogram();
  const upsertTimes = createHistogram();
  const poolWaits = createHistogram();
  const spentUs: Record<WorkerState, number> = {
    read: 0,
    compute: 0,
    embed: 0,
    qdrant: 0,
    backoff: 0,
    idle: 0,
  };
  const rateLimited = { rpm: 0, tpm: 0, rpd: 0 };
  const seen = {
    embeds: 0,
    embedded: 0,
    embedErrors: 0,
    tokens: 0,
    upserts: 0,
    upserted: 0,
    timeouts: 0,
    upsertErrors: 0,
  };
  let [recordsDone, pointsStored, nextClaim, endUs] = [0, 0, 0, 0];
  let [refusals, refusalsInARow] = [0, 0];

  const crew = Array.from({ length: Math.min(workers, workload.claims) }, () =>
    createWorker(lab, workload),
  );
  const outcomes: Outcome[] = crew.map(() => 'ok');
  // A worker stores a batch once, however often it had to try: retried upserts are idempotent.
  const claimed = new Float64Array(crew.length);
  const stored = new Int32Array(crew.length).fill(-1);
  const timeline = createTimeline(crew.length);
  const turns =
    gate &&
    createTurns(gate, crew.length, (id, sinceUs, untilUs) => {
      spentUs.backoff += untilUs - sinceUs;
      timeline.set(id, untilUs);
    });

  /** Takes up what a worker wants at `nowUs`; its answer comes when the timeline wakes it. */
  const serve = (id: number, want: Want, nowUs: number): void => {
    switch (want.kind) {
      case 'read': {
        const { waitUs, doneUs } = host.read(nowUs);
        poolWaits.add(waitUs);
        spentUs.read += doneUs - nowUs;
        wake(id, doneUs, 'ok');
        return;
      }
      case 'compute': {
        const doneUs = host.compute(want.records, nowUs);
        spentUs.compute += doneUs - nowUs;
        wake(id, doneUs, 'ok');
        return;
      }
      case 'embed': {
        if (turns && !turns.mayGo(id, want, nowUs)) return;
        const { tokens, inputs, firstRecord, index } = want.batch;
        const key = { record: firstRecord, attempt: want.attempt, draw: index };
        const fault = faults.strike('embeddings', 'openai', key, nowUs);
        seen.embeds++;
        if (fault && isInstead(fault)) {
          const doneUs = nowUs + rejectionUs(lab, key);
          const limited = fault.status === 429;
          if (limited) rateLimited.rpm++;
          else seen.embedErrors++;
          spentUs.backoff += doneUs - nowUs;
          wake(id, doneUs, faultOutcome(fault));
          return;
        }
        const admission = embeddings.embed(tokens, inputs, key, nowUs);
        const { doneUs, outcome } = strike(fault, admission.doneUs, nowUs, embedTimeoutUs);
        const { refusal } = admission;
        if (refusal) {
          rateLimited[refusal.name]++;
          refusals++;
          refusalsInARow++;
          spentUs.backoff += doneUs - nowUs;
          wake(
            id,
            doneUs,
            outcome === 'ok' ? { limited: hintOf(refusal, lab.openai.retryAfter) } : outcome,
          );
          return;
        }
        refusalsInARow = 0;
        seen.tokens += tokens;
        spentUs.embed += doneUs - nowUs;
        embedTimes.add(doneUs - nowUs);
        if (outcome === 'ok') seen.embedded++;
        else seen.embedErrors++;
        stored[id] = -1;
        wake(id, doneUs, outcome);
        return;
      }
      case 'upsert': {
        const { inputs, firstRecord, index } = want.batch;
        const key = { record: firstRecord, attempt: want.attempt, draw: index };
        const fault = faults.strike('upsert', 'qdrant', key, nowUs);
        seen.upserts++;
        const isNew = stored[id] === -1;
        const instead = fault && isInstead(fault);
        const limited = !instead && writeLimit?.take(inputs, nowUs);
        const ticket =
          instead || limited
            ? undefined
            : upserts.write({ points: inputs, added: isNew ? inputs : 0 }, key, nowUs);
        const answered = ticket?.appliedUs ?? nowUs + upsertRefusalUs;
        const { doneUs, outcome } = strike(fault, answered, nowUs, upsertTimeoutUs);
        const late = doneUs - nowUs >= upsertTimeoutUs && outcome !== 'ok';
        // Late work is done all the same: the server does not know that nobody waits.
        if (ticket && !ticket.refusal) {
          if (isNew) pointsStored += inputs;
          stored[id] = index;
        }
        const good = ticket && !ticket.refusal && outcome === 'ok';
        if (good) seen.upserted++;
        else if (late) seen.timeouts++;
        else seen.upsertErrors++;
        spentUs.qdrant += doneUs - nowUs;
        upsertTimes.add(doneUs - nowUs);
        wake(id, doneUs, good ? 'ok' : 'failed');
        return;
      }
      case 'sleep': {
        const waitUs = Math.round(want.ms * 1_000);
        spentUs.backoff += waitUs;
        wake(id, nowUs + waitUs, 'ok');
        return;
      }
      case 'done': {
        recordsDone += claimed[id]! - want.recordsFailed;
        endUs = nowUs;
        if (nextClaim < workload.claims) begin(id, nowUs);
      }
    }
  };
  const wake = (id: number, atUs: number, outcome: Outcome) => {
    outcomes[id] = outcome;
    timeline.set(id, atUs);
  };

  const begin = (id: number, nowUs: number) => {
    const claim = workload.claim(nextClaim++);
    claimed[id] = claim.records;
    serve(id, crew[id]!.begin(claim), nowUs);
  };

  for (const id of crew.keys()) begin(id, 0);
  const patience = mostRefusalsInARow * crew.length;
  const hasCollapsed = () =>
    refusalsInARow >= patience ||
    (refusals >= refusalsToJudge &&
      refusals > mostRefusalsPerAnswer * (seen.embedded + seen.embedErrors));
  let id = timeline.next();
  for (; id >= 0 && !hasCollapsed(); id = timeline.next()) {
    const outcome = outcomes[id]!;
    const due = turns?.due(id, outcome, timeline.nowUs);
    serve(id, due ?? crew[id]!.resume(outcome), timeline.nowUs);
  }
  if (id >= 0) endUs = timeline.nowUs;

  const seconds = endUs / 1e6;
  const mean = (us: number) => us / endUs;
  const busyUs = spentUs.read + spentUs.compute + spentUs.embed + spentUs.qdrant + spentUs.backoff;
  const { records, chunksPerRecord } = lab.workload;
  const recordsFailed = records - recordsDone;
  return {
    workers,
    feasible: true,
    seconds,
    recordsPerSecond: (records - recordsFailed) / seconds,
    openai: {
      requests: seen.embeds,
      succeeded: seen.embedded,
      rateLimited,
      errors: seen.embedErrors,
      chargedTokens: seen.tokens,
      attemptsPerSuccess: seen.embedded > 0 ? seen.embeds / seen.embedded : 0,
      latencyMs: embedTimes.percentilesMs(),
    },
    qdrant: {
      requests: seen.upserts,
      succeeded: seen.upserted,
      timeouts: seen.timeouts,
      errors: seen.upsertErrors,
      pointsPerSecond: pointsStored / seconds,
      latencyMs: upsertTimes.percentilesMs(),
    },
    mysql: { poolWaitMs: poolWaits.percentilesMs() },
    memory,
    absorbed: {
      read: mean(spentUs.read),
      compute: mean(spentUs.compute),
      embed: mean(spentUs.embed),
      qdrant: mean(spentUs.qdrant),
      backoff: mean(spentUs.backoff),
      idle: workers - mean(busyUs),
    },
    completeness: {
      records,
      pointsExpected: records * chunksPerRecord,
      pointsStored,
      recordsFailed,
    },
  };
}
