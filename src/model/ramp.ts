/**
 * The provider's limit on how fast traffic may grow: once it reaches 1,000,000 tokens per minute, by
 * no more than 50 % every 15 minutes [documented]. It refuses with 429 `slow_down`, even
 * within RPM and TPM.
 *
 * How the growth is measured is not published. Assumed here: time since the first request is cut into
 * quarters of an hour. Within one, admitted tokens may come at a steady rate with a minute of it as
 * burst, as TPM does; the rate is 1,000,000 per minute, or half as much again as the mean of the
 * quarter before, whichever is more. Refused tokens are no traffic.
 */
import type { Refusal } from './limiter.ts';

export type Ramp = {
  /** Why these tokens grow the traffic too fast, undefined where they do not. Takes nothing. */
  refusal: (tokens: number, nowUs: number) => Refusal | undefined;
  /** Counts tokens that were admitted. */
  count: (tokens: number, nowUs: number) => void;
};

const minuteUs = 60_000_000;
const quarterUs = 15 * minuteUs;
const freeRate = 1_000_000;
/** Tokens per minute up to which a level times its window stays an exact integer: a lab's largest TPM. */
const mostRate = 75_000_000;

/** `beganUs` is when the first quarter begins. */
export function createRamp(beganUs: number): Ramp {
  let quarterEndsUs = beganUs + quarterUs;
  let rate = freeRate;
  let admitted = 0;
  // In tokens times microseconds, as the limiter's levels are.
  let level = 0;
  let atUs = beganUs;

  const drain = (toUs: number) => {
    const elapsed = Math.min(toUs - atUs, minuteUs);
    if (elapsed > 0) level = Math.max(0, level - elapsed * rate);
    atUs = Math.max(atUs, toUs);
  };
  const moveTo = (nowUs: number) => {
    if (nowUs >= quarterEndsUs) {
      drain(quarterEndsUs);
      const past = Math.floor((nowUs - quarterEndsUs) / quarterUs);
      // Where a whole quarter went by, it had no traffic.
      const mean = past > 0 ? 0 : admitted / 15;
      rate = Math.min(mostRate, Math.max(freeRate, Math.floor(mean * 1.5)));
      level = Math.min(level, rate * minuteUs);
      admitted = 0;
      quarterEndsUs += (past + 1) * quarterUs;
    }
    drain(nowUs);
  };

  return {
    refusal(tokens, nowUs) {
      moveTo(nowUs);
      const cost = tokens * minuteUs;
      const excess = level + cost - rate * minuteUs;
      if (excess <= 0) return undefined;
      return {
        name: 'tpm',
        limit: rate,
        used: Math.ceil(level / minuteUs),
        requested: tokens,
        waitUs: tokens > rate ? Infinity : Math.ceil(excess / rate),
      };
    },
    count(tokens, nowUs) {
      moveTo(nowUs);
      admitted += tokens;
      level += tokens * minuteUs;
    },
  };
}
