import type { Percentiles } from './sweep.ts';

/** Counts durations in buckets that grow with the value: memory stays the same for any number of samples. */
export type Histogram = {
  add: (us: number) => void;
  /** Nearest-rank percentiles in milliseconds, within 0.1 % of the sample, or half of 2^-subBits of it. */
  percentilesMs: () => Percentiles;
};

/** `subBits`: a doubling is divided into 2^subBits buckets. Fewer are coarser and take less memory. */
export function createHistogram(subBits = 10): Histogram {
  const subCount = 2 ** subBits;
  let counts = new Float64Array(subCount * 4);
  let total = 0;
  let min = Infinity;
  let max = 0;

  // With 10 bits: below 1,024 µs a bucket is a microsecond; above, 1,024 buckets for each doubling.
  const bucketOf = (us: number) => {
    if (us < subCount) return us;
    const shift = Math.floor(Math.log2(us)) - subBits;
    return (shift + 1) * subCount + Math.floor(us / 2 ** shift) - subCount;
  };
  const middleOf = (bucket: number) => {
    if (bucket < subCount) return bucket;
    const shift = Math.floor(bucket / subCount) - 1;
    return ((bucket % subCount) + subCount + 0.5) * 2 ** shift;
  };
  const at = (share: number) => {
    if (total === 0) return 0;
    const rank = Math.ceil(share * total);
    let seen = 0;
    let bucket = 0;
    while (seen + counts[bucket]! < rank) seen += counts[bucket++]!;
    return Math.round(Math.min(max, Math.max(min, middleOf(bucket)))) / 1_000;
  };

  return {
    add(us) {
      const bucket = bucketOf(us);
      if (bucket >= counts.length) {
        const grown = new Float64Array(2 ** Math.ceil(Math.log2(bucket + 1)));
        grown.set(counts);
        counts = grown;
      }
      counts[bucket]!++;
      total++;
      if (us < min) min = us;
      if (us > max) max = us;
    },
    percentilesMs: () => ({ p50: at(0.5), p95: at(0.95), p99: at(0.99) }),
  };
}
