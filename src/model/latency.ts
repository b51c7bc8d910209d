/**
 * Latency distributions from what users know of a service: one number, or p50, p95 and p99.
 * A sampler turns a uniform number into microseconds, so it is pure and equal in every engine.
 */
export type LatencySpec = {
  /** Milliseconds: always the same… */
  fixed?: number;
  /** …or three percentiles in milliseconds. */
  p50?: number;
  p95?: number;
  p99?: number;
  /** Milliseconds more for each 1,000 tokens of the request. */
  perThousandTokens?: number;
  /** `ms` more for each request in flight above `count` (the new one included), at most `maxMs`. */
  perInFlightAbove?: { count: number; ms: number; maxMs?: number };
};

const z95 = 1.6448536269514722;
const z99 = 2.3263478740408408;

/**
 * The inverse of the standard normal distribution.
 * Source: P. J. Acklam's rational approximation (2003), relative error below 1.15e-9.
 */
export function normalQuantile(p: number): number {
  const tail = (q: number) =>
    (((((-7.784894002430293e-3 * q - 3.223964580411365e-1) * q - 2.400758277161838) * q -
      2.549732539343734) *
      q +
      4.374664141464968) *
      q +
      2.938163982698783) /
    ((((7.784695709041462e-3 * q + 3.224671290700398e-1) * q + 2.445134137142996) * q +
      3.754408661907416) *
      q +
      1);
  if (p < 0.02425) return tail(Math.sqrt(-2 * Math.log(p)));
  if (p > 1 - 0.02425) return -tail(Math.sqrt(-2 * Math.log(1 - p)));
  const q = p - 0.5;
  const r = q * q;
  return (
    ((((((-3.969683028665376e1 * r + 2.209460984245205e2) * r - 2.759285104469687e2) * r +
      1.38357751867269e2) *
      r -
      3.066479806614716e1) *
      r +
      2.506628277459239) *
      q) /
    (((((-5.447609879822406e1 * r + 1.615858368580409e2) * r - 1.556989798598866e2) * r +
      6.680131188771972e1) *
      r -
      1.328068155288572e1) *
      r +
      1)
  );
}

/**
 * Milliseconds at a probability, through all three percentiles exactly.
 *
 * A shifted lognormal where one exists and is believable; else, where the tail is lighter than
 * normal, two straight pieces over the normal quantile; where it is wild (sigma over 2), a
 * lognormal body with a Pareto tail above p95, cut at ten times p99.
 */
export function quantileThrough(p50: number, p95: number, p99: number): (p: number) => number {
  if (p95 === p50) return (p) => (p <= 0.95 ? p50 : p50 + (p99 - p50) * ((p - 0.95) / 0.04));
  if ((p99 - p50) / (p95 - p50) <= z99 / z95) {
    return (p) => {
      const z = normalQuantile(p);
      const ms =
        z <= z95 ? p50 + ((p95 - p50) * z) / z95 : p95 + ((p99 - p95) * (z - z95)) / (z99 - z95);
      return Math.max(0, ms);
    };
  }
  // The log ratio moves one way as the shift rises: there is one root to bisect.
  let [low, high] = [-1e6 * p50, p50];
  for (let step = 0; step < 200; step++) {
    const shift = (low + high) / 2;
    const ratio = Math.log((p99 - shift) / (p50 - shift)) / Math.log((p95 - shift) / (p50 - shift));
    if (ratio > z99 / z95) low = shift;
    else high = shift;
  }
  const shift = (low + high) / 2;
  const sigma = Math.log((p95 - shift) / (p50 - shift)) / z95;
  if (sigma <= 2 && shift / p50 <= 0.95)
    return (p) => Math.max(0, shift + (p50 - shift) * Math.exp(sigma * normalQuantile(p)));
  const bodySigma = Math.log(p95 / p50) / z95;
  const alpha = Math.log(5) / Math.log(p99 / p95);
  return (p) =>
    p <= 0.95
      ? p50 * Math.exp(bodySigma * normalQuantile(p))
      : Math.min(10 * p99, p95 * (0.05 / (1 - p)) ** (1 / alpha));
}

/** Microseconds without load, from a uniform number in (0, 1). Never reads it where it is fixed. */
export type LatencySampler = { random: boolean; us: (u: number) => number; meanUs: () => number };

export function latencySampler(spec: LatencySpec): LatencySampler {
  const { fixed, p50 = 0, p95 = p50, p99 = p95 } = spec;
  if (fixed !== undefined) {
    const us = Math.round(fixed * 1_000);
    return { random: false, us: () => us, meanUs: () => us };
  }
  const quantile = quantileThrough(p50, p95, p99);
  const us = (u: number) => Math.round(quantile(u) * 1_000);
  const points = 4_000;
  const meanUs = () => {
    let sum = 0;
    for (let index = 0; index < points; index++) sum += us((index + 0.5) / points);
    return sum / points;
  };
  return { random: true, us, meanUs };
}
