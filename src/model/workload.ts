import type { Lab } from './lab.ts';
import { chargedTokens } from './limiter.ts';

/** One embeddings request and the upsert that follows it. */
export type Batch = {
  inputs: number;
  tokens: number;
  /** Number of its first record, and how many records have a chunk in it. */
  firstRecord: number;
  records: number;
  /** Chunk number of the first input, counted over all records. */
  firstChunk: number;
  /** The batch within its claim: draws of two batches of a record must differ. */
  index: number;
};

/** A work unit: the records that a worker takes at a time. */
export type Claim = { index: number; firstRecord: number; records: number };

export type Workload = {
  claims: number;
  claim: (index: number) => Claim;
  batches: (claim: Claim) => number;
  batch: (claim: Claim, index: number) => Batch;
};

/** Cuts records into claims, and the chunks of a claim into batches. */
export function createWorkload(workload: Lab['workload']): Workload {
  const { records, chunksPerRecord, bytesPerChunk, batchSize, recordsPerClaim } = workload;
  return {
    claims: Math.ceil(records / recordsPerClaim),
    claim(index) {
      const firstRecord = index * recordsPerClaim;
      return { index, firstRecord, records: Math.min(recordsPerClaim, records - firstRecord) };
    },
    batches: (claim) => Math.ceil((claim.records * chunksPerRecord) / batchSize),
    batch(claim, index) {
      const start = index * batchSize;
      const inputs = Math.min(batchSize, claim.records * chunksPerRecord - start);
      const firstRecord = claim.firstRecord + Math.floor(start / chunksPerRecord);
      const lastRecord = claim.firstRecord + Math.floor((start + inputs - 1) / chunksPerRecord);
      return {
        inputs,
        tokens: chargedTokens(inputs * bytesPerChunk),
        firstRecord,
        records: lastRecord - firstRecord + 1,
        firstChunk: claim.firstRecord * chunksPerRecord + start,
        index,
      };
    },
  };
}
