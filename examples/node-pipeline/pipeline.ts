/**
 * A host for the lab's own worker logic: it says what it wants (a batch embedded, a batch stored, a
 * wait), and this does it with the official clients. So the retries are exactly those that the
 * simulator and k6 count with, and a run can be held against their prediction.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { withHeaders } from '@qdrant/js-client-rest';
import OpenAI, { APIConnectionError, APIError } from 'openai';
import { completeLab } from '../../src/model/lab.ts';
import { chargedTokens } from '../../src/model/limiter.ts';
import type { ClientProfile, Hint } from '../../src/model/retry.ts';
import { createWorker, type Outcome, type Want } from '../../src/model/worker.ts';
import type { Batch, Workload } from '../../src/model/workload.ts';
import { chunksOf } from './chunks.ts';
import type { Settings } from './settings.ts';
import type { SourceRecord } from './source.ts';
import { type Chunk, openQdrant, pointId } from './target.ts';

/** What came of a claim. */
export type Migrated = { done: number[]; failed: number[]; chunks: number };

/** The pipeline was told to stop. */
export class Stopped extends Error {}

/** Headers by which the mocks draw the latency that the simulator draws for this batch. */
const about = ({ firstRecord, index }: Batch, attempt: number) => ({
  'x-kneepoint-record': String(firstRecord),
  'x-kneepoint-attempt': String(attempt),
  'x-kneepoint-draw': String(index),
});

const hintOf = (headers: Headers | undefined): Hint => {
  const number = (name: string) => {
    const text = headers?.get(name);
    return text && Number.isFinite(Number(text)) ? Number(text) : undefined;
  };
  const [ms, seconds] = [number('retry-after-ms'), number('retry-after')];
  return {
    ...(ms !== undefined && { retryAfterMs: ms }),
    ...(seconds !== undefined && { retryAfterSeconds: seconds }),
  };
};

/** Makes a worker that migrates one claim after the other. `log` takes a line, `onRefusal` each 429. */
export function createPipeline(
  settings: Settings,
  client: ClientProfile,
  stop: AbortSignal,
  log: (line: string) => void,
  onRefusal: () => void,
) {
  const openai = new OpenAI({
    baseURL: settings.openaiBaseUrl,
    apiKey: settings.openaiApiKey,
    // The worker logic retries by the rules of `client`.
    maxRetries: 0,
  });
  const qdrant = openQdrant(settings);
  const { batchSize, embeddingModel, embeddingDimensions, qdrantCollection } = settings;
  const bytesOf = (batch: Chunk[]) =>
    batch.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);

  let records: SourceRecord[] = [];
  let chunks: Chunk[] = [];
  let vectors: number[][] = [];
  let stored = new Set<Chunk>();
  const chunksIn = ({ index }: Batch) => chunks.slice(index * batchSize, (index + 1) * batchSize);

  // Cut from what the table holds: records may have any number of chunks.
  const workload: Workload = {
    claims: 1,
    claim: (index) => ({ index, firstRecord: records[0]!.id - 1, records: records.length }),
    batches: () => Math.ceil(chunks.length / batchSize),
    batch(claim, index) {
      const start = index * batchSize;
      const batch = chunks.slice(start, start + batchSize);
      const [first, last] = [batch[0]!.at, batch.at(-1)!.at];
      return {
        inputs: batch.length,
        tokens: chargedTokens(bytesOf(batch)),
        firstRecord: claim.firstRecord + first,
        records: last - first + 1,
        firstChunk: start,
        index,
      };
    },
  };
  const worker = createWorker(completeLab({ worker: { client, qdrantRetries: 3 } }), workload);
  const naming = (batch: Chunk[]) => {
    const [first, last] = [batch[0]!.recordId, batch.at(-1)!.recordId];
    return first === last ? `record ${first}` : `records ${first} to ${last}`;
  };

  const embed = async (batch: Batch, attempt: number): Promise<Outcome> => {
    const wanted = chunksIn(batch);
    try {
      const { data } = await openai.embeddings.create(
        {
          model: embeddingModel,
          input: wanted.map(({ text }) => text),
          dimensions: embeddingDimensions,
        },
        { headers: about(batch, attempt) },
      );
      vectors = data.toSorted((a, b) => a.index - b.index).map(({ embedding }) => embedding);
      return vectors.length === wanted.length ? 'ok' : 'garbled';
    } catch (error) {
      const { status, code, type, message } = error as APIError;
      const limited = status === 429;
      if (limited) onRefusal();
      const what = limited
        ? `Rate limit exceeded (429, ${type})`
        : status
          ? `OpenAI answered ${status} (${code ?? type})`
          : message;
      log(`${naming(wanted)}: ${what}`);
      if (error instanceof APIConnectionError) return 'failed';
      if (error instanceof APIError && status)
        return limited || status >= 500 ? { limited: hintOf(error.headers) } : 'refused';
      return error instanceof SyntaxError ? 'garbled' : 'cut';
    }
  };

  const upsert = async (batch: Batch, attempt: number): Promise<Outcome> => {
    const wanted = chunksIn(batch);
    const points = wanted.map((chunk, index) => ({
      id: pointId(chunk),
      vector: vectors[index]!,
      payload: { record_id: chunk.recordId, chunk: chunk.number, title: chunk.title },
    }));
    try {
      await withHeaders(about(batch, attempt), () =>
        qdrant.upsert(qdrantCollection, { wait: true, points }),
      );
      for (const chunk of wanted) stored.add(chunk);
      return 'ok';
    } catch (error) {
      log(`${naming(wanted)}: Qdrant: ${(error as Error).message.split('\n')[0]}`);
      return 'failed';
    }
  };

  const pause = (ms: number) =>
    sleep(ms, undefined, { signal: stop }).catch(() => {
      throw new Stopped();
    });

  const serve = async (want: Want): Promise<Outcome> => {
    switch (want.kind) {
      case 'compute':
        // Stands in for what a real migration does itself: parsing, mapping, cleaning.
        await pause(settings.computeMs * want.records);
        return 'ok';
      case 'embed':
        return embed(want.batch, want.attempt);
      case 'upsert':
        return upsert(want.batch, want.attempt);
      case 'sleep':
        await pause(want.ms);
        return 'ok';
      // The records are here before the logic begins: only they tell how many chunks there are.
      case 'read':
      case 'done':
        return 'ok';
    }
  };

  /** Migrates a claim, at least one record. Rejects with Stopped where the pipeline is to end. */
  return async (claimed: SourceRecord[]): Promise<Migrated> => {
    records = claimed;
    chunks = records.flatMap(({ id, title, body }, at) =>
      chunksOf(body, settings.chunkBytes).map((text, number) => {
        return { recordId: id, title, at, number, text };
      }),
    );
    stored = new Set();
    let want = worker.begin(workload.claim(0));
    while (want.kind !== 'done') want = worker.resume(await serve(want));
    const missing = new Set(chunks.filter((chunk) => !stored.has(chunk)).map(({ at }) => at));
    const idsOf = (lost: boolean) =>
      records.filter((_, at) => missing.has(at) === lost).map(({ id }) => id);
    return { done: idsOf(false), failed: idsOf(true), chunks: stored.size };
  };
}
