/** What makes samples unfit for one curve: timeouts among them, or more than one kind of answer. */

/** So many samples at the very top, within a hundredth of each other, are a limit and not a tail. */
const leastTimeouts = 3;

/** A spread below which there is no tail to pile up above: the largest sample over the 5th percentile. */
const narrow = 1.15;

/**
 * Where samples pile up at their maximum, as they do where a client gave up: the count, and about where
 * in milliseconds. Undefined where the tail simply ends.
 */
export function pileUpOf(sorted: number[]): { count: number; atMs: number } | undefined {
  const count = sorted.length;
  const [low, most] = [sorted[Math.floor(0.05 * count)]!, sorted[count - 1]!];
  if (most < narrow * low) return undefined;
  const from = (ms: number) => count - sorted.findIndex((value) => value >= ms);
  const top = from(0.99 * most);
  // A tail thins out: just below the top it must be denser than at it. Rounded times are dense only at
  // the steps they were rounded to.
  const step = Math.max(0.01 * most, toothOf(sorted));
  const below = (from(most - 10 * step) - top) / 9;
  const enough = Math.max(leastTimeouts, Math.ceil(0.002 * count));
  return top >= enough && top >= 3 * (1 + below) ? { count: top, atMs: most } : undefined;
}

export type Groups = { splitMs: number; lower: Group; upper: Group };
type Group = { share: number; medianMs: number };

const cells = 1_024;
/** Of the normal kernel: the integral of its square. */
const roughness = 0.2821;
/** Each group must hold so much, and the valley between be so deep, and by so many standard errors. */
const [leastShare, deepest, standardErrors] = [0.05, 0.8, 4];

/**
 * Two groups with a valley between them, or undefined where the density has one top. The density is
 * estimated with a normal kernel by Silverman's rule on `scaled` values (any rising transformation of
 * milliseconds), and a valley counts only where chance does not dig it.
 *
 * Source: B. W. Silverman, "Density estimation for statistics and data analysis" (1986), 3.4.2.
 */
export function groupsOf(sorted: number[], scaled: (ms: number) => number): Groups | undefined {
  const values = sorted.map(scaled);
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count);
  const quartiles = (values[Math.floor(0.75 * count)]! - values[Math.floor(0.25 * count)]!) / 1.349;
  // Times that a clock rounded stand on a comb, and each tooth would be a group.
  const tooth = toothOf(sorted);
  const middle = sorted[count >> 1]!;
  const comb = tooth > 0 ? scaled(middle + tooth) - scaled(middle) : 0;
  const spread = quartiles > 0 ? Math.min(deviation, quartiles) : deviation;
  const width = Math.max(0.9 * spread * count ** -0.2, comb);
  if (!(width > 0)) return undefined;
  const [low, high] = [values[0]! - 3 * width, values[count - 1]! + 3 * width];
  const cell = (high - low) / (cells - 1);
  const held = new Float64Array(cells);
  for (const value of values) held[Math.round((value - low) / cell)]! += 1;
  const reach = Math.min(cells, Math.ceil((4 * width) / cell));
  const density = Array.from(held, (_, at) => {
    let sum = 0;
    for (let near = Math.max(0, at - reach); near <= Math.min(cells - 1, at + reach); near++)
      if (held[near]! > 0)
        sum += held[near]! * Math.exp(-(((at - near) * cell) ** 2) / (2 * width ** 2));
    return sum / (count * width * Math.sqrt(2 * Math.PI));
  });
  let found: { at: number; depth: number } | undefined;
  const highestAfter = [...density];
  for (let at = cells - 2; at >= 0; at--)
    highestAfter[at] = Math.max(density[at]!, highestAfter[at + 1]!);
  let [highestBefore, before] = [0, 0];
  for (let at = 0; at < cells; at++) {
    const here = density[at]!;
    const share = before / count;
    const lesser = Math.min(highestBefore, highestAfter[at]!);
    const byChance = standardErrors * Math.sqrt((lesser * roughness) / (count * width));
    const valley =
      here < deepest * lesser &&
      lesser - here > byChance &&
      share >= leastShare &&
      share <= 1 - leastShare;
    if (valley && (!found || here / lesser < found.depth)) found = { at, depth: here / lesser };
    before += held[at]!;
    highestBefore = Math.max(highestBefore, here);
  }
  if (!found) return undefined;
  const border = low + found.at * cell;
  const lower = values.filter((value) => value < border).length;
  return {
    splitMs: sorted[lower]!,
    lower: { share: lower / count, medianMs: sorted[lower >> 1]! },
    upper: { share: 1 - lower / count, medianMs: sorted[lower + ((count - lower) >> 1)]! },
  };
}

/** The step that times were rounded to, where so few different ones are left that it shows; else 0. */
function toothOf(sorted: number[]): number {
  const different = [...new Set(sorted)];
  if (different.length > sorted.length / 2 || different.length < 3) return 0;
  const gaps = different.slice(1).map((value, at) => value - different[at]!);
  return gaps.sort((a, b) => a - b)[gaps.length >> 1]!;
}
