/** A linear part of latencies in the size of a request. */

/** Milliseconds more for each token or point. */
export type Slope = { ms: number; errorMs: number };

/** A slope is clear from so many standard errors on, and where it matters: a share of the median over the sizes seen. */
const [standardErrors, leastShare] = [4, 0.05];

/**
 * Least squares, which is unbiased for the mean however skewed the noise is; its standard error does
 * not assume equal noise (H. White, Econometrica 48, 1980). Undefined where no growth is clear, and
 * where a straight line through the sizes seen would leave more than one sample in a hundred below zero.
 */
export function slopeOf(samples: { ms: number; size?: number }[]): Slope | undefined {
  const sized = samples.filter(({ size }) => size !== undefined) as { ms: number; size: number }[];
  if (sized.length < samples.length || sized.length === 0) return undefined;
  const count = sized.length;
  const mean = (of: (sample: (typeof sized)[number]) => number) =>
    sized.reduce((sum, sample) => sum + of(sample), 0) / count;
  const [middleSize, middleMs] = [mean(({ size }) => size), mean((sample) => sample.ms)];
  const spread = mean(({ size }) => (size - middleSize) ** 2);
  if (!(spread > 0)) return undefined;
  const slope = mean(({ size, ms }) => (size - middleSize) * (ms - middleMs)) / spread;
  const noise = mean(
    ({ size, ms }) => ((size - middleSize) * (ms - middleMs - slope * (size - middleSize))) ** 2,
  );
  const errorMs = Math.sqrt(noise / count) / spread;
  const sizes = sized.map(({ size }) => size).sort((a, b) => a - b);
  const range = sizes[Math.floor(0.9 * (count - 1))]! - sizes[Math.floor(0.1 * (count - 1))]!;
  const medianMs = sized.map(({ ms }) => ms).sort((a, b) => a - b)[count >> 1]!;
  const clear = slope > standardErrors * errorMs && slope * range >= leastShare * medianMs;
  const below = sized.filter(({ size, ms }) => ms - slope * size <= 0).length;
  return clear && below <= count / 100 ? { ms: slope, errorMs } : undefined;
}
