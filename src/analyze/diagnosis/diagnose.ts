import type { Lab } from '../../model/lab.ts';
import type { Bottleneck, Cell, Warning } from '../../model/sweep.ts';
import { createWorkload } from '../../model/workload.ts';
import {
  type Absorber,
  absorbersOf,
  type Judged,
  nearlyUsedUp,
  type Saturation,
  saturationOf,
  tellingLoss,
} from './absorption.ts';
import { admitted, type Credit, creditsOf, leastSeconds, visibleKnee } from './burst.ts';
import { demandError, type Knee, kneeOfCells, kneeOfMemory } from './knee.ts';
import { ladder, type Rung } from './ladder.ts';
import {
  type Demand,
  demandOf,
  labDemand,
  type Observation,
  observationsOf,
} from './observations.ts';

/** Where a knee comes from: the cells alone, the model alone, or both, which agree. */
export type Source = 'cells' | 'model' | 'both';

export type Diagnosis = {
  bottleneck: Bottleneck;
  /** Undefined where nothing binds within the matrix, or nobody can say where. */
  knee: Knee | undefined;
  source: Source;
  /** Every resource, tightest first, also beyond the matrix. */
  rungs: Rung[];
  /** What binds: undefined where nothing does. */
  rung: Rung | undefined;
  /** Resources that the cells leave possible and that would bind within the matrix, tightest first. */
  binding: Rung[];
  /** Resources that the lab says would bind, but the cells went past. */
  refuted: Rung[];
  /** The knee by cells and by formula, where both are known. */
  byCells: Knee | undefined;
  byModel: number | undefined;
  /** Whether the run can't have shown the limit: the model speaks of the steady state. */
  unseen: boolean;
  /** A second resource that binds at nearly the same worker count. */
  rival: Rung | undefined;
  /** Who took the workers that brought nothing in the first saturated cell. */
  seen: Absorber | undefined;
  saturation: Saturation;
  demand: Demand;
  credits: Credit[];
  mostWorkers: number;
  warnings: Warning[];
};

/** Throughput above a resource's room by so much refutes the room. */
const refuting = 1.1;
/** Resources whose knees differ by less bind together, as far as anybody can tell. */
const nearlyEqual = 1.1;
/**
 * How far the formula may lie outside the cells' interval and still be the same knee: what one run on a
 * busy machine is off by as a whole, which no scatter within it can tell.
 */
const agreeing = 0.08;
/** The same for an interval that holds all that a finite run takes off or adds. */
const rounding = 0.03;
/** Work per record that differs from the lab's by less is the lab's. */
const sameWork = 0.1;

/** Claims per worker under which a run is mostly its own begin and end. */
const claimsPerWorker = 5;

/** Seconds of a run below which a limit of the lab can't have been in force, as a share. */
const soonerThanPossible = 0.92;

const limits: Bottleneck[] = ['openai-rpm', 'openai-tpm', 'openai-rpd'];
export const isLimit = (resource: Bottleneck): boolean => limits.includes(resource);

/** Whether some cell did what it could not have done if the rung were right. */
function isRefuted(rung: Rung, { judged }: Saturation, demand: Demand, credits: Credit[]): boolean {
  const { resource, knee, soft } = rung;
  if (resource === 'memory') return false;
  const credit = credits.find((candidate) => candidate.resource === resource);
  if (credit)
    return judged.some(({ seen }) => {
      const records = (admitted(seen, credit) * seen.seconds) / credit.perRecord;
      return seen.seconds < soonerThanPossible * leastSeconds(credit, records);
    });
  if (soft) return judged.some(({ seen, loss }) => seen.workers > refuting * knee && loss < 0.1);
  return judged.some(({ seen }) => seen.rate * demand.total > refuting * knee);
}

/** Shares of a limit in use: all of it, as far as the lab's figure for it is right; and surely not all. */
const isUsedUp = (share: number) => share > 0.93 && share < 1.1;
const leavesRoom = 0.85;

/** The resource that most of the waiting is for. */
function seenIn(saturated: Judged, binding: Rung[], credits: Credit[]): Absorber | 'nothing' {
  const { waiting, unexplained, seen } = saturated;
  const others = absorbersOf(waiting).filter((name) => name !== 'work-units');
  const top = others[0]!;
  if (unexplained > waiting[top]) return 'nothing';
  if (!isLimit(top as Bottleneck)) return top;
  // A limit that is all used up binds, however few of the 429s are its own: its waits are longer.
  const used = ({ resource, perSecond }: Credit) => admitted(seen, { resource }) / perSecond;
  const own = credits.find(({ resource }) => resource === top);
  const full = credits.find((credit) => waiting[credit.resource] > 0 && isUsedUp(used(credit)));
  if (own && full && used(own) < leavesRoom) return full.resource;
  // Refused requests cost requests themselves, so one limit's 429s can bring another's. Of those that
  // had their share, the tighter one came first.
  const all = waiting['openai-rpm'] + waiting['openai-tpm'] + waiting['openai-rpd'];
  const both = others.filter((name) => isLimit(name as Bottleneck) && waiting[name] > 0.15 * all);
  const tightest = binding.find(
    ({ resource, knee }) => both.some((name) => name === resource) && knee < seen.workers,
  );
  return (tightest?.resource as Absorber | undefined) ?? top;
}

