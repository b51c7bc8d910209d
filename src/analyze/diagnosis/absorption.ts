import type { Bottleneck } from '../../model/sweep.ts';
import { admitted, type Credit } from './burst.ts';
import { type Demand, type Observation, rejections } from './observations.ts';

/** What can hold workers up. `embedding` is the service being slower under load: no limit of the list. */
export type Absorber = Exclude<Bottleneck, 'memory' | 'none' | 'undetermined'> | 'embedding';

/** Mean number of workers that each resource keeps from useful work. */
export type Waiting = { [name in Absorber]: number };

/** Mean wait before the first retry of a failed upsert, in seconds (src/model/retry.ts). */
const upsertRetrySeconds = 0.875;

/** Share of the records that arrive, below which what workers do is told by the lost ones. */
const tellinglyFew = 0.95;

/**
 * Who keeps workers from useful work: by Little's law the mean number of workers in a state is the
 * rate times the time in it, so what exceeds rate times demand is waiting. Work on records that were
 * lost is waiting too: for whatever lost them. All parts and the useful workers sum to the workers.
 */
export function waitingIn(seen: Observation, demand: Demand): Waiting {
  const { absorbed, rate, processed, embedded, upserted } = seen;
  const over = (workers: number) => Math.max(0, workers);
  const perRequest = (seconds: number) => seconds / Math.max(demand.requests, 1e-12);

  const limited = rejections(seen);
  const upsertFailures = seen.timeouts + seen.upsertErrors;
  const backoff = over(absorbed.backoff - rate * demand.backoff);
  const afterUpserts =
    limited === 0
      ? upsertFailures > 0
        ? backoff
        : 0
      : Math.min(backoff, (upsertFailures / seen.seconds) * upsertRetrySeconds);
  const lostWork =
    over(processed - rate) * (demand.read + demand.compute) +
    over(embedded - rate * demand.requests) * perRequest(demand.embed);
  const lostToUpserts = limited === 0 || upsertFailures > limited;

  const limits = backoff - afterUpserts + (lostToUpserts ? 0 : lostWork);
  // Workers that lose most records rush through the others: what gets full then is full of lost work.
  const rushed = rate < tellinglyFew * processed;
  const queued = {
    'mysql-pool': over(absorbed.read - processed * demand.read),
    'client-cpu': over(absorbed.compute - processed * demand.compute),
  };
  const byRush = rushed ? queued['mysql-pool'] + queued['client-cpu'] : 0;
  const { rpm, tpm, rpd } = seen.rateLimited;
  const shareOf = (count: number) => (limited > 0 ? count / limited : 0);
  return {
    'openai-rpm': (limits + (lostToUpserts ? 0 : byRush)) * shareOf(rpm),
    'openai-tpm': (limits + (lostToUpserts ? 0 : byRush)) * shareOf(tpm),
    'openai-rpd': (limits + (lostToUpserts ? 0 : byRush)) * shareOf(rpd),
    qdrant:
      over(absorbed.qdrant - upserted * perRequest(demand.qdrant)) +
      afterUpserts +
      (lostToUpserts ? lostWork + byRush : 0),
    'mysql-pool': rushed ? 0 : queued['mysql-pool'],
    'client-cpu': rushed ? 0 : queued['client-cpu'],
    'work-units': absorbed.idle,
    embedding: over(absorbed.embed - embedded * perRequest(demand.embed)),
  };
}

/** Names in order of the workers they absorb, most first. */
export const absorbersOf = (waiting: Waiting): Absorber[] =>
  (Object.keys(waiting) as Absorber[]).sort((a, b) => waiting[b] - waiting[a]);

/** Loss above which a cell counts as saturated: below it is noise, and the end of a run. */
export const tellingLoss = 0.1;

/** A worker count with what is known of its efficiency. */
export type Judged = {
  seen: Observation;
  waiting: Waiting;
  /** Workers that were seen to do nothing, for a reason that was not seen. */
  unexplained: number;
  /** Share of the workers whose time brought nothing, without those who had no work left. */
  loss: number;
};

