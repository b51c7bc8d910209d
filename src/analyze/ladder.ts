import type { Lab } from '../model/lab.ts';
import { demandSeconds } from '../model/services.ts';
import type { Bottleneck } from '../model/sweep.ts';
import { createWorkload } from '../model/workload.ts';
import { simulateCell } from '../simulate/cell.ts';

/** A resource and the real number of workers at which it is exactly full. */
export type Rung = { resource: Bottleneck; knee: number; why: string };

/** Efficiency under which adding workers is not worth it: the test plan's 80 %. */
export const leastEfficiency = 0.8;
/** Share of the host's memory that may be used: the test plan's 80 %. */
export const memoryShare = 0.8;

/** The lab without any limit of the embeddings service: what is left is latency, queues and units. */
export const withoutLimits = (lab: Lab): Lab => ({
  ...lab,
  openai: { ...lab.openai, tier: 'unlimited', limits: {} },
});

/** So many records that the end of the run hardly matters, and no more than the lab has. */
export function enoughRecords(lab: Lab, workers: number): number {
  return Math.min(lab.workload.records, 40 * workers * lab.workload.recordsPerClaim);
}

/** Speedup per worker in steady state with only the vector database in the way, by simulation. */
function qdrantEfficiency(lab: Lab, workers: number): { efficiency: number; timeouts: number } {
  const alone = withoutLimits(lab);
  const records = Math.max(
    enoughRecords(lab, workers),
    10 * workers * lab.workload.recordsPerClaim,
  );
  const cell = simulateCell(
    {
      ...alone,
      workload: { ...alone.workload, records },
      mysql: { poolSize: workers },
      host: { memoryGb: 1_000_000, cores: workers },
    },
    workers,
  );
  const perWorker = cell.recordsPerSecond * demandSeconds(lab).total;
  return { efficiency: perWorker / workers, timeouts: cell.qdrant.timeouts };
}

/**
 * Where latency that grows with load, rather than a full resource, makes workers inefficient: the
 * count at which efficiency falls to 80 %, interpolated. Undefined up to `most` workers.
 */
function qdrantKnee(lab: Lab, most: number): number | undefined {
  const { latency, slots, pointsPerSecond } = lab.qdrant;
  if (!latency.perInFlightAbove && !(slots && pointsPerSecond)) return undefined;
  const good = (at: number) => {
    const { efficiency, timeouts } = qdrantEfficiency(lab, at);
    return { ok: efficiency >= leastEfficiency && timeouts === 0, efficiency };
  };
  if (good(most).ok) return undefined;
  let [low, high] = [1, most];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (good(middle).ok) low = middle;
    else high = middle;
  }
  const above = good(low).efficiency - leastEfficiency;
  const below = leastEfficiency - good(high).efficiency;
  return low + Math.min(0.99, Math.max(0, above / (above + Math.max(below, 1e-9))));
}

/**
 * Every resource with the worker count that fills it in steady state, tightest first: one worker
 * issues 1/S records a second, so a resource with room for X records a second is full at X times S.
 * Source: asymptotic bounds (Denning & Buzen 1978).
 */
export function ladder(lab: Lab, mostWorkers: number): Rung[] {
  const demand = demandSeconds(lab);
  const { workload, worker, openai, qdrant, mysql, host } = lab;
  const plan = createWorkload(workload);
  const claim = plan.claim(0);
  const tokens = (workload.chunksPerRecord * workload.bytesPerChunk) / 4;
  const requests = plan.batches(claim) / claim.records;
  const rungs: Rung[] = [];
  const rung = (resource: Bottleneck, recordsPerSecond: number, why: string) =>
    rungs.push({ resource, knee: recordsPerSecond * demand.total, why });

  const { rpm, tpm, rpd } = openai.limits;
  if (tpm) rung('openai-tpm', tpm / 60 / tokens, `${tpm} tokens per minute`);
  if (rpm) rung('openai-rpm', rpm / 60 / requests, `${rpm} requests per minute`);
  // A day's bucket only matters to a run that empties it.
  if (rpd && requests * workload.records > rpd)
    rung('openai-rpd', rpd / 86_400 / requests, `${rpd} requests per day`);
  if (qdrant.pointsPerSecond)
    rung(
      'qdrant',
      qdrant.pointsPerSecond / workload.chunksPerRecord,
      `${qdrant.pointsPerSecond} points per second`,
    );
  const soft = qdrantKnee(lab, mostWorkers);
  if (soft !== undefined)
    rungs.push({
      resource: 'qdrant',
      knee: soft,
      why: 'upserts slow down with the number in flight',
    });
  if (demand.read > 0)
    rung('mysql-pool', mysql.poolSize / demand.read, `${mysql.poolSize} connections`);
  if (demand.compute > 0) rung('client-cpu', host.cores / demand.compute, `${host.cores} cores`);
  if (worker.memoryMb > 0) {
    const roomMb = memoryShare * host.memoryGb * 1_024 - worker.baseMemoryMb;
    rungs.push({
      resource: 'memory',
      knee: Math.max(0, roomMb / worker.memoryMb),
      why: `80 % of ${host.memoryGb} GiB at ${worker.memoryMb} MB a worker`,
    });
  }
  rungs.push({ resource: 'work-units', knee: plan.claims, why: `${plan.claims} claims` });
  const tightest = new Map<Bottleneck, Rung>();
  for (const candidate of rungs) {
    const known = tightest.get(candidate.resource);
    if (!known || candidate.knee < known.knee) tightest.set(candidate.resource, candidate);
  }
  return [...tightest.values()].sort((a, b) => a.knee - b.knee);
}
