/**
 * What a pipeline can do on its own side so that the provider has nothing to refuse: one limit for all
 * of its workers. Time is an argument in whole microseconds.
 */
import type { Limits } from './limiter.ts';

/** Asked before each embeddings request, told of each answer. */
export type Gate = {
  /**
   * The instant from which a request of so many charged tokens may be sent; it is counted from now on.
   * Undefined where only the answer to another request can tell: ask again then.
   */
  ask: (tokens: number, nowUs: number) => number | undefined;
  /** A request was answered; `refused` with a 429. */
  answered: (refused: boolean, nowUs: number) => void;
};

export type Pace = {
  limits: Pick<Limits, 'rpm' | 'tpm'>;
  /** Share of the limits to use, in (0, 1]. */
  share: number;
  /** Seconds of the limits that may be saved up and spent at once. */
  burstSeconds: number;
  /** Whether they are saved up at the start. Empty is safe: something else may have used the quota. */
  start: 'full' | 'empty';
};

const minuteUs = 60_000_000;

/**
 * A pace for all workers, first come first served: GCRA, kept as the instant at which everything that
 * was sent is paid for. With no more burst than the provider's bucket has, and started
 * no fuller, the provider never refuses: its bucket holds at least what this one does.
 */
export function createPace({ limits, share, burstSeconds, start }: Pace): Gate {
  const burstUs = burstSeconds * 1e6;
  const buckets = (['rpm', 'tpm'] as const).flatMap((name) => {
    const limit = limits[name];
    if (limit === undefined) return [];
    const perUnitUs = minuteUs / (limit * share);
    return [{ name, perUnitUs, paidUs: start === 'empty' ? burstUs : 0 }];
  });
  return {
    ask(tokens, nowUs) {
      let atUs = nowUs;
      const costUs = ({ name, perUnitUs }: (typeof buckets)[number]) =>
        perUnitUs * (name === 'rpm' ? 1 : tokens);
      for (const bucket of buckets)
        atUs = Math.max(atUs, Math.ceil(Math.max(bucket.paidUs, nowUs) + costUs(bucket) - burstUs));
      for (const bucket of buckets) {
        // What a request is larger than the burst, it waits for: that much is saved up for it alone.
        const own = Math.max(0, costUs(bucket) - burstUs);
        bucket.paidUs = Math.max(bucket.paidUs, atUs - own) + costUs(bucket);
      }
      return atUs;
    },
    answered() {},
  };
}

/**
 * Additive increase, multiplicative decrease of the requests in flight: a 429 takes half, successes
 * give back a tenth of a request for each round (after Chiu & Jain 1989; a gradient of latencies can't
 * see a token bucket). It needs no knowledge of the limit.
 */
export function createAimd(startInFlight: number): Gate {
  let limit = startInFlight;
  let inFlight = 0;
  let cutUs = Number.NEGATIVE_INFINITY;
  return {
    ask(_tokens, nowUs) {
      if (inFlight >= Math.max(1, Math.floor(limit))) return undefined;
      inFlight++;
      return nowUs;
    },
    answered(refused, nowUs) {
      const crowded = inFlight * 2 >= limit;
      inFlight--;
      if (!refused) {
        if (crowded) limit = Math.min(startInFlight, limit + 0.1 / limit);
        return;
      }
      // Refusals of one moment are one piece of news.
      if (nowUs - cutUs < 1e6) return;
      cutUs = nowUs;
      limit = Math.max(1, limit / 2);
    },
  };
}