/** Every worker count with its waiting, and where saturation begins. */
export type Saturation = {
  judged: Judged[];
  /** The largest worker count at which nearly all workers do useful work; undefined where there is none. */
  good: Judged | undefined;
  /** The first one above it; undefined where all are good. */
  saturated: Judged | undefined;
  /** The first one that is saturated beyond doubt: there the absorber is read. */
  clear: Judged | undefined;
  /** Worker counts that waste while larger ones do not: something else disturbed them. */
  contradicting: number[];
};

/** Refusals make a start about twice as long as the bucket alone would (seen in simulations). */
const startFactor = 2;

/** Share of a limit in use from which on waiting for it is no matter of the start. */
export const nearlyUsedUp = 0.8;

/**
 * Mean number of workers that an empty bucket keeps waiting at the start, before the first requests
 * are through: the k-th waits until k requests have flowed in. A steady limit keeps them waiting on.
 */
function startUp(
  seen: Observation,
  demand: Demand,
  credits: Credit[],
  claims: number,
): { [name in Credit['resource']]?: number } {
  const first = Math.min(seen.workers, claims);
  return Object.fromEntries(
    credits
      .filter(
        ({ resource, initial, perSecond }) =>
          initial === 0 && admitted(seen, { resource }) < nearlyUsedUp * perSecond,
      )
      .map(({ resource, perRecord, perSecond }) => {
        const request = perRecord / Math.max(demand.requests, 1e-12);
        const waited = ((first ** 2 / 2) * request * startFactor) / perSecond;
        return [resource, waited / seen.seconds];
      }),
  );
}

/** Workers without a claim, on average, when so many claims of equal length are shared out. */
const withoutClaim = (workers: number, claims: number): number =>
  workers - claims / Math.ceil(claims / workers);

/**
 * Finds where workers begin to bring nothing. Seen from outside, only as many are believed to be out of
 * work as `claims` explain: the others wait for something that was not seen.
 */
export function saturationOf(
  observations: Observation[],
  demand: Demand,
  claims: number,
  credits: Credit[],
): Saturation {
  const judged = observations.map((seen) => {
    const all = waitingIn(seen, demand);
    const started = startUp(seen, demand, credits, claims);
    const waiting = {
      ...all,
      ...Object.fromEntries(
        Object.entries(started).map(([name, workers]) => [
          name,
          Math.max(0, all[name as Absorber] - workers),
        ]),
      ),
    };
    const outOfWork = seen.fromOutside
      ? Math.min(waiting['work-units'], withoutClaim(seen.workers, claims))
      : waiting['work-units'];
    const starting = Object.values(started).reduce(
      (sum, workers, at) => sum + Math.min(workers, all[Object.keys(started)[at] as Absorber]),
      0,
    );
    const useful = seen.rate * demand.total + starting;
    return {
      seen,
      waiting: { ...waiting, 'work-units': outOfWork },
      unexplained: waiting['work-units'] - outOfWork,
      loss: Math.max(0, 1 - (useful + outOfWork) / seen.workers),
    };
  });
  const isGood = ({ seen, loss }: Judged) => seen.rate > 0 && loss <= tellingLoss;
  const last = judged.findLastIndex(isGood);
  return {
    judged,
    good: judged[last],
    saturated: judged[last + 1],
    clear: judged.slice(last + 1).find(({ loss }) => loss > 2 * tellingLoss) ?? judged[last + 1],
    contradicting: judged
      .slice(0, Math.max(0, last))
      .filter(({ loss }) => loss > 2 * tellingLoss)
      .map(({ seen }) => seen.workers),
  };
}

/**
 * Who takes each worker that is added from one worker count to the next, as shares that sum to one:
 * a_i = dL_i / dN. `useful` is the share that brings throughput.
 */
export function marginal(
  from: Judged,
  to: Judged,
  demand: Demand,
): { useful: number; waiting: Waiting } {
  const added = to.seen.workers - from.seen.workers;
  const share = (name: Absorber) => (to.waiting[name] - from.waiting[name]) / added;
  const names = Object.keys(to.waiting) as Absorber[];
  return {
    useful: ((to.seen.rate - from.seen.rate) * demand.total) / added,
    waiting: Object.fromEntries(names.map((name) => [name, share(name)])) as Waiting,
  };
}
