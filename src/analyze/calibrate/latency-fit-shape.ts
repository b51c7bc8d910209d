/**
 * The shifted lognormal, `shift + (median - shift) e^(sigma z)`: a service needs at least so long, and
 * then a time whose logarithm is normal. It is the distribution that labs draw latencies from.
 */
import { normalQuantile } from '../../model/latency.ts';

/** `medianMs` is the 50th percentile, shift included. All in milliseconds, but sigma, which has no unit. */
export type ShiftedLognormal = { shiftMs: number; medianMs: number; sigma: number };

export type Three = { p50: number; p95: number; p99: number };

const z95 = normalQuantile(0.95);
const z99 = normalQuantile(0.99);

/** Milliseconds at a probability. */
export const quantileOf = ({ shiftMs, medianMs, sigma }: ShiftedLognormal, p: number): number =>
  shiftMs + (medianMs - shiftMs) * Math.exp(sigma * normalQuantile(p));

export const threeOf = (shape: ShiftedLognormal): Three => ({
  p50: shape.medianMs,
  p95: quantileOf(shape, 0.95),
  p99: quantileOf(shape, 0.99),
});

/** The mean in milliseconds: what capacity depends on. */
export const meanOf = ({ shiftMs, medianMs, sigma }: ShiftedLognormal): number =>
  shiftMs + (medianMs - shiftMs) * Math.exp(sigma ** 2 / 2);

/**
 * The one shifted lognormal through three percentiles. Undefined where the tail is no longer than a
 * normal's: (p99 - p50) / (p95 - p50) must be over z99 / z95 = 1.414, else no shift exists.
 */
export function shapeThrough({ p50, p95, p99 }: Three): ShiftedLognormal | undefined {
  if (!(p95 > p50) || (p99 - p50) / (p95 - p50) <= z99 / z95) return undefined;
  // The ratio of the logarithms falls as the shift rises: there is one root to bisect.
  let [low, high] = [-1e6 * p50, p50];
  for (let step = 0; step < 200; step++) {
    const shift = (low + high) / 2;
    const ratio = Math.log((p99 - shift) / (p50 - shift)) / Math.log((p95 - shift) / (p50 - shift));
    if (ratio > z99 / z95) low = shift;
    else high = shift;
  }
  const shiftMs = (low + high) / 2;
  const sigma = Math.log((p95 - shiftMs) / (p50 - shiftMs)) / z95;
  return { shiftMs, medianMs: p50, sigma };
}

/** Why a shape is an artefact of its samples and not a service: a tail or a shift beyond all belief. */
export function artefactOf({ shiftMs, medianMs, sigma }: ShiftedLognormal): string | undefined {
  if (sigma > 2) return `sigma ${sigma.toFixed(1)}, and over 2 is no single service`;
  if (shiftMs / medianMs > 0.95)
    return `a shift of ${((100 * shiftMs) / medianMs).toFixed(0)} % of p50, and over 95 % is no single service`;
  return undefined;
}

/** Distances of the shift below the smallest sample that are tried, as shares of median less smallest. */
const [nearest, farthest, distances] = [1e-6, 1e3, 100];

/**
 * The shape that makes sorted samples most likely. Undefined where none is better than a normal
 * distribution, or than one that begins at the smallest sample itself.
 *
 * The likelihood is unbounded as the shift approaches the smallest sample, so the local maximum below
 * it is taken. Source: A. C. Cohen, "Estimating parameters of logarithmic-normal distributions by
 * maximum likelihood", Journal of the American Statistical Association 46 (1951).
 */
export function likeliestShape(sorted: number[]): ShiftedLognormal | undefined {
  const count = sorted.length;
  const least = sorted[0]!;
  const reach = sorted[count >> 1]! - least;
  if (!(reach > 0)) return undefined;
  const at = (logDistance: number) => {
    const shift = least - Math.exp(logDistance);
    let [mean, squares] = [0, 0];
    // Welford's update: the logarithms are close together where the shift is far away.
    for (let index = 0; index < count; index++) {
      const value = Math.log(sorted[index]! - shift);
      const off = value - mean;
      mean += off / (index + 1);
      squares += off * (value - mean);
    }
    const sigma = Math.sqrt(squares / count);
    return { shift, mean, sigma, likelihood: -(Math.log(sigma) + mean) };
  };
  const first = Math.log(nearest * reach);
  const step = (Math.log(farthest * reach) - first) / (distances - 1);
  const tried = Array.from({ length: distances }, (_, index) => at(first + index * step));
  let best = -1;
  for (let index = 1; index < distances - 1; index++) {
    const { likelihood } = tried[index]!;
    const peak =
      likelihood >= tried[index - 1]!.likelihood && likelihood > tried[index + 1]!.likelihood;
    if (peak && (best < 0 || likelihood > tried[best]!.likelihood)) best = index;
  }
  if (best < 0) return undefined;
  // Golden section: the peak lies between the neighbours.
  const golden = (Math.sqrt(5) - 1) / 2;
  let [low, high] = [first + (best - 1) * step, first + (best + 1) * step];
  for (let turn = 0; turn < 30; turn++) {
    const [left, right] = [high - golden * (high - low), low + golden * (high - low)];
    if (at(left).likelihood > at(right).likelihood) high = right;
    else low = left;
  }
  const { shift, mean, sigma } = at((low + high) / 2);
  return { shiftMs: shift, medianMs: shift + Math.exp(mean), sigma };
}
