/**
 * The knee of a scaling curve as a number with an interval: two straight pieces, min(x1·N, C), on
 * logarithms, because errors of throughput are relative. Deliberately neither the Universal
 * Scalability Law, whose smooth peak is far off for a hard limit, nor Kneedle, which finds a knee in
 * noise (both measured).
 */

import { studentQuantile } from '../welch.ts';

/** One measurement: so many workers brought so many records per second. */
export type Point = { workers: number; rate: number };

export type Roofline = {
  /** Records per second of one worker on the slope. */
  perWorker: number;
  /** Records per second on the plateau. */
  plateau: number;
  /** Where slope and plateau meet. */
  knee: number;
  /** 95 % interval of the knee. */
  interval: [number, number];
  /** Points on each side. */
  below: number;
  above: number;
};

/**
 * Relative error of a single measurement, and how many degrees of freedom that assumption is worth:
 * five cells alone leave three, which is too few to tell their scatter (both assumed).
 */
const assumedError = 0.015;
const assumedDegrees = 4;

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const squares = (values: number[]) => {
  const middle = mean(values);
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
};

/** Points whose rate per worker is so far from the known one, on logarithms, are not on the slope. */
const offTheSlope = 0.15;

/**
 * Fits slope and plateau by least squares on every split of the points and keeps the best.
 * `perWorker` is the rate of one worker where it is known from elsewhere: then there need be no point
 * on the slope, and points far off it can't be on it. Undefined where no split is possible.
 */
export function fitRoofline(points: Point[], perWorker?: number): Roofline | undefined {
  const sorted = points.filter(({ rate }) => rate > 0).sort((a, b) => a.workers - b.workers);
  const counts = [...new Set(sorted.map(({ workers }) => workers))];
  let best: { fit: Roofline; error: number } | undefined;
  for (let split = perWorker === undefined ? 1 : 0; split < counts.length; split++) {
    const onSlope = sorted.filter(({ workers }) => counts.indexOf(workers) < split);
    const onPlateau = sorted.filter(({ workers }) => counts.indexOf(workers) >= split);
    const slopes = onSlope.map(({ workers, rate }) => Math.log(rate / workers));
    const levels = onPlateau.map(({ rate }) => Math.log(rate));
    const slope = slopes.length > 0 ? mean(slopes) : Math.log(perWorker!);
    if (perWorker !== undefined && Math.abs(slope - Math.log(perWorker)) > offTheSlope) continue;
    const error = (slopes.length > 0 ? squares(slopes) : 0) + squares(levels);
    if (best && error >= best.error) continue;
    const level = mean(levels);
    const knee = Math.exp(level - slope);
    const own = slopes.length + levels.length - (slopes.length > 0 ? 2 : 1);
    const degrees = own + assumedDegrees;
    const variance = (error + assumedDegrees * assumedError ** 2) / degrees;
    // Welch's way on logarithms with one pooled variance: percentile bootstraps of so few points
    // cover 66 to 88 % instead of 95 % (measured).
    const half =
      studentQuantile(0.975, degrees) *
      Math.sqrt(variance * (1 / Math.max(1, slopes.length) + 1 / levels.length));
    const fit: Roofline = {
      perWorker: Math.exp(slope),
      plateau: Math.exp(level),
      knee,
      interval: [knee * Math.exp(-half), knee * Math.exp(half)],
      below: slopes.length,
      above: levels.length,
    };
    best = { fit, error };
  }
  return best?.fit;
}
