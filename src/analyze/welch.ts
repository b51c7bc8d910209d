/** Ratios of times from few runs, with intervals: Welch's t test on logarithms. */

/** ln Γ(x) for x > 0: Stirling's series (Abramowitz & Stegun 6.1.41), after Γ(x) = Γ(x + 1) / x made x large enough for it. */
function lnGamma(x: number): number {
  let [shifted, factors] = [x, 1];
  for (; shifted < 12; shifted++) factors *= shifted;
  const inverse = 1 / shifted;
  const square = inverse * inverse;
  const series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1_260 - square / 1_680)));
  const main = (shifted - 0.5) * Math.log(shifted) - shifted + Math.log(2 * Math.PI) / 2;
  return main + series - Math.log(factors);
}

/** The regularized incomplete beta function I_x(a, b) by its continued fraction (DLMF 8.17.22), summed as Lentz did. */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const tiny = 1e-300;
  const away = (value: number) => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= 1_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    const step = d * c;
    fraction *= step;
    if (Math.abs(step - 1) < 1e-15) break;
  }
  const front = lnGamma(a + b) - lnGamma(a) - lnGamma(b) + a * Math.log(x) + b * Math.log1p(-x);
  return (Math.exp(front) * fraction) / a;
}

/** P(T ≤ t) of Student's distribution; degrees of freedom may be any number over 0. */
export function studentCdf(t: number, degreesOfFreedom: number): number {
  const tail = incompleteBeta(
    degreesOfFreedom / (degreesOfFreedom + t * t),
    degreesOfFreedom / 2,
    0.5,
  );
  return t > 0 ? 1 - tail / 2 : tail / 2;
}

/** The t with P(T ≤ t) = p, for p from 0.5 up to but not including 1, by bisection. Throws a RangeError otherwise. */
export function studentQuantile(p: number, degreesOfFreedom: number): number {
  if (!(p >= 0.5 && p < 1 && degreesOfFreedom > 0))
    throw new RangeError(`no Student quantile at ${p} with ${degreesOfFreedom} degrees of freedom`);
  let [low, high] = [0, 1];
  while (studentCdf(high, degreesOfFreedom) < p && high < 1e300) high *= 2;
  for (let step = 0; step < 200 && high - low > 1e-13 * high; step++) {
    const middle = (low + high) / 2;
    if (studentCdf(middle, degreesOfFreedom) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Mean of logarithms, and the variance of that mean. */
function logMean(values: number[]): { mean: number; variance: number; count: number } {
  const logs = values.map(Math.log);
  const count = logs.length;
  const mean = logs.reduce((sum, value) => sum + value, 0) / count;
  const squares = logs.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, variance: squares / (count - 1) / count, count };
}

/** The mean that belongs to ratios: exp of the mean logarithm. Of times over 0. */
export const geometricMean = (values: number[]): number =>
  values.length === 1 ? values[0]! : Math.exp(logMean(values).mean);

export type LogRatio = {
  /** Geometric mean of the second sample over that of the first: 1.1 is 10 % slower. */
  ratio: number;
  /** The ratio is at least this, with 95 % confidence (one-sided). */
  atLeast: number;
  /** Two-sided 95 % interval of the ratio. */
  interval: [number, number];
  /** Welch-Satterthwaite; null where neither sample varies, as of a simulation without chance. */
  degreesOfFreedom: number | null;
};

/**
 * How much longer `after` takes than `before`: difference of mean logarithms, Welch's standard error,
 * degrees of freedom of Welch and Satterthwaite. On logarithms a nominal 95 % interval covers 96 to
 * 98 % with two to five runs a side (measured, see the test). Undefined where a side has fewer than two times,
 * or one that is not over 0: one run has no spread, so it can carry no interval.
 */
export function welchLogRatio(before: number[], after: number[]): LogRatio | undefined {
  const times = [...before, ...after];
  if (before.length < 2 || after.length < 2 || times.some((time) => !(time > 0))) return undefined;
  const [a, b] = [logMean(before), logMean(after)];
  const difference = b.mean - a.mean;
  const ratio = Math.exp(difference);
  const variance = a.variance + b.variance;
  // Rounded sums of equal logarithms differ in the last digit; that is no spread.
  if (variance < 1e-24)
    return { ratio, atLeast: ratio, interval: [ratio, ratio], degreesOfFreedom: null };
  const degreesOfFreedom =
    variance ** 2 / (a.variance ** 2 / (a.count - 1) + b.variance ** 2 / (b.count - 1));
  const error = Math.sqrt(variance);
  const oneSided = studentQuantile(0.95, degreesOfFreedom) * error;
  const twoSided = studentQuantile(0.975, degreesOfFreedom) * error;
  return {
    ratio,
    atLeast: Math.exp(difference - oneSided),
    interval: [Math.exp(difference - twoSided), Math.exp(difference + twoSided)],
    degreesOfFreedom,
  };
}
