/**
 * A lab's latency from samples of a real service. It says no where the samples can't carry one: too
 * few, timeouts among them, several kinds of answers, or a tail that no single service has.
 */
import { type LatencySpec, latencySampler, quantileThrough } from '../../model/latency.ts';
import { groupsOf, pileUpOf } from './latency-fit-groups.ts';
import {
  artefactOf,
  likeliestShape,
  type ShiftedLognormal,
  shapeThrough,
  type Three,
  threeOf,
} from './latency-fit-shape.ts';
import { slopeOf } from './latency-fit-size.ts';

/** One answer: how long it took, and its size (tokens or points) where that was told. */
export type LatencySample = { ms: number; size?: number };

export type LatencyFit = {
  /** What the lab takes. */
  latency: Pick<LatencySpec, 'fixed' | 'p50' | 'p95' | 'p99'>;
  method: 'constant' | 'mean' | 'shifted lognormal' | 'own percentiles';
  samples: number;
  /** Of the samples. */
  meanMs: number;
  meanErrorMs: number;
  /** Standard errors of the percentiles, by leaving out a tenth of the samples at a time. */
  errorMs?: Three;
  shape?: ShiftedLognormal;
  /** Milliseconds more for each thousand of the size, with its standard error. Absent where none is clear. */
  perThousand?: { ms: number; errorMs: number };
  /** Largest distance between the lab's curve and the samples', as a share of samples: Kolmogorov and Smirnov's. */
  distance?: number;
  /** The largest error of the curve among p50, p90, p95 and p99, as a share of the samples' own. */
  worst?: { percentile: string; share: number };
  notes: string[];
};

export type Unfit = { problem: string };

/** Fewer are an anecdote; up to `fewestForCurve` they carry a mean, but no percentile. */
const [fewest, fewestForCurve, fewestForOwn] = [30, 100, 300];

/** A spread below which the curve hardly matters: p99 over p50. */
const narrow = 1.15;

/** What a fit may be off by, unless chance explains more: distance, and shares of a percentile and of the mean. */
const tolerated = { distance: 0.05, percentile: 0.15, mean: 0.05 };

const tenths = 10;

/** More samples than these cost time and add nothing: every so many-th is taken. */
const most = 50_000;

/** The value below which a share `p` of sorted samples lies, between two of them in proportion. */
export function quantileIn(sorted: number[], p: number): number {
  const place = p * (sorted.length - 1);
  const below = sorted[Math.floor(place)]!;
  return below + (sorted[Math.ceil(place)]! - below) * (place - Math.floor(place));
}

const byValue = (a: number, b: number) => a - b;
const round = (ms: number): number => Number(Math.max(0, ms).toPrecision(4));
const rounded = ({ p50, p95, p99 }: Three): Three => ({
  p50: round(p50),
  p95: round(p95),
  p99: round(p99),
});
const ms = (value: number) => `${Number(value.toPrecision(3))} ms`;
const percent = (share: number) => `${Number((100 * share).toPrecision(2))} %`;

function moments(values: number[]): { mean: number; error: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, error: Math.sqrt(variance / values.length) };
}

/** How far the lab's own curve is from the samples. */
function compare(sorted: number[], { p50, p95, p99 }: Three) {
  const count = sorted.length;
  const curve = quantileThrough(p50, p95, p99);
  let [distance, at] = [0, 0];
  const points = 999;
  for (let index = 1; index <= points; index++) {
    const p = index / (points + 1);
    const here = curve(p);
    while (at < count && sorted[at]! <= here) at++;
    distance = Math.max(distance, Math.abs(at / count - p));
  }
  let worst = { percentile: 'p50', share: 0 };
  let believable = true;
  for (const p of [0.5, 0.9, 0.95, 0.99]) {
    const own = quantileIn(sorted, p);
    const share = Math.abs(curve(p) / own - 1);
    if (share > worst.share) worst = { percentile: `p${Math.round(100 * p)}`, share };
    // By chance the rank of a percentile moves by the root of n p (1 - p).
    const chance = (3 * Math.sqrt(p * (1 - p))) / Math.sqrt(count);
    const between =
      curve(p) >= quantileIn(sorted, Math.max(0, p - chance)) &&
      curve(p) <= quantileIn(sorted, Math.min(1, p + chance));
    believable &&= share <= tolerated.percentile || between || p + chance >= 1;
  }
  const { mean, error } = moments(sorted);
  const off = Math.abs(latencySampler({ p50, p95, p99 }).meanUs() / 1_000 - mean);
  // 1.035 / sqrt(n): the 1 % point where mean and variance are estimated too (Stephens, 1974).
  const far = distance > Math.max(tolerated.distance, 1.035 / Math.sqrt(count));
  const wrongMean = off > tolerated.mean * mean && off > 3 * error;
  return { distance, worst, good: believable && !far && !wrongMean, meanOff: off / mean };
}

