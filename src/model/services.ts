/** The services of a lab on a clock that is an argument: the mocks and the simulator run these very functions. */
import { bucketStart, type Lab } from './lab.ts';
import { latencySampler } from './latency.ts';
import { createLimiter, type Limiter, quotasOf, type Refusal } from './limiter.ts';
import { type DrawKey, streams, uniform } from './random.ts';
import type { Hint } from './retry.ts';
import { createPool, createStation } from './station.ts';

/** An embeddings request was admitted and is ready at `doneUs`, or refused. */
export type Admission = { doneUs: number; refusal: Refusal | undefined };

export type EmbeddingsService = {
  limiter: Limiter;
  embed: (tokens: number, inputs: number, key: DrawKey, nowUs: number) => Admission;
};

export function createEmbeddings({ seed, openai }: Lab): EmbeddingsService {
  const quotas = quotasOf(openai.limits, openai.burstSeconds, bucketStart(openai.bucket));
  const limiter = createLimiter(quotas, openai.rejectionCost);
  const station = createStation({ latency: openai.latency, slots: 0, slotUsPerUnit: 0 });
  // Half to one and a half times the mean: refusals that all took equally long would keep a herd of
  // retrying clients in step for ever, which no network does.
  const rejectionUs = (key: DrawKey) =>
    Math.round(openai.rejectionMs * 1_000 * (0.5 + uniform(seed, streams.rejection, key)));
  return {
    limiter,
    embed(tokens, inputs, key, nowUs) {
      const refusal = quotas.length > 0 ? limiter.admit(tokens, nowUs) : undefined;
      if (refusal) return { doneUs: nowUs + rejectionUs(key), refusal };
      const u = () => uniform(seed, streams.embed, key);
      return { doneUs: station({ units: inputs, tokens }, u, nowUs), refusal };
    },
  };
}

/** When an upsert of so many points is applied, whether or not its client still waits. */
export type UpsertService = (points: number, key: DrawKey, nowUs: number) => number;

export function createUpserts({ seed, qdrant }: Lab): UpsertService {
  // All slots together apply `pointsPerSecond`; a rate without slots is one slot.
  const slots = qdrant.slots || 1;
  const slotUsPerUnit = qdrant.pointsPerSecond > 0 ? (slots * 1e6) / qdrant.pointsPerSecond : 0;
  const station = createStation({ latency: qdrant.latency, slots, slotUsPerUnit });
  return (points, key, nowUs) =>
    station({ units: points, tokens: 0 }, () => uniform(seed, streams.upsert, key), nowUs);
}

/** The machine that runs the workers: its database connections and its cores. */
export type Host = {
  /** A read of one claim: waits for a connection, then holds it. */
  read: (nowUs: number) => { waitUs: number; doneUs: number };
  /** The compute of so many records: waits for a core, then holds it. Returns when it is done. */
  compute: (records: number, nowUs: number) => number;
};

export function createHost({ worker, mysql, host }: Lab): Host {
  const connections = createPool(mysql.poolSize);
  const cores = createPool(host.cores);
  const readUs = Math.round(worker.readMs * 1_000);
  const computeUs = Math.round(worker.computeMs * 1_000);
  return {
    read(nowUs) {
      const startUs = connections(nowUs, readUs);
      return { waitUs: startUs - nowUs, doneUs: startUs + readUs };
    },
    compute(records, nowUs) {
      const workUs = records * computeUs;
      return cores(nowUs, workUs) + workUs;
    },
  };
}

/** What a refusal tells the client in its headers. */
export function hintOf(refusal: Refusal, retryAfter: Lab['openai']['retryAfter']): Hint {
  if (retryAfter === 'none' || refusal.waitUs === Infinity) return {};
  const retryAfterSeconds = Math.ceil(refusal.waitUs / 1e6);
  if (retryAfter === 'seconds') return { retryAfterSeconds };
  // Rounded up, so that a client that waits exactly this long is admitted.
  return { retryAfterSeconds, retryAfterMs: Math.ceil(refusal.waitUs / 1_000) };
}

/** Mean seconds of useful work that one worker spends on a record when nothing makes it wait. */
export function demandSeconds(lab: Lab): {
  read: number;
  compute: number;
  embed: number;
  qdrant: number;
  total: number;
} {
  const { workload, worker, openai, qdrant } = lab;
  const claimChunks =
    workload.chunksPerRecord * Math.min(workload.recordsPerClaim, workload.records);
  const claimRecords = claimChunks / workload.chunksPerRecord;
  const requests = Math.ceil(claimChunks / workload.batchSize) / claimRecords;
  const tokens = (workload.chunksPerRecord * workload.bytesPerChunk) / 4;
  const read = worker.readMs / 1e3 / claimRecords;
  const compute = worker.computeMs / 1e3;
  const perToken = (openai.latency.perThousandTokens ?? 0) / 1e6;
  const embed = (requests * latencySampler(openai.latency).meanUs()) / 1e6 + tokens * perToken;
  const slotSeconds = qdrant.pointsPerSecond > 0 ? (qdrant.slots || 1) / qdrant.pointsPerSecond : 0;
  const upsert =
    (requests * latencySampler(qdrant.latency).meanUs()) / 1e6 +
    workload.chunksPerRecord * slotSeconds;
  return { read, compute, embed, qdrant: upsert, total: read + compute + embed + upsert };
}