/**
 * Who takes the workers beyond the knee, read where it is clearest. A storm of retries that cost quota
 * shows what retries fill: there the count before it tells more, where it names a limit.
 */
function absorberOf(
  lab: Lab,
  saturated: Judged,
  clear: Judged,
  binding: Rung[],
  credits: Credit[],
): Absorber | 'nothing' {
  if (lab.openai.rejectionCost !== 'none' && isEatenByRetries(clear, credits)) {
    const before = seenIn(saturated, binding, credits);
    if (isLimit(before as Bottleneck)) return before;
  }
  return seenIn(clear, binding, credits);
}

/** Whether good traffic leaves much of a limit unused although it refuses requests: the refusals eat it. */
export function isEatenByRetries(
  { seen, loss, waiting }: Judged,
  credits: Credit[],
  resource?: Bottleneck | Absorber,
): boolean {
  return credits.some((credit) => {
    if (resource !== undefined && credit.resource !== resource) return false;
    const waits = waiting[credit.resource];
    const used = admitted(seen, credit) / credit.perSecond;
    return loss > 0.2 && waits > 0.5 * loss * seen.workers && used < 0.6;
  });
}

/**
 * What binds, by the cells first: who absorbs the workers that bring nothing. The lab's own ladder
 * decides only what cells can't show: limits whose full bucket no cell emptied, memory, and what
 * happens between two cells. A rung that some cell went past does not count.
 */