/** The samples' percentiles by the method that was found good, or undefined. */
const estimates: Record<
  'shifted lognormal' | 'own percentiles',
  (s: number[]) => Three | undefined
> = {
  'shifted lognormal': (sorted) => {
    const shape = likeliestShape(sorted);
    return shape && threeOf(shape);
  },
  'own percentiles': (sorted) => ({
    p50: quantileIn(sorted, 0.5),
    p95: quantileIn(sorted, 0.95),
    p99: quantileIn(sorted, 0.99),
  }),
};

/**
 * Standard errors by the jackknife: tenths of the samples in the order in which they came are left out
 * in turn, so that slow hours widen them too. Source: M. H. Quenouille, Biometrika 43 (1956).
 */
function errorsOf(inOrder: number[], estimate: (sorted: number[]) => Three | undefined) {
  const without = Array.from({ length: tenths }, (_, tenth) => {
    const [from, to] = [tenth, tenth + 1].map((t) => Math.floor((t * inOrder.length) / tenths));
    return estimate([...inOrder.slice(0, from), ...inOrder.slice(to)].sort(byValue));
  });
  if (without.some((three) => three === undefined)) return undefined;
  const errorOf = (name: keyof Three) => {
    const values = without.map((three) => three![name]);
    const mean = values.reduce((sum, value) => sum + value, 0) / tenths;
    return Math.sqrt(
      ((tenths - 1) / tenths) * values.reduce((sum, value) => sum + (value - mean) ** 2, 0),
    );
  };
  return { p50: errorOf('p50'), p95: errorOf('p95'), p99: errorOf('p99') };
}

const mixed =
  'Keep one kind of answer (one model, one size, without retries), or leave out the slow ones with --drop-from MS';

/** Three percentiles that somebody else took, from a dashboard for instance: believed where a single service can have them. */
export function fitPercentiles({ p50, p95, p99 }: Three): LatencyFit | Unfit {
  if (!(p50 > 0 && p50 <= p95 && p95 <= p99))
    return { problem: `percentiles must rise from p50 to p99, got ${p50}, ${p95}, ${p99}` };
  const shape = shapeThrough({ p50, p95, p99 });
  const artefact = p99 / p50 > narrow && shape && artefactOf(shape);
  if (artefact) return { problem: `p50 ${p50}, p95 ${p95}, p99 ${p99} need ${artefact}. ${mixed}` };
  const meanMs = latencySampler({ p50, p95, p99 }).meanUs() / 1_000;
  return {
    latency: { p50, p95, p99 },
    method: 'own percentiles',
    samples: 0,
    meanMs,
    meanErrorMs: 0,
    ...(shape && { shape }),
    notes: ['percentiles were given: how many samples they rest on is not known'],
  };
}

/**
 * Fits a lab's latency to samples in the order in which they came. `typicalSize` moves them to that size
 * instead of giving the slope to the lab, for a service of which the lab knows no slope.
 */
