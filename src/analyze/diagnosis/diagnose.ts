import type { Lab } from '../../model/lab.ts';
import type { Bottleneck, Cell, Warning } from '../../model/sweep.ts';
import { createWorkload } from '../../model/workload.ts';
import { type Absorber, type Judged, type Saturation, saturationOf } from './absorption.ts';
import { type Credit, creditsOf, visibleKnee } from './burst.ts';
import { absorberOf, isAllRefusedBy, isEatenByRetries, isLimit, isPassing } from './culprit.ts';
import { modelDisagrees, nothingArrived, stormHides, unexplained } from './doubts.ts';
import { type Knee, kneeOfCells, kneeOfMemory } from './knee.ts';
import { ladder, type Rung } from './ladder.ts';
import {
  type Demand,
  demandOf,
  labDemand,
  type Observation,
  observationsOf,
} from './observations.ts';
import { isRefuted, type Source, settle } from './settle.ts';

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

/** Resources whose knees differ by less bind together, as far as anybody can tell. */
const nearlyEqual = 1.1;
/** Work per record that differs from the lab's by less is the lab's. */
const sameWork = 0.1;
/** A rung from this share of a worker count on is not seen at that count: the loss there is noise. */
const hardlySeen = 0.9;

/** What cells and lab say before anything is decided. */
type Facts = {
  lab: Lab;
  observations: Observation[];
  demand: Demand;
  credits: Credit[];
  claims: number;
  saturation: Saturation;
  memory: Knee | undefined;
  rungs: Rung[];
  refuted: Rung[];
  binding: Rung[];
  /** Who was seen to absorb workers; undefined where nobody did. */
  seen: Absorber | 'nothing' | undefined;
  mostWorkers: number;
  /** The largest worker count that ran. */
  mostSeen: number;
};

function factsOf(lab: Lab, cells: Cell[]): Facts {
  const observations = observationsOf(cells);
  const demand = demandOf(lab, observations);
  const credits = creditsOf(lab, demand);
  const { claims } = createWorkload(lab.workload);
  const saturation = saturationOf(observations, demand, claims, credits);
  const memory = kneeOfMemory(cells);
  const mostWorkers = Math.max(...cells.map(({ workers }) => workers));
  // The lab's own figures are exact where they hold; else what was measured takes their place.
  const assumed = labDemand(lab);
  const holds = Math.abs(demand.total / assumed.total - 1) < sameWork;
  const rungs = ladder(lab, mostWorkers, holds ? assumed : demand)
    .map((rung) => (rung.resource === 'memory' && memory ? { ...rung, knee: memory.at } : rung))
    .sort((a, b) => a.knee - b.knee);
  const within = rungs.filter(({ knee }) => knee < mostWorkers - 1e-9);
  const refuted = within.filter((rung) => isRefuted(rung, saturation, demand, credits));
  const binding = within.filter((rung) => !refuted.includes(rung));
  const { saturated, clear } = saturation;
  return {
    lab,
    observations,
    demand,
    credits,
    claims,
    saturation,
    memory,
    rungs,
    refuted,
    binding,
    seen: saturated && clear && absorberOf(lab, saturated, clear, binding, credits),
    mostWorkers,
    mostSeen: observations.at(-1)?.workers ?? 0,
  };
}

const creditOf = ({ credits }: Facts, { resource }: Pick<Rung, 'resource'>): Credit | undefined =>
  credits.find((credit) => credit.resource === resource);

/** Whether no cell can show this rung, even if the lab is right. */
function isUnseen(facts: Facts, rung: Rung): boolean {
  if (rung.resource === 'memory') return true;
  const credit = creditOf(facts, rung);
  const { records } = facts.lab.workload;
  const visible = credit ? visibleKnee(credit, rung.knee, records) : rung.knee;
  return visible > hardlySeen * facts.mostSeen;
}

/** Whether a full bucket lets workers run past this rung, up to so many. */
function isBorrowedUpTo(facts: Facts, workers: number, rung: Rung): boolean {
  const credit = creditOf(facts, rung);
  if (!credit || credit.initial === 0) return false;
  return visibleKnee(credit, rung.knee, facts.lab.workload.records) > hardlySeen * workers;
}

/** The knee of a resource by the cells alone. */
function kneeSeen(facts: Facts, resource: Bottleneck): Knee | undefined {
  const { lab, saturation, demand, rungs } = facts;
  const { rejectionCost } = lab.openai;
  return kneeOfCells(saturation, demand, {
    perClaim: Math.min(lab.workload.recordsPerClaim, lab.workload.records),
    credit: creditOf(facts, { resource }),
    rung: rungs.find((rung) => rung.resource === resource),
    refusalsCost:
      rejectionCost === 'request+tokens' ||
      (rejectionCost === 'request' && resource !== 'openai-tpm'),
  });
}

/** The knee that counts, of what the formula and the cells know of it. */
function settled(facts: Facts, rung: Rung, byCells: Knee | undefined) {
  const { saturation, credits } = facts;
  const { saturated, clear } = saturation;
  const isStorm = (judged: Judged | undefined) =>
    judged !== undefined && isEatenByRetries(judged, credits);
  const stormy = isLimit(rung.resource) && (isStorm(saturated) || isStorm(clear));
  return settle(rung, byCells, saturation, stormy);
}