export function diagnose(lab: Lab, cells: Cell[]): Diagnosis {
  const observations = observationsOf(cells);
  const demand = demandOf(lab, observations);
  const mostWorkers = Math.max(...cells.map(({ workers }) => workers));
  const mostSeen = observations.at(-1)?.workers ?? 0;
  const credits = creditsOf(lab, demand);
  const { claims } = createWorkload(lab.workload);
  const saturation = saturationOf(observations, demand, claims, credits);
  const { saturated, clear, good } = saturation;
  const memory = kneeOfMemory(cells);
  // The lab's own figures are exact where they hold; else what was measured takes their place.
  const assumed = labDemand(lab);
  const holds = Math.abs(demand.total / assumed.total - 1) < sameWork;
  const rungs = ladder(lab, mostWorkers, holds ? assumed : demand)
    .map((rung) => (rung.resource === 'memory' && memory ? { ...rung, knee: memory.at } : rung))
    .sort((a, b) => a.knee - b.knee);
  const within = rungs.filter(({ knee }) => knee < mostWorkers - 1e-9);
  const refuted = within.filter((rung) => isRefuted(rung, saturation, demand, credits));
  const binding = within.filter((rung) => !refuted.includes(rung));
  const first = binding[0];

  const perClaim = Math.min(lab.workload.recordsPerClaim, lab.workload.records);
  const { rejectionCost } = lab.openai;
  const cellsKnee = (resource: Bottleneck) =>
    kneeOfCells(saturation, demand, {
      perClaim,
      credit: credits.find((credit) => credit.resource === resource),
      rung: rungs.find((rung) => rung.resource === resource),
      refusalsCost:
        rejectionCost === 'request+tokens' ||
        (rejectionCost === 'request' && resource !== 'openai-tpm'),
    });
  /** Whether no cell can show this rung, even if the lab is right. */
  const isUnseen = ({ resource, knee }: Rung): boolean => {
    if (resource === 'memory') return true;
    const credit = credits.find((candidate) => candidate.resource === resource);
    const visible = credit ? visibleKnee(credit, knee, lab.workload.records) : knee;
    return visible > 0.9 * mostSeen;
  };

  /** Whether a full bucket lets workers run past this rung, up to so many. */
  const isBorrowedUpTo = (workers: number, { resource, knee }: Rung): boolean => {
    const credit = credits.find((candidate) => candidate.resource === resource);
    if (!credit || credit.initial === 0) return false;
    return visibleKnee(credit, knee, lab.workload.records) > 0.9 * workers;
  };
  /** The largest count at which the cells could show what binds. */
  let shownUpTo = mostSeen;

  const common = { rungs, saturation, demand, credits, mostWorkers, refuted, binding };
  const seen = clear && saturated ? absorberOf(lab, saturated, clear, binding, credits) : undefined;
  const undetermined = (warning: Warning): Diagnosis => ({
    ...common,
    bottleneck: 'undetermined',
    knee: undefined,
    source: 'cells',
    rung: undefined,
    byCells: undefined,
    byModel: undefined,
    unseen: false,
    rival: undefined,
    seen: seen === 'nothing' ? undefined : seen,
    warnings: [warning],
  });

  const nothing: Diagnosis = {
    ...common,
    bottleneck: 'none',
    knee: undefined,
    source: 'both',
    rung: undefined,
    byCells: undefined,
    byModel: undefined,
    unseen: false,
    rival: undefined,
    seen: undefined,
    warnings: [],
  };

  let rung = first;
  const warnings: Warning[] = [];
  if (observations.length > 0 && observations.every(({ rate }) => rate === 0)) {
    if (!first || !isAllRefusedBy(first, observations)) return undetermined(nothingArrived);
    warnings.push(nothingArrived);
  }

  const stormy = ({ resource }: Rung) =>
    isLimit(resource) &&
    [saturated, clear].some((judged) => judged && isEatenByRetries(judged, credits));
  if (saturated && seen !== undefined) {
    const at = saturated.seen.workers;
    // What the model expects below the first saturated cell, and the cells can't have shown.
    const hidden = first && isUnseen(first) ? first : undefined;
    if (seen === 'nothing' || seen === 'embedding') {
      if (!hidden || hidden.knee >= (good?.seen.workers ?? 1))
        return undetermined(unexplained(saturated, seen));
    } else if (first?.resource !== seen) {
      const own = rungs.find(({ resource }) => resource === seen);
      const byCells = cellsKnee(seen);
      const kneeSeen = own && byCells ? settle(own, byCells, saturation, stormy(own)).knee.at : at;
      // Refused requests that cost quota can storm from the start on, under the limit's own knee: then
      // nobody sees what would have bound without them.
      const storm =
        own !== undefined &&
        isEatenByRetries(saturated, credits, seen) &&
        (own.knee > at || (first !== undefined && first.knee < at));
      if (storm && !first) return undetermined(stormHides(saturated, seen as Bottleneck));
      // Good traffic alone would not empty this bucket: refusals of another limit did.
      const emptiedByRefusals =
        own === undefined && credits.some(({ resource }) => resource === seen);
      const passing = own !== undefined && isPassing(own, saturation, credits, claims, mostWorkers);
      if (passing && !first) return nothing;
      const isBefore =
        first !== undefined &&
        (storm ||
          emptiedByRefusals ||
          passing ||
          (first.knee < kneeSeen &&
            (hidden !== undefined ||
              first.resource === 'work-units' ||
              isBorrowedUpTo(kneeSeen, first))));
      if (isBefore) shownUpTo = kneeSeen;
      else {
        const disagrees = !own || !first || own.knee > 1.2 * first.knee;
        rung = own ?? {
          resource: seen as Bottleneck,
          knee: Number.NaN,
          why: 'seen in the run only',
        };
        if (disagrees) warnings.push(modelDisagrees(seen as Bottleneck, first));
      }
    }
  }
  if (!rung) return nothing;

  const unseen = seen !== rung.resource && (isUnseen(rung) || isBorrowedUpTo(shownUpTo, rung));
  const byModel = Number.isFinite(rung.knee) ? rung.knee : undefined;
  const byCells = !unseen && seen === rung.resource ? cellsKnee(rung.resource) : undefined;
  const { knee, source } =
    rung.resource === 'memory' && memory
      ? { knee: memory, source: 'model' as const }
      : settle(rung, byCells, saturation, stormy(rung));
  const isRival = (other: Rung) =>
    other.resource !== rung.resource &&
    other.knee < nearlyEqual * knee.at &&
    other.knee > knee.at / nearlyEqual;
  return {
    ...common,
    bottleneck: rung.resource,
    knee,
    source,
    rung,
    byCells,
    byModel,
    unseen,
    rival: rungs.find((other) => !refuted.includes(other) && isRival(other)),
    seen: seen === 'nothing' ? undefined : seen,
    warnings,
  };
}

/**
 * Whether a limit alone kept every record from arriving: it let some requests through, and nothing but its
 * refusals went wrong. Where all are refused it may as well be a quota that is used up.
 */
function isAllRefusedBy({ resource }: Rung, observations: Observation[]): boolean {
  const own = resource.slice('openai-'.length) as 'rpm' | 'tpm' | 'rpd';
  return (
    isLimit(resource) &&
    observations.every(
      (seen) =>
        seen.rateLimited[own] > 0 && seen.embedErrors + seen.upsertErrors + seen.timeouts === 0,
    ) &&
    observations.some(({ embedded }) => embedded > 0)
  );
}

