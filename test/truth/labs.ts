/**
 * Labs whose binding resource and knee are known before anything is simulated or analysed.
 *
 * A worker that never waits needs S seconds a record, so it issues 1/S records a second; a resource
 * with room for X records a second is full at X·S workers (asymptotic bounds, Denning & Buzen 1978).
 * Each lab is built backwards from a wanted knee K: the capacity of one resource is set to K/S, and
 * every other resource is given more room by a known margin. All arithmetic here is written from
 * those formulas and shares none with the analysis.
 */
import { completeLab, type Lab } from '../../src/model/lab.ts';
import type { LabFile } from '../../src/model/lab-schema.ts';
import type { Bottleneck } from '../../src/model/sweep.ts';

export type Resource = Exclude<Bottleneck, 'none' | 'undetermined'>;

export const resources: Resource[] = [
  'openai-tpm',
  'openai-rpm',
  'openai-rpd',
  'qdrant',
  'mysql-pool',
  'client-cpu',
  'memory',
  'work-units',
];

export type TruthLab = {
  lab: Lab;
  /** The resource that is full first, within the matrix. */
  bottleneck: Resource | 'none';
  /** Workers at which it is exactly full; null where nothing is. */
  knee: number | null;
  /** How much more room the second tightest resource has: 1.15 is 15 %. */
  margin: number;
  /** Whether latencies are lognormal. */
  random: boolean;
  /** Whether the run can't show the limit: its bucket starts full and is not emptied. */
  short: boolean;
  about: string;
};

/** A small seeded generator (Mulberry32, T. Ettinger 2017): the labs must be the same on every machine. */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Dice = {
  real: (low: number, high: number) => number;
  /** Evenly on the logarithmic scale: as many small as large ones. */
  log: (low: number, high: number) => number;
  whole: (low: number, high: number) => number;
  pick: <T>(choices: readonly T[]) => T;
  chance: (share: number) => boolean;
};

const diceOf = (u: () => number): Dice => ({
  real: (low, high) => low + (high - low) * u(),
  log: (low, high) => low * (high / low) ** u(),
  whole: (low, high) => low + Math.floor(u() * (high - low + 1)),
  pick: (choices) => choices[Math.floor(u() * choices.length)]!,
  chance: (share) => u() < share,
});

const z95 = 1.6448536269514722;
const z99 = 2.3263478740408408;

/** A latency with a known mean: a constant, or a lognormal, whose mean is its median times exp(σ²/2). */
function latencyOf(meanMs: number, sigma: number): Lab['openai']['latency'] {
  if (sigma === 0) return { fixed: meanMs };
  const p50 = meanMs / Math.exp(sigma ** 2 / 2);
  return { p50, p95: p50 * Math.exp(z95 * sigma), p99: p50 * Math.exp(z99 * sigma) };
}

/** Worker counts to run: often those of the test plan, else random ones. They end at `most`. */
function matrixOf(dice: Dice, most: number, kneeAt: number): number[] {
  const kind = dice.pick(['plan', 'doubling', 'few', 'late', 'random'] as const);
  const counts = {
    plan: [1, 2, 5, 10, 20, 50],
    doubling: [1, 2, 4, 8, 16, 32, 64],
    few: [1, Math.round(most / 2)],
    late: [0.4, 0.7, 1.5].map((share) => Math.round(share * kneeAt)),
    random: Array.from({ length: dice.whole(2, 7) }, () => dice.whole(1, most)),
  }[kind].filter((count) => count >= 1 && count < most);
  return [...new Set([...counts, most])].sort((a, b) => a - b);
}

export type Wanted = {
  resource: Resource | 'none';
  random?: boolean;
  /** A bucket that starts full, and a run that hardly takes anything out of it. */
  short?: boolean;
  /** A bucket that starts full, and two to six claims for each worker: whatever share of the work that is. */
  borrowed?: boolean;
  /** The least room that the second tightest resource has more. */
  leastMargin?: number;
};