/** A decision: what binds, with doubts; or `doubt` alone where nobody can tell. */
type Decision =
  | { doubt: Warning }
  | {
      /** Undefined where nothing binds. */
      rung?: Rung | undefined;
      /** The worker count up to which the cells could show it. */
      shownUpTo?: number;
      warnings?: Warning[];
    };

/** Between what the lab expects first and another resource that the cells point to. */
function decideBetween(
  facts: Facts,
  first: Rung | undefined,
  seen: Exclude<Absorber, 'embedding'>,
): Decision {
  const { rungs, saturation, credits, claims, mostWorkers } = facts;
  const saturated = saturation.saturated!;
  const at = saturated.seen.workers;
  const own = rungs.find(({ resource }) => resource === seen);
  // Refused requests that cost quota can storm from the start on, under the limit's own knee: then
  // nobody sees what would have bound without them.
  const storm =
    own !== undefined &&
    isEatenByRetries(saturated, credits, seen) &&
    (own.knee > at || (first !== undefined && first.knee < at));
  if (storm && !first) return { doubt: stormHides(saturated, seen) };
  const passing = own !== undefined && isPassing(own, saturation, credits, claims, mostWorkers);
  if (passing && !first) return {};

  // Good traffic alone would not empty this bucket: refusals of another limit did.
  const emptiedByRefusals = own === undefined && credits.some(({ resource }) => resource === seen);
  const byCells = kneeSeen(facts, seen);
  const kneeAt = own && byCells ? settled(facts, own, byCells).knee.at : at;
  // What binds earlier in steady state, and this run could not show.
  const isHidden = (rung: Rung) =>
    isUnseen(facts, rung) || rung.resource === 'work-units' || isBorrowedUpTo(facts, kneeAt, rung);
  if (first && (storm || emptiedByRefusals || passing || (first.knee < kneeAt && isHidden(first))))
    return { rung: first, shownUpTo: kneeAt };
  const disagrees = !own || !first || own.knee > 1.2 * first.knee;
  return {
    rung: own ?? { resource: seen, knee: Number.NaN, why: 'seen in the run only' },
    ...(disagrees && { warnings: [modelDisagrees(seen, first)] }),
  };
}

function decide(facts: Facts): Decision {
  const { observations, saturation, binding, seen } = facts;
  const first = binding[0];
  if (observations.length > 0 && observations.every(({ rate }) => rate === 0))
    return first && isAllRefusedBy(first, observations)
      ? { rung: first, warnings: [nothingArrived] }
      : { doubt: nothingArrived };
  if (seen === undefined || seen === first?.resource) return { rung: first };
  if (seen !== 'nothing' && seen !== 'embedding') return decideBetween(facts, first, seen);
  // Nothing of the list: only what the model expects below it, and no cell can show, may still bind.
  const isBelow = first !== undefined && first.knee < (saturation.good?.seen.workers ?? 1);
  return isBelow && isUnseen(facts, first)
    ? { rung: first }
    : { doubt: unexplained(saturation.saturated!, seen) };
}

/**
 * What binds, by the cells first: who absorbs the workers that bring nothing. The lab's own ladder
 * decides only what cells can't show: limits whose full bucket no cell emptied, memory, and what
 * happens between two cells. A rung that some cell went past does not count.
 */
export function diagnose(lab: Lab, cells: Cell[]): Diagnosis {
  const facts = factsOf(lab, cells);
  const { rungs, saturation, demand, credits, mostWorkers, refuted, binding, memory } = facts;
  const seen = facts.seen === 'nothing' ? undefined : facts.seen;
  const open: Omit<Diagnosis, 'bottleneck'> = {
    knee: undefined,
    source: 'cells',
    rungs,
    rung: undefined,
    binding,
    refuted,
    byCells: undefined,
    byModel: undefined,
    unseen: false,
    rival: undefined,
    seen,
    saturation,
    demand,
    credits,
    mostWorkers,
    warnings: [],
  };
  const decision = decide(facts);
  if ('doubt' in decision)
    return { ...open, bottleneck: 'undetermined', warnings: [decision.doubt] };
  const { rung, shownUpTo = facts.mostSeen, warnings = [] } = decision;
  if (!rung) return { ...open, bottleneck: 'none', source: 'both', seen: undefined };

  const unseen =
    seen !== rung.resource && (isUnseen(facts, rung) || isBorrowedUpTo(facts, shownUpTo, rung));
  const byCells = !unseen && seen === rung.resource ? kneeSeen(facts, rung.resource) : undefined;
  const { knee, source } =
    rung.resource === 'memory' && memory
      ? { knee: memory, source: 'model' as const }
      : settled(facts, rung, byCells);
  const isRival = (other: Rung) =>
    other.resource !== rung.resource &&
    !refuted.includes(other) &&
    other.knee < nearlyEqual * knee.at &&
    other.knee > knee.at / nearlyEqual;
  return {
    ...open,
    bottleneck: rung.resource,
    knee,
    source,
    rung,
    byCells,
    byModel: Number.isFinite(rung.knee) ? rung.knee : undefined,
    unseen,
    rival: rungs.find(isRival),
    warnings,
  };
}
