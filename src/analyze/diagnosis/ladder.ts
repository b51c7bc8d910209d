import type { Lab } from '../../model/lab.ts';
import { demandSeconds } from '../../model/services.ts';
import type { Bottleneck } from '../../model/sweep.ts';
import { createWorkload } from '../../model/workload.ts';
import { simulateCell } from '../../simulate/cell.ts';
import { about, exactly } from '../wording.ts';
import { creditsOf } from './burst.ts';
import { type Demand, labDemand } from './observations.ts';
import { isOverloaded, type Upserts } from './overload.ts';

/**
 * A resource and the real number of workers at which it is exactly full. A `soft` one is never full:
 * its knee is where efficiency falls to 80 %.
 */
export type Rung = { resource: Bottleneck; knee: number; why: string; soft?: true };

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
function enoughRecords(lab: Lab, workers: number): number {
  return Math.min(lab.workload.records, 40 * workers * lab.workload.recordsPerClaim);
}

/** Speedup per worker in steady state with only the vector database in the way, by simulation. */
function qdrantAlone(
  lab: Lab,
  workers: number,
  records: number,
): { efficiency: number; upserts: Upserts } {
  const alone = withoutLimits(lab);
  const { perInFlightAbove: _, ...latency } = alone.openai.latency;
  const cell = simulateCell(
    {
      ...alone,
      openai: { ...alone.openai, latency },
      workload: { ...alone.workload, records },
      mysql: { poolSize: workers },
      host: { memoryGb: 1_000_000, cores: workers },
    },
    workers,
  );
  const perWorker = cell.recordsPerSecond * demandSeconds(lab).total;
  return { efficiency: perWorker / workers, upserts: cell.qdrant };
}

/**
 * Where latency that grows with load, rather than a full resource, makes workers inefficient: the
 * count at which efficiency falls to 80 %, interpolated. Undefined up to `most` workers.
 */
function qdrantKnee(lab: Lab, most: number): number | undefined {
  if (!lab.qdrant.latency.perInFlightAbove) return undefined;
  const good = (at: number) => {
    const records = Math.max(enoughRecords(lab, at), 10 * at * lab.workload.recordsPerClaim);
    const { efficiency, upserts } = qdrantAlone(lab, at, records);
    // One worker with the same records, whose latencies are the same for any number of workers.
    const isLate =
      upserts.timeouts > 0 && isOverloaded(upserts, qdrantAlone(lab, 1, records).upserts);
    return { ok: efficiency >= leastEfficiency && !isLate, efficiency };
  };
  let [low, high] = [1, most];
  let bad = good(most);
  if (bad.ok) return undefined;
  let best: ReturnType<typeof good> | undefined;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    const seen = good(middle);
    if (seen.ok) [low, best] = [middle, seen];
    else [high, bad] = [middle, seen];
  }
  const above = (best ?? good(low)).efficiency - leastEfficiency;
  const below = leastEfficiency - bad.efficiency;
  return low + Math.min(0.99, Math.max(0, above / (above + Math.max(below, 1e-9))));
}

/**
 * Every resource with the worker count that fills it in steady state, tightest first: one worker
 * issues 1/S records a second, so a resource with room for X records a second is full at X times S.
 * `demand` is what a record takes: the lab's figures, or measured ones in their place.
 * Source: asymptotic bounds (Denning & Buzen 1978).
 */
export function ladder(lab: Lab, mostWorkers: number, demand: Demand = labDemand(lab)): Rung[] {
  const { workload, worker, openai, qdrant, mysql, host } = lab;
  const { claims } = createWorkload(workload);
  const rungs: Rung[] = [];
  const rung = (resource: Bottleneck, recordsPerSecond: number, why: string) =>
    rungs.push({ resource, knee: recordsPerSecond * demand.total, why });

  const { rpm, tpm, rpd } = openai.limits;
  const why = {
    'openai-tpm': `${exactly(tpm ?? 0)} tokens per minute at ${about(demand.tokens)} a record`,
    'openai-rpm': `${exactly(rpm ?? 0)} requests per minute at ${about(demand.requests)} a record`,
    'openai-rpd': `${exactly(rpd ?? 0)} requests per day at ${about(demand.requests)} a record`,
  };
  for (const { resource, perSecond, perRecord, initial } of creditsOf(lab, demand)) {
    // A day's bucket only matters to a run that empties it.
    if (resource === 'openai-rpd' && perRecord * workload.records <= initial) continue;
    rung(resource, perSecond / perRecord, why[resource]);
  }
  const { pointsPerSecond, writeRateLimit } = qdrant;
  if (pointsPerSecond)
    rung(
      'qdrant',
      pointsPerSecond / workload.chunksPerRecord,
      `${about(pointsPerSecond)} points per second`,
    );
  if (writeRateLimit)
    rung(
      'qdrant',
      writeRateLimit / 60 / workload.chunksPerRecord,
      `${exactly(writeRateLimit)} points per minute in strict mode`,
    );
  const soft = qdrantKnee(lab, mostWorkers);
  if (soft !== undefined)
    rungs.push({
      resource: 'qdrant',
      knee: soft,
      why: 'upserts slow down with the number in flight',
      soft: true,
    });
  if (demand.read > 0)
    rung(
      'mysql-pool',
      mysql.poolSize / demand.read,
      `${mysql.poolSize} connection${mysql.poolSize === 1 ? '' : 's'}`,
    );
  if (demand.compute > 0)
    rung(
      'client-cpu',
      host.cores / demand.compute,
      `${host.cores} core${host.cores === 1 ? '' : 's'}`,
    );
  if (worker.memoryMb > 0) {
    const roomMb = memoryShare * host.memoryGb * 1_024 - worker.baseMemoryMb;
    rungs.push({
      resource: 'memory',
      knee: Math.max(0, roomMb / worker.memoryMb),
      why: `80 % of ${about(host.memoryGb)} GiB at ${about(worker.memoryMb)} MB a worker`,
    });
  }
  rungs.push({
    resource: 'work-units',
    knee: claims,
    why: `${exactly(claims)} claim${claims === 1 ? '' : 's'}`,
  });
  const tightest = new Map<Bottleneck, Rung>();
  for (const candidate of rungs) {
    const known = tightest.get(candidate.resource);
    if (!known || candidate.knee < known.knee) tightest.set(candidate.resource, candidate);
  }
  return [...tightest.values()].sort((a, b) => a.knee - b.knee);
}
