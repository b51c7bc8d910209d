/**
 * How long a run takes that is too long to simulate: rates are simulated at a size where they settle,
 * and buckets, the index backlog and the last round are added by formula.
 */
import { bucketStart, type Lab } from '../../model/lab.ts';
import type { QuotaName } from '../../model/limiter.ts';
import { demandSeconds } from '../../model/services.ts';
import { createWorkload } from '../../model/workload.ts';
import { memoryOf, simulateCell } from '../../simulate/cell.ts';
import { withoutLimits } from '../diagnosis/ladder.ts';

/** How long so many records take with so many workers. */
export type RunTime = {
  /** Undefined where the run can't end: `problem` says why. */
  seconds: number | undefined;
  by: 'simulation' | 'extrapolation';
  /** Share of the records that fail for good. */
  lostShare: number;
  /** Limits whose bucket ran empty, in the order in which it did; by extrapolation only. */
  emptied: QuotaName[];
  problem?: string;
};

/** Records per second that are got through, and the share of them that failed. */
type Rate = { perSecond: number; lostShare: number };

export type Forecast = {
  runTime: (lab: Lab, workers: number, records: number) => RunTime;
  /** Records per second in the long run with nothing but OpenAI's limits out of the way. */
  unlimited: (lab: Lab, workers: number) => Rate & { timeouts: number };
};

/** Batches up to which a run is simulated whole: milliseconds. */
const mostBatches = 4_000;
/** Over this share of its memory Qdrant slows to so many times; as the model of upserts says (assumed). */
const crowded = { from: 0.9, slowdown: 2 };

/** What an extrapolation knows nothing of, if the lab has any of it. */
function notExtrapolated({ faults, openai, qdrant }: Lab): string | undefined {
  if (faults.length > 0) return 'faults';
  if (openai.slowDown) return 'openai.slowDown';
  if (openai.quota !== 'available') return 'openai.quota';
  if (qdrant.writeRateLimit > 0) return 'qdrant.writeRateLimit';
  return undefined;
}

const withRecords = (lab: Lab, records: number): Lab => ({
  ...lab,
  workload: { ...lab.workload, records },
});

/** So many records that rates settle: many rounds of all workers, within what a moment can simulate. */
function settledRecords(lab: Lab, workers: number, fewest: number): number {
  const plan = createWorkload({ ...lab.workload, records: 1e9 });
  const perClaim = plan.batches(plan.claim(0));
  const affordable = Math.max(10 * workers, Math.floor(60_000 / perClaim));
  const claims = Math.min(Math.max(fewest, 100 * workers), affordable);
  // Whole rounds, so that the last one does not look like a loss.
  return Math.ceil(claims / workers) * workers * lab.workload.recordsPerClaim;
}

/** With thousands separators, as people read large numbers. */
const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');

const neverGivesUp = ({ worker: { client } }: Lab) =>
  client === 'patient' || client === 'exact-hint' || client === 'full-jitter';

const collapsed =
  'each 429 costs quota, and so many workers keep the bucket empty for ever; use fewer workers or a client-side limiter';

const cannot = (by: RunTime['by'], problem: string): RunTime => ({
  seconds: undefined,
  by,
  lostShare: 0,
  emptied: [],
  problem,
});

