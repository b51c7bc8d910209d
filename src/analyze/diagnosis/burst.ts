import { bucketStart, type Lab } from '../../model/lab.ts';
import type { Bottleneck } from '../../model/sweep.ts';
import type { Demand, Observation } from './observations.ts';

/** A rate limit as a bucket, and what a record takes out of it. Units are requests or tokens. */
export type Credit = {
  resource: Extract<Bottleneck, 'openai-rpm' | 'openai-tpm' | 'openai-rpd'>;
  perSecond: number;
  /** What the bucket holds when the run begins: work that costs no time. */
  initial: number;
  /** What it holds at most. */
  bucket: number;
  perRecord: number;
};

/** The limits of the lab that are buckets. */
export function creditsOf(lab: Lab, { tokens, requests }: Demand): Credit[] {
  const { limits, burstSeconds, bucket } = lab.openai;
  const start = bucketStart(bucket);
  const credit = (name: 'rpm' | 'tpm' | 'rpd', windowSeconds: number, perRecord: number) => {
    const limit = limits[name];
    if (limit === undefined || perRecord === 0) return [];
    const perSecond = limit / windowSeconds;
    // A day's bucket always holds the day.
    const holds = name === 'rpd' ? limit : perSecond * burstSeconds;
    const initial = start[name] === 'full' ? holds : 0;
    return [{ resource: `openai-${name}` as const, perSecond, initial, bucket: holds, perRecord }];
  };
  return [
    ...credit('tpm', 60, tokens),
    ...credit('rpm', 60, requests),
    ...credit('rpd', 86_400, requests),
  ];
}

/** Requests or tokens per second that a limit let through. */
export const admitted = (
  { tokens, embedded }: Pick<Observation, 'tokens' | 'embedded'>,
  { resource }: Pick<Credit, 'resource'>,
): number => (resource === 'openai-tpm' ? tokens : embedded);

/** Seconds that a limit makes so many records take at least: (R·T - f·B) / λ. */
export const leastSeconds = ({ perRecord, initial, perSecond }: Credit, records: number): number =>
  Math.max(0, records * perRecord - initial) / perSecond;

/** Share of the work that the limit's own rate had to carry: the rest came out of a full bucket. */
export const steadyShare = ({ perRecord, initial }: Credit, records: number): number =>
  Math.max(0, 1 - initial / (records * perRecord));

/** Where the knee of a whole run seems to be: N* / (1 - f·B / (R·T)); Infinity where the bucket suffices. */
export const visibleKnee = (credit: Credit, knee: number, records: number): number => {
  const share = steadyShare(credit, records);
  return share > 0 ? knee / share : Infinity;
};

/** Buckets of work that keep the visible knee within 5 % of the true one: 1 / (1 - 1/21) = 1.05. */
export const bucketsToRun = 21;

/** Records that show the limit. */
export const recordsToShow = ({ bucket, perRecord }: Credit): number =>
  // A record's share is measured: without the slack its last digit would ask for one record more.
  Math.ceil((bucketsToRun * bucket) / perRecord - 1e-6 * bucketsToRun);
