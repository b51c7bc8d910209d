/**
 * Qdrant's strict-mode rate limiter: a token bucket that holds a minute of its limit, starts full and
 * charges nothing for what it refuses (lib/common/common/src/rate_limiting.rs of 1.19).
 */
export type RateLimit = {
  /** Takes `cost` tokens (undefined), or says what is there and when it would suffice; Infinity = never. */
  take: (cost: number, nowUs: number) => { available: number; waitSeconds: number } | undefined;
  /** Tokens that are there. */
  available: (nowUs: number) => number;
};

const minuteUs = 60_000_000;

export function createRateLimit(perMinute: number, beganUs = 0): RateLimit {
  // In tokens times microseconds of a minute: whole numbers, so that after exactly the wait that a
  // client was told there is enough.
  const capacity = perMinute * minuteUs;
  let level = capacity;
  let atUs = beganUs;
  const refill = (nowUs: number) => {
    level = Math.min(capacity, level + Math.max(0, nowUs - atUs) * perMinute);
    atUs = Math.max(atUs, nowUs);
  };
  return {
    take(cost, nowUs) {
      refill(nowUs);
      const available = level / minuteUs;
      if (cost > perMinute) return { available, waitSeconds: Infinity };
      const missing = cost * minuteUs - level;
      if (missing > 0) return { available, waitSeconds: Math.ceil(missing / perMinute) / 1e6 };
      level -= cost * minuteUs;
      return undefined;
    },
    available(nowUs) {
      refill(nowUs);
      return level / minuteUs;
    },
  };
}
