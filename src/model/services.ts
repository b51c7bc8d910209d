/** The services of a lab on a clock that is an argument: the mocks and the simulator run these very functions. */
import { bucketStart, type Lab } from './lab.ts';
import { latencySampler } from './latency.ts';
import { createLimiter, type Limiter, type QuotaName, quotasOf, type Refusal } from './limiter.ts';
import { createRamp } from './ramp.ts';
import { type DrawKey, streams, uniform } from './random.ts';
import type { Hint } from './retry.ts';
import { createPool, createStation } from './station.ts';

/**
 * How long a refusal takes: half to one and a half times the mean. If all took equally long, a herd of
 * retrying clients would stay in step for ever, as in no network.
 */
export const rejectionUs = ({ seed, openai }: Pick<Lab, 'seed' | 'openai'>, key: DrawKey): number =>
  Math.round(openai.rejectionMs * 1_000 * (0.5 + uniform(seed, streams.rejection, key)));

/** What refused a request: a limit, the ramp limit, or an account that can't pay. */
export type RefusedBy = QuotaName | 'slow_down' | 'quota';

/**
 * An embeddings request was admitted and is ready at `doneUs`, or refused. A refusal by the ramp limit
 * carries the name of the limit that it is counted with.
 */
export type Admission = {
  doneUs: number;
  refusal: Refusal | undefined;
  refusedBy: RefusedBy | undefined;
};

/** No wait cures an account without credit. */
const unpaid: Refusal = { name: 'rpm', limit: 0, used: 0, requested: 1, waitUs: Infinity };

export type EmbeddingsService = {
  limiter: Limiter;
  embed: (tokens: number, inputs: number, key: DrawKey, nowUs: number) => Admission;
  /** Changes tier, limits or latency while keeping what was used, as an upgrade does. */
  switchTo: (lab: Lab, nowUs: number) => void;
};

export function createEmbeddings(lab: Lab): EmbeddingsService {
  let { seed, openai } = lab;
  const quotasNow = () => quotasOf(openai.limits, openai.burstSeconds, bucketStart(openai.bucket));
  let quotas = quotasNow();
  const limiter = createLimiter(quotas, openai.rejectionCost);
  const stationNow = () => createStation({ latency: openai.latency, slots: 0, slotUsPerUnit: 0 });
  let station = stationNow();
  let ramp = openai.slowDown ? createRamp(0) : undefined;
  const admit = (tokens: number, nowUs: number): Pick<Admission, 'refusal' | 'refusedBy'> => {
    if (openai.quota !== 'available') return { refusal: unpaid, refusedBy: 'quota' };
    const tooSteep = ramp?.refusal(tokens, nowUs);
    if (tooSteep) {
      limiter.reject(tokens, nowUs);
      return { refusal: tooSteep, refusedBy: 'slow_down' };
    }
    const refusal = quotas.length > 0 ? limiter.admit(tokens, nowUs) : undefined;
    if (!refusal) ramp?.count(tokens, nowUs);
    return { refusal, refusedBy: refusal?.name };
  };
  return {
    limiter,
    embed(tokens, inputs, key, nowUs) {
      const { refusal, refusedBy } = admit(tokens, nowUs);
      if (refusal)
        return { doneUs: nowUs + rejectionUs({ seed, openai }, key), refusal, refusedBy };
      const u = () => uniform(seed, streams.embed, key);
      return { doneUs: station({ units: inputs, tokens }, u, nowUs), refusal, refusedBy };
    },
    switchTo(next, nowUs) {
      ({ seed, openai } = next);
      ramp = openai.slowDown ? (ramp ?? createRamp(nowUs)) : undefined;
      quotas = quotasNow();
      limiter.switchTo(quotas, nowUs);
      station = stationNow();
    },
  };
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