export function fitLatency(all: LatencySample[], typicalSize?: number): LatencyFit | Unfit {
  const every = Math.ceil(all.length / most);
  const given = every > 1 ? all.filter((_, at) => at % every === 0) : all;
  const count = given.length;
  if (count < fewest)
    return {
      problem: `${count} samples carry no latency; give at least ${fewestForCurve}, better 1,000`,
    };
  const raw = given.map((sample) => sample.ms).sort(byValue);
  const median = quantileIn(raw, 0.5);
  if (median < 0.5)
    return {
      problem: `a median of ${ms(median)} is no service's; if these are seconds, name the column latency_s`,
    };
  const pile = pileUpOf(raw);
  if (pile)
    return {
      problem: `${pile.count} of ${count} samples stand at ${ms(pile.atMs)}: timeouts or another cap, not latencies. Leave them out with --drop-from ${Math.floor(0.99 * pile.atMs)}`,
    };
  const notes: string[] = [];
  if (every > 1) notes.push(`every ${every} samples, one was taken of ${all.length}`);
  const slope = slopeOf(given);
  if (slope === undefined && given.some(({ size }) => size !== undefined))
    notes.push('no clear growth with the size of a request');
  const typical = typicalSize ?? 0;
  const inOrder = given.map((sample) =>
    slope ? sample.ms + slope.ms * (typical - (sample.size ?? typical)) : sample.ms,
  );
  const sorted = [...inOrder].sort(byValue);
  const { mean, error } = moments(inOrder);
  const shared = {
    samples: count,
    meanMs: mean,
    meanErrorMs: error,
    ...(slope &&
      typicalSize === undefined && {
        perThousand: { ms: round(1_000 * slope.ms), errorMs: 1_000 * slope.errorMs },
      }),
    notes,
  };
  if (slope && typicalSize !== undefined)
    notes.push(`as for ${typicalSize} a request, the lab's size: each one takes ${ms(slope.ms)}`);
  const own = estimates['own percentiles'](sorted)!;
  if (own.p99 <= narrow * own.p50)
    return { latency: { fixed: round(mean) }, method: 'constant', ...shared };
  if (count < fewestForCurve) {
    notes.push(`${count} samples carry a mean but no p99; give at least ${fewestForCurve}`);
    return { latency: { fixed: round(mean) }, method: 'mean', ...shared };
  }

  const likely = likeliestShape(sorted);
  const groups = groupsOf(sorted, (value) =>
    likely ? Math.log(Math.max(1e-9, value - likely.shiftMs)) : value,
  );
  if (groups) {
    const { lower, upper, splitMs } = groups;
    return {
      problem: `two kinds of answers: ${percent(lower.share)} near ${ms(lower.medianMs)} and ${percent(upper.share)} near ${ms(upper.medianMs)}, with a gap at ${ms(splitMs)}. ${mixed}`,
    };
  }
  const artefact = likely && artefactOf(likely);
  if (artefact) return { problem: `the best curve has ${artefact}. ${mixed}` };
  const through = shapeThrough(own);
  const methods: LatencyFit['method'][] = [];
  if (likely) methods.push('shifted lognormal');
  if (count >= fewestForOwn && !(through && artefactOf(through))) methods.push('own percentiles');
  let best: ReturnType<typeof compare> | undefined;
  for (const method of methods as ('shifted lognormal' | 'own percentiles')[]) {
    const latency = rounded(estimates[method](sorted)!);
    const found = compare(sorted, latency);
    if (!best || found.distance < best.distance) best = found;
    if (!found.good) continue;
    const errorMs = errorsOf(inOrder, estimates[method]);
    const shape = method === 'shifted lognormal' ? likely : through;
    const { distance, worst } = found;
    return {
      latency,
      method,
      ...shared,
      ...(errorMs && { errorMs }),
      ...(shape && { shape }),
      distance,
      worst,
    };
  }
  const why = best
    ? `the best curve is off by ${percent(best.worst.share)} at ${best.worst.percentile}, ${percent(best.meanOff)} in the mean and ${percent(best.distance)} of the samples`
    : `${count} samples with a tail that is no lognormal's; give at least ${fewestForOwn}`;
  return { problem: `${why}. ${mixed}` };
}