/** Forecasts that share what they have simulated. */
export function createForecast(): Forecast {
  const known = new Map<string, Rate & { timeouts: number }>();
  const remembered = (kind: string, lab: Lab, workers: number, records: number) => {
    const { workload, worker, openai, qdrant, mysql, host } = lab;
    const key = JSON.stringify([
      kind,
      workers,
      { ...workload, records },
      worker,
      // Settled rates don't depend on how full the buckets once were.
      { ...openai, tier: '', bucket: '' },
      qdrant,
      mysql,
      host.cores,
      lab.seed,
    ]);
    const found = known.get(key);
    if (found) return found;
    const roomy = { ...withRecords(lab, records), host: { ...host, memoryGb: 1e6 } };
    const cell = simulateCell(roomy, workers);
    const perClaim = demandSeconds(lab).total * workload.recordsPerClaim;
    // Where rounds are not in step, workers finish at different times: that is the end, not the rate.
    const inStep = Math.abs(cell.seconds * workers * workload.recordsPerClaim - records * perClaim);
    const end = kind === 'limited' ? perClaim : inStep < 1e-3 * perClaim ? 0 : perClaim / 2;
    const rate = {
      perSecond: records / Math.max(1e-9, cell.seconds - end),
      lostShare: cell.completeness.recordsFailed / records,
      timeouts: cell.qdrant.timeouts,
    };
    known.set(key, rate);
    return rate;
  };

  /** Without OpenAI's limits, with upserts so many times as slow. */
  const freeRate = (lab: Lab, workers: number, slowdown: number) => {
    const free = withoutLimits(lab);
    const slowed: Lab = {
      ...free,
      qdrant: {
        ...free.qdrant,
        memoryPoints: 0,
        // Yellow from the second batch on, or never.
        indexPointsPerSecond: slowdown > 1 ? 1e-9 : 0,
        indexingThreshold: 1,
        yellowSlowdown: slowdown,
      },
    };
    return remembered('free', slowed, workers, settledRecords(lab, workers, 8_000));
  };

  /** Under limits whose buckets are empty: refusals may cost more than the limit itself takes. */
  const limitedRate = (lab: Lab, workers: number, names: QuotaName[]) => {
    const limits = Object.fromEntries(
      names.flatMap((name) => {
        const limit = lab.openai.limits[name];
        return limit === undefined ? [] : [[name, limit]];
      }),
    );
    const limited: Lab = {
      ...lab,
      openai: { ...lab.openai, limits, bucket: 'empty' },
      qdrant: { ...lab.qdrant, memoryPoints: 0, indexPointsPerSecond: 0 },
    };
    const fewest = names.includes('rpd') ? 1_000 : 2_000;
    return remembered('limited', limited, workers, settledRecords(lab, workers, fewest));
  };

  function extrapolate(lab: Lab, workers: number): RunTime {
    const { workload, openai, qdrant } = lab;
    const { records, chunksPerRecord, bytesPerChunk } = workload;
    const plan = createWorkload(workload);
    const claim = plan.claim(0);
    const requests = plan.batches(claim) / claim.records;
    const tokens = (chunksPerRecord * bytesPerChunk) / 4;
    const start = bucketStart(openai.bucket);
    const buckets = (['rpm', 'tpm', 'rpd'] as const).flatMap((name) => {
      const limit = openai.limits[name];
      if (limit === undefined) return [];
      const perSecond = limit / (name === 'rpd' ? 86_400 : 60);
      const capacity = name === 'rpd' ? limit : perSecond * openai.burstSeconds;
      const cost = name === 'tpm' ? tokens : requests;
      const level = start[name] === 'full' ? capacity : 0;
      return [{ name, perSecond, capacity, cost, level, isEmpty: level === 0 }];
    });
    const sustained = (bucket: (typeof buckets)[number]) => bucket.perSecond / bucket.cost;
    const perMinute = buckets.filter(({ name }) => name !== 'rpd');
    /** What is left of a limit's rate once the workers that it refuses have had their share. */
    const underLimit = (bucket: (typeof buckets)[number]): Rate => {
      const names: QuotaName[] =
        bucket.name === 'rpd' ? ['rpm', 'tpm', 'rpd'] : perMinute.map(({ name }) => name);
      const tightest =
        bucket.name === 'rpd'
          ? bucket
          : perMinute.reduce((a, b) => (sustained(b) < sustained(a) ? b : a));
      const rate = limitedRate(lab, workers, names);
      return {
        perSecond: (rate.perSecond / sustained(tightest)) * sustained(bucket),
        lostShare: rate.lostShare,
      };
    };

    let [done, seconds, backlog, lost] = [0, 0, 0, 0];
    let hasCollapsed = false;
    const emptied: QuotaName[] = [];
    const indexed = qdrant.indexPointsPerSecond;
    const crowdedFrom = (qdrant.memoryPoints * crowded.from) / chunksPerRecord || Infinity;
    // Each turn ends with a bucket empty, the index behind, memory crowded, or the run at its end.
    for (let turn = 0; turn < 100 && done < records - 1e-6; turn++) {
      const isCrowded = done >= crowdedFrom - 1e-6;
      const behind = indexed > 0 && backlog >= qdrant.indexingThreshold - 1e-6;
      const pressure = isCrowded ? crowded.slowdown : 1;
      const empty = buckets.filter(({ isEmpty }) => isEmpty);
      const rateWith = (slowdown: number): Rate => {
        let rate: Rate = freeRate(lab, workers, slowdown);
        for (const bucket of empty) {
          if (sustained(bucket) >= rate.perSecond) continue;
          const under = underLimit(bucket);
          if (under.perSecond < rate.perSecond || under.lostShare > 0) rate = under;
          hasCollapsed ||= under.lostShare > 0 && neverGivesUp(lab);
        }
        return rate;
      };
      let rate = rateWith(pressure);
      if (behind && rate.perSecond * chunksPerRecord > indexed) {
        // Yellow, it either stays so, or it swings about the threshold at the index's own rate.
        const yellow = rateWith(pressure * qdrant.yellowSlowdown);
        const swinging = indexed / chunksPerRecord;
        rate = yellow.perSecond > swinging ? yellow : { ...yellow, perSecond: swinging };
      }
      const x = rate.perSecond;
      let step = (records - done) / x;
      if (done < crowdedFrom) step = Math.min(step, (crowdedFrom - done) / x);
      const growth = x * chunksPerRecord - indexed;
      if (indexed > 0 && !behind && growth > 0)
        step = Math.min(step, (qdrant.indexingThreshold - backlog) / growth);
      for (const { level, cost, perSecond, isEmpty } of buckets)
        if (!isEmpty && x * cost > perSecond) step = Math.min(step, level / (x * cost - perSecond));
      seconds += step;
      done += step * x;
      lost += step * x * rate.lostShare;
      backlog = Math.max(0, Math.min(qdrant.indexingThreshold, backlog + growth * step));
      for (const bucket of buckets) {
        const level = bucket.level + (bucket.perSecond - x * bucket.cost) * step;
        bucket.level = Math.min(bucket.capacity, Math.max(0, level));
        if (bucket.isEmpty || bucket.level > 1e-6 * bucket.capacity) continue;
        bucket.isEmpty = true;
        emptied.push(bucket.name);
      }
    }
    if (hasCollapsed) return cannot('extrapolation', collapsed);
    // Whole claims: the last round may have fewer claims than workers. What fails takes less time.
    const perClaim = demandSeconds(lab).total * claim.records;
    const rounds = lost > 0 ? 0 : Math.ceil(plan.claims / workers) * perClaim;
    return {
      seconds: Math.max(seconds, rounds),
      by: 'extrapolation',
      lostShare: lost / records,
      emptied,
    };
  }

  return {
    unlimited: (lab, workers) => freeRate(lab, workers, 1),
    runTime(given, workers, records) {
      const lab = withRecords(given, records);
      const plan = createWorkload(lab.workload);
      const by =
        plan.claims * plan.batches(plan.claim(0)) <= mostBatches ? 'simulation' : 'extrapolation';
      const { memoryPoints } = lab.qdrant;
      const points = records * lab.workload.chunksPerRecord;
      if (memoryOf(lab, workers).shareOfHost > 1)
        return cannot(by, 'the workers need more memory than the host has');
      if (memoryPoints > 0 && points > memoryPoints)
        return cannot(
          by,
          `Qdrant's memory holds ${grouped(memoryPoints)} of the ${grouped(points)} points (assumed)`,
        );
      if (by === 'extrapolation') {
        const unknown = notExtrapolated(lab);
        return unknown
          ? cannot(by, `${unknown}: so many records can't be extrapolated with it; leave it out`)
          : extrapolate(lab, workers);
      }
      const cell = simulateCell(lab, workers);
      const lostShare = cell.completeness.recordsFailed / records;
      if (lostShare > 0 && neverGivesUp(lab) && cell.openai.succeeded < plan.claims)
        return cannot(by, collapsed);
      return { seconds: cell.seconds, by, lostShare, emptied: [] };
    },
  };
}
