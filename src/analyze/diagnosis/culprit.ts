/** Who takes the workers that bring nothing, by the cells: a resource, or a limit among several whose 429s mix. */
import type { Lab } from '../../model/lab.ts';
import type { Bottleneck } from '../../model/sweep.ts';
import {
  type Absorber,
  absorbersOf,
  type Judged,
  nearlyUsedUp,
  type Saturation,
  tellingLoss,
} from './absorption.ts';
import { admitted, type Credit } from './burst.ts';
import type { Rung } from './ladder.ts';
import type { Observation } from './observations.ts';

const limits: Bottleneck[] = ['openai-rpm', 'openai-tpm', 'openai-rpd'];
export const isLimit = (resource: Bottleneck): boolean => limits.includes(resource);

/** A limit as the provider calls it: `tpm` of `openai-tpm`. */
export const limitName = (resource: Bottleneck) =>
  resource.slice('openai-'.length) as 'rpm' | 'tpm' | 'rpd';

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
export function absorberOf(
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

/** Claims per worker under which a run is mostly its own begin and end. */
const claimsPerWorker = 5;

/**
 * Whether a limit alone kept every record from arriving: it let some requests through, and nothing but its
 * refusals went wrong. Where all are refused it may as well be a quota that is used up.
 */
export function isAllRefusedBy({ resource }: Rung, observations: Observation[]): boolean {
  const own = limitName(resource);
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
export function isPassing(
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