/** Builds one lab from a seed. */
export function truthLab(seed: number, wanted: Wanted): TruthLab {
  const dice = diceOf(randomSource(seed));
  const { resource, random = false, short = false, borrowed = false, leastMargin = 1.15 } = wanted;
  const sigma = () => (random ? dice.real(0.2, 0.8) : 0);

  // The shape of a record.
  const perClaim = dice.pick([1, 1, 1, 2, 5, 20]);
  const chunks = dice.pick([1, 3, 8, 8, 20, 60]);
  const batchSize = dice.pick([1, 8, 50, 50, 100, 500]);
  const bytes = dice.whole(100, 4_000);
  const batches = Math.ceil((perClaim * chunks) / batchSize);
  const requests = batches / perClaim;
  // Each request is charged its bytes / 4, rounded down.
  const charged = Array.from({ length: batches }, (_, at) =>
    Math.floor((Math.min(batchSize, perClaim * chunks - at * batchSize) * bytes) / 4),
  );
  const tokens = charged.reduce((sum, count) => sum + count, 0) / perClaim;

  // The work of a record, in seconds, before the binding resource has its say.
  let readMs = dice.log(2, 60) * (dice.chance(0.5) ? 1 : perClaim);
  let computeMs = dice.log(5, 300);
  const embedMs = dice.log(80, 900);
  const upsertMs = dice.log(10, 200);
  const perThousandTokens = dice.chance(0.3) ? dice.real(1, 20) : 0;
  const embedS = (requests * embedMs + (tokens / 1_000) * perThousandTokens) / 1_000;
  const qdrantS = (requests * upsertMs) / 1_000;
  let total = readMs / 1_000 / perClaim + computeMs / 1_000 + embedS + qdrantS;

  const most = dice.whole(8, 40);
  const none = resource === 'none';
  // Where nothing is to bind, the tightest resource is full beyond the matrix.
  const wantedKnee = none ? most * dice.real(1.2, 4) : dice.real(1.3, 0.72 * most);
  const first: Resource = none ? dice.pick(resources.filter((r) => r !== 'openai-rpd')) : resource;
  let knee = wantedKnee;

  const limits: { rpm?: number; tpm?: number; rpd?: number } = {};
  let [slots, pointsPerSecond, poolSize, cores] = [0, 0, 1_000, 1_000];
  let [memoryMb, baseMemoryMb, memoryGb] = [100, 0, 10_000];
  let claims = Math.ceil(most * dice.real(20, 30));

  const servers = Math.max(1, Math.min(Math.floor(wantedKnee * dice.real(0.15, 0.85)), 24));
  switch (first) {
    case 'qdrant': {
      // K = pps/c · (S0 + c·slots/pps), so pps = (K - slots)·c/S0: the slot time is part of S.
      slots = Math.min(servers, Math.max(1, Math.floor(wantedKnee - 0.3)));
      pointsPerSecond = ((wantedKnee - slots) * chunks) / total;
      total += (chunks * slots) / pointsPerSecond;
      knee = (pointsPerSecond / chunks) * total;
      break;
    }
    case 'mysql-pool': {
      poolSize = Math.min(servers, Math.max(1, Math.floor(wantedKnee - 0.3)));
      const rest = total - readMs / 1_000 / perClaim;
      const hold = (poolSize * rest) / (wantedKnee - poolSize);
      readMs = hold * 1_000 * perClaim;
      total = rest + hold;
      knee = (poolSize / hold) * total;
      break;
    }
    case 'client-cpu': {
      cores = Math.min(servers, Math.max(1, Math.floor(wantedKnee - 0.3)));
      const rest = total - computeMs / 1_000;
      const hold = (cores * rest) / (wantedKnee - cores);
      computeMs = hold * 1_000;
      total = rest + hold;
      knee = (cores / hold) * total;
      break;
    }
    case 'memory': {
      memoryMb = dice.real(50, 900);
      baseMemoryMb = dice.chance(0.5) ? dice.real(0, 500) : 0;
      memoryGb = (wantedKnee * memoryMb + baseMemoryMb) / 0.8 / 1_024;
      break;
    }
    case 'work-units': {
      claims = Math.max(2, Math.round(wantedKnee));
      knee = claims;
      break;
    }
    case 'openai-rpd': {
      // A day's quota of at most 50,000 requests binds slow records only: compute makes them slow.
      const perSecond = dice.real(0.1, 0.5);
      const rest = total - computeMs / 1_000;
      total = Math.max((wantedKnee * requests) / perSecond, 1.1 * rest);
      computeMs = (total - rest) * 1_000;
      limits.rpd = Math.max(1, Math.round((wantedKnee / total) * requests * 86_400));
      knee = (limits.rpd / 86_400 / requests) * total;
      break;
    }
    case 'openai-tpm': {
      limits.tpm = Math.round((wantedKnee / total) * tokens * 60);
      knee = (limits.tpm / 60 / tokens) * total;
      break;
    }
    case 'openai-rpm': {
      limits.rpm = Math.max(2, Math.round((wantedKnee / total) * requests * 60));
      knee = (limits.rpm / 60 / requests) * total;
    }
  }

  // The other resources get their own room, each above the first by at least the margin.
  let margin = Infinity;
  const roomier = (): number => {
    const factor = leastMargin * (dice.chance(0.3) ? dice.real(1, 1.3) : dice.log(1.3, 6));
    margin = Math.min(margin, factor);
    return knee * factor;
  };
  /** Whole servers give a whole number's room: never under what is wanted. */
  const serversFor = (holdS: number): number => {
    const count = Math.ceil((roomier() * holdS) / total);
    return count;
  };
  const others = (r: Resource) => r !== first && dice.chance(0.5);
  if (others('openai-tpm')) limits.tpm = Math.ceil((roomier() / total) * tokens * 60);
  if (others('openai-rpm')) limits.rpm = Math.ceil((roomier() / total) * requests * 60) + 1;
  if (others('mysql-pool')) poolSize = serversFor(readMs / 1_000 / perClaim);
  if (others('client-cpu')) cores = serversFor(computeMs / 1_000);
  if (others('memory')) memoryGb = (roomier() * memoryMb) / 0.8 / 1_024;

  // A bucket must hold some batches: one that holds a single one refills in vain while clients sleep.
  const largest = Math.floor((Math.min(batchSize, perClaim * chunks) * bytes) / 4);
  const tpmBurst = limits.tpm ? (5 * largest * 60) / limits.tpm : 0;
  const rpmBurst = limits.rpm ? 1_200 / limits.rpm : 0;
  // 25 bursts must fit into a run of a few thousand claims.
  const longest = (3_000 * perClaim * total) / (25 * knee);
  const burstSeconds = Math.min(
    60,
    Math.max(short ? 60 : Math.min(dice.pick([5, 20, 60]), longest), tpmBurst, rpmBurst, 0.001),
  );
  const oversize = Math.max(tpmBurst, rpmBurst) > Math.min(60, longest);

  const isMinute = first === 'openai-tpm' || first === 'openai-rpm';
  // A short run takes most out of a full bucket at best; a long one empties it 25 times over.
  const room =
    ((first === 'openai-tpm' ? (limits.tpm ?? 0) : (limits.rpm ?? 0)) * burstSeconds) / 60;
  const each = (first === 'openai-tpm' ? tokens : requests) * perClaim;
  const fewest = Math.ceil(1.3 * knee);
  const isShort = short && isMinute && fewest * each < 0.7 * room;
  const full = isShort || borrowed || (isMinute && !oversize && dice.chance(0.3));
  if (borrowed) claims = Math.ceil(most * dice.real(2, 6));
  else if (isShort) claims = dice.whole(fewest, Math.floor((0.8 * room) / each));
  else if (full) claims = Math.max(claims, Math.ceil((25 * room) / each));
  const bucket = full
    ? { rpm: 'full' as const, tpm: 'full' as const, rpd: 'empty' as const }
    : ('empty' as const);

  const client =
    short || first === 'work-units'
      ? 'patient'
      : dice.pick(['patient', 'patient', 'openai-node-7', 'openai-python-2'] as const);
  // Patient clients far above the knee, whose refusals cost quota, never end: seconds of computing each.
  const storms = client !== 'patient' || most < 1.3 * knee;

  const file: LabFile = {
    name: `truth-${seed}`,
    seed: dice.whole(1, 1_000_000),
    workers: matrixOf(dice, most, knee),
    workload: {
      records: claims * perClaim,
      chunksPerRecord: chunks,
      bytesPerChunk: bytes,
      batchSize,
      recordsPerClaim: perClaim,
    },
    worker: {
      readMs,
      computeMs,
      memoryMb,
      baseMemoryMb,
      client,
    },
    openai: {
      tier: 'unlimited',
      limits,
      bucket,
      burstSeconds,
      retryAfter: dice.pick(['ms', 'ms', 'seconds', 'none'] as const),
      rejectionCost: storms && dice.chance(0.4) ? 'request' : 'none',
      latency: {
        ...latencyOf(embedMs, sigma()),
        ...(perThousandTokens > 0 && { perThousandTokens }),
      },
    },
    qdrant: { latency: latencyOf(upsertMs, sigma()), slots, pointsPerSecond, timeoutMs: 600_000 },
    mysql: { poolSize },
    host: { memoryGb, cores },
  };
  return {
    lab: completeLab(file),
    bottleneck: none ? 'none' : resource,
    knee: none ? null : knee,
    margin,
    random,
    short: isShort,
    about: `${resource} at ${knee.toFixed(2)} of ${most}, S ${total.toFixed(3)} s, ${claims} claims`,
  };
}
