/**
 * A rate limiter that charges one request to several quotas at once, as OpenAI does with requests
 * and tokens: either every quota admits it, or none is charged.
 *
 * Each quota is a bucket that refills continuously and holds a minute of its limit (a day for RPD):
 * every published hint equals `(used + requested - limit) / rate` [recorded].
 *
 * Time is an argument in whole microseconds. Levels are kept in units times microseconds of the
 * window, so all arithmetic is on integers below 2^53 and an admission is exact, however long the
 * limiter runs.
 */
export type QuotaName = 'rpm' | 'tpm' | 'rpd';
export type Limits = { [name in QuotaName]?: number };
export type RejectionCost = 'none' | 'request' | 'request+tokens';
export type Fill = 'full' | 'empty';

export type Quota = {
  name: QuotaName;
  unit: 'requests' | 'tokens';
  limit: number;
  windowUs: number;
  /** What the bucket holds, in requests or tokens. */
  capacity: number;
  start: Fill;
};

export type Standing = {
  name: QuotaName;
  limit: number;
  /** Whole units that are left, rounded down. */
  remaining: number;
  /** Whole units that are used, rounded up. */
  used: number;
  /** Milliseconds until the bucket is full again, rounded down as the provider's header is. */
  fullAgainMs: number;
};

export type Refusal = {
  name: QuotaName;
  limit: number;
  used: number;
  requested: number;
  /** Microseconds until this request would fit, rounded up; Infinity if it is larger than the bucket. */
  waitUs: number;
};

export type Limiter = {
  /** Admits and charges (undefined), or refuses and says which quota binds longest. */
  admit: (tokens: number, nowUs: number) => Refusal | undefined;
  /** Charges what a refusal costs to a request that was refused for another reason. */
  reject: (tokens: number, nowUs: number) => void;
  standings: (nowUs: number) => Standing[];
  /** Changes limits while keeping what was used, as a tier upgrade does. */
  switchTo: (quotas: Quota[], nowUs: number) => void;
};

const minuteUs = 60_000_000;
const dayUs = 86_400_000_000;

/** The quotas of a set of limits. `burstSeconds` sets what the per-minute buckets hold. */
export function quotasOf(
  limits: Limits,
  burstSeconds: number,
  start: { [name in QuotaName]: Fill },
): Quota[] {
  const quota = (name: QuotaName, unit: Quota['unit'], windowUs: number, seconds: number) => {
    const limit = limits[name];
    if (limit === undefined) return [];
    return [
      {
        name,
        unit,
        limit,
        windowUs,
        capacity: (limit * seconds * 1e6) / windowUs,
        start: start[name],
      },
    ];
  };
  return [
    ...quota('rpm', 'requests', minuteUs, burstSeconds),
    ...quota('tpm', 'tokens', minuteUs, burstSeconds),
    // A day's bucket always holds the day: its recorded messages say "Limit 200, Used 200".
    ...quota('rpd', 'requests', dayUs, dayUs / 1e6),
  ];
}

export function createLimiter(quotas: Quota[], rejectionCost: RejectionCost): Limiter {
  const bucketOf = (quota: Quota) => {
    const capacity = Math.round(quota.capacity * quota.windowUs);
    return { ...quota, capacity, level: quota.start === 'empty' ? capacity : 0, atUs: 0 };
  };
  let buckets = quotas.map(bucketOf);

  const drain = (nowUs: number) => {
    for (const bucket of buckets) {
      // More than a whole bucket cannot drain; the bound keeps the product exact.
      const elapsed = Math.min(nowUs - bucket.atUs, bucket.windowUs);
      if (elapsed > 0) bucket.level = Math.max(0, bucket.level - elapsed * bucket.limit);
      bucket.atUs = Math.max(bucket.atUs, nowUs);
    }
  };

  const charge = (tokens: number, admitted: boolean) => {
    for (const bucket of buckets) {
      const isRequests = bucket.unit === 'requests';
      const charged =
        admitted || rejectionCost === 'request+tokens' || (isRequests && rejectionCost !== 'none');
      if (!charged) continue;
      const cost = (isRequests ? 1 : tokens) * bucket.windowUs;
      bucket.level = Math.min(bucket.capacity, bucket.level + cost);
    }
  };

  return {
    admit(tokens, nowUs) {
      drain(nowUs);
      let refusal: Refusal | undefined;
      for (const bucket of buckets) {
        const requested = bucket.unit === 'requests' ? 1 : tokens;
        const cost = requested * bucket.windowUs;
        const excess = bucket.level + cost - bucket.capacity;
        if (excess <= 0) continue;
        const { name, limit } = bucket;
        const waitUs = cost > bucket.capacity ? Infinity : Math.ceil(excess / limit);
        const used = Math.ceil(bucket.level / bucket.windowUs);
        if (!refusal || waitUs > refusal.waitUs) refusal = { name, limit, used, requested, waitUs };
      }
      charge(tokens, refusal === undefined);
      return refusal;
    },
    reject(tokens, nowUs) {
      drain(nowUs);
      charge(tokens, false);
    },
    standings(nowUs) {
      drain(nowUs);
      return buckets.map(({ name, limit, windowUs, capacity, level }) => ({
        name,
        limit,
        remaining: Math.floor((capacity - level) / windowUs),
        used: Math.ceil(level / windowUs),
        fullAgainMs: Math.floor(level / limit / 1_000),
      }));
    },
    switchTo(next, nowUs) {
      drain(nowUs);
      const before = buckets;
      buckets = next.map(bucketOf).map((bucket) => {
        const old = before.find(({ name }) => name === bucket.name);
        const level = old ? Math.min(old.level, bucket.capacity) : bucket.level;
        return { ...bucket, level, atUs: nowUs };
      });
    },
  };
}

/** Tokens that OpenAI charges to TPM before it tokenizes: UTF-8 bytes / 4 over the whole request [recorded]. */
export const chargedTokens = (utf8Bytes: number): number => Math.floor(utf8Bytes / 4);
