/** What all processes of a command held together at one moment. `megabytes` are MiB, `seconds` since its start. */
export type MemorySample = { seconds: number; megabytes: number; processes: number };

const larger = (a: MemorySample, b: MemorySample) => (b.megabytes > a.megabytes ? b : a);

/**
 * Keeps at most `most` samples of a run of any length. When they are full, neighbours are merged and
 * from then on a sample stands for twice the time. The larger one of a group stays, so that a chart
 * of what is left still shows the peak.
 */
export function createSamples(most = 600): {
  add: (sample: MemorySample) => void;
  all: () => MemorySample[];
} {
  let kept: MemorySample[] = [];
  let groupSize = 1;
  let group: MemorySample | undefined;
  let inGroup = 0;
  return {
    add: (sample) => {
      group = group ? larger(group, sample) : sample;
      inGroup += 1;
      if (inGroup < groupSize) return;
      kept.push(group);
      group = undefined;
      inGroup = 0;
      // One place is left for a group that is not full yet.
      if (kept.length < most - 1) return;
      const pairs: MemorySample[] = [];
      for (let i = 0; i < kept.length; i += 2)
        pairs.push(i + 1 < kept.length ? larger(kept[i]!, kept[i + 1]!) : kept[i]!);
      kept = pairs;
      groupSize *= 2;
    },
    all: () => (group ? [...kept, group] : kept),
  };
}
