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

export function createRateLimit(perMinute: number, beganUs = 0): RateLimit {
  const perUs = perMinute / 60e6;
  let tokens = perMinute;
  let atUs = beganUs;
  const refill = (nowUs: number) => {
    tokens = Math.min(perMinute, tokens + Math.max(0, nowUs - atUs) * perUs);
    atUs = Math.max(atUs, nowUs);
  };
  return {
    take(cost, nowUs) {
      refill(nowUs);
      if (cost > perMinute) return { available: tokens, waitSeconds: Infinity };
      if (cost > tokens) return { available: tokens, waitSeconds: (cost - tokens) / perUs / 1e6 };
      tokens -= cost;
      return undefined;
    },
    available(nowUs) {
      refill(nowUs);
      return tokens;
    },
  };
}