/**
 * Whether waiting for a resource that the lab gives more room than the matrix needs is the run's own
 * beginning, or too little to overrule the lab.
 */
function isPassing(
  { resource, knee }: Rung,
  { judged, saturated, clear }: Saturation,
  credits: Credit[],
  claims: number,
  mostWorkers: number,
): boolean {
  const first = saturated!.seen.workers;
  // In a short run all claims begin at once and queue for what is not full in the long run.
  if (knee > first && claims < claimsPerWorker * first) return true;
  if (knee <= mostWorkers) return false;
  const credit = credits.find((candidate) => candidate.resource === resource);
  if (!credit) return clear!.loss <= 2 * tellingLoss;
  // An empty bucket makes the first requests wait, and hints in whole seconds make them wait longer.
  const most = judged.at(-1)!.seen.workers;
  return (
    claims < claimsPerWorker * most &&
    admitted(clear!.seen, credit) < nearlyUsedUp * credit.perSecond
  );
}

/** One knee out of two: the formula's where the cells agree with it, for it is exact; else the cells'. */
function settle(
  rung: Rung,
  byCells: Knee | undefined,
  saturation: Saturation,
  stormy: boolean,
): { knee: Knee; source: Source } {
  if (!byCells && !Number.isFinite(rung.knee)) {
    const from = saturation.good?.seen.workers ?? 0;
    const to = saturation.saturated!.seen.workers;
    return {
      knee: { at: Math.sqrt(Math.max(1, from) * to), interval: [from, to] },
      source: 'cells',
    };
  }
  if (!byCells) {
    const exact = rung.resource === 'memory' || rung.resource === 'work-units';
    const error = exact ? 0 : demandError(saturation);
    const interval: [number, number] = [rung.knee * (1 - error), rung.knee * (1 + error)];
    return { knee: { at: rung.knee, interval }, source: 'model' };
  }
  // A storm of retries ends throughput under the knee: then the cells only say where it is not.
  const [low, high] = byCells.interval;
  const from = stormy ? (saturation.good?.seen.workers ?? 0) : low;
  const to = stormy ? Math.max(high, rung.knee) : high;
  const near = ([least, most]: [number, number], slack: number) =>
    rung.knee >= least * (1 - slack) && rung.knee <= most * (1 + slack);
  const agrees =
    near([from, to], rounding) || (byCells.fit && near(byCells.fit.interval, agreeing));
  if (agrees)
    return {
      knee: {
        at: rung.knee,
        interval: [Math.min(from, rung.knee), Math.max(to, rung.knee)],
      },
      source: 'both',
    };
  return { knee: { at: byCells.at, interval: [from, to] }, source: 'cells' };
}

const nothingArrived: Warning = {
  code: 'nothing-arrived',
  message: 'Not one record arrived completely, so there is no throughput to judge.',
  remedy: 'Look at the errors of the cells with the fewest workers; mend those, and run again.',
};

function modelDisagrees(seen: Bottleneck, first: Rung | undefined): Warning {
  const expected = first
    ? `${first.resource} at ${Number(first.knee.toPrecision(3))} workers`
    : 'nothing';
  return {
    code: 'model-disagrees',
    message: `The run points to ${seen}; the model expected ${expected} to bind.`,
    remedy: 'Run again with more records; if it stays, the lab does not describe this pipeline.',
  };
}

function stormHides({ seen, loss }: Judged, limit: Bottleneck): Warning {
  return {
    code: 'retries-hide-the-knee',
    message: `At ${seen.workers} workers ${Math.round(loss * 100)} % of their time brings nothing: refused requests are tried again and eat the quota of ${limit}, though good traffic would fit into it.`,
    remedy: `Run a count under ${seen.workers}, start with a full bucket (openai.bucket: full), or use a client that waits as long as it is told.`,
  };
}

function unexplained({ seen, loss }: Judged, what: 'embedding' | 'nothing'): Warning {
  const lost = `At ${seen.workers} workers ${Math.round(loss * 100)} % of their time brings nothing`;
  return what === 'embedding'
    ? {
        code: 'embeddings-slow-down',
        message: `${lost}: embeddings take longer, and no limit was hit that would explain it.`,
        remedy:
          'Look at the latency of the embeddings service, of the network and of the machine that ran this by worker count, and run fewer workers until it stays flat.',
      }
    : {
        code: 'wait-not-seen',
        message: `${lost}, and no request was under way: workers wait for something inside the command.`,
        remedy:
          'Look for a lock, a single event loop, or a database pool of its own; or set workload.recordsPerClaim if it claims more records at a time.',
      };
}
