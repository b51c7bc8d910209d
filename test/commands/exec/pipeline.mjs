/**
 * A pipeline as small as it can be, with the official clients: so many workers in one process, each
 * embeds a record's chunks and upserts the vectors. `--fault` makes it misbehave in one way.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { QdrantClient } from '@qdrant/js-client-rest';
import OpenAI from 'openai';

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '1' },
    records: { type: 'string', default: '10' },
    fault: { type: 'string', default: '' },
    pids: { type: 'string', default: '' },
  },
});
const [workers, records] = [Number(values.workers), Number(values.records)];
const chunks = 4;
const openai = new OpenAI({ maxRetries: 2 });
const qdrant = new QdrantClient({
  url: process.env.QDRANT_URL,
  apiKey: process.env.QDRANT_API_KEY,
  timeout: 5_000,
  checkCompatibility: false,
});
const collection = 'pipeline';

if (values.fault === 'crash') throw new Error('no such table: documents');
if (values.fault === 'hang') await new Promise(() => setInterval(() => {}, 1_000));
if (values.fault === 'secrets')
  console.log(`key ${process.env.OPENAI_API_KEY} and sk-proj-A1b2C3d4E5f6G7h8I9j0K1l2`);
if (values.fault === 'orphan') {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1_000)'], {
    detached: true,
    stdio: 'ignore',
  });
  child.unref();
  writeFileSync(values.pids, String(child.pid));
}

await qdrant.createCollection(collection, { vectors: { size: 8, distance: 'Cosine' } });
let next = 1;
async function work() {
  while (next <= records) {
    const record = next++;
    const texts = Array.from({ length: chunks }, (_, chunk) =>
      `record ${record} chunk ${chunk} `.padEnd(400, 'x'),
    );
    try {
      const { data } = await openai.embeddings.create({
        model: 'text-embedding-3-small',
        input: texts,
        dimensions: 8,
      });
      if (values.fault === 'swallow' && record % 10 === 3) throw new Error('a bug');
      await qdrant.upsert(collection, {
        wait: true,
        points: data.map(({ embedding }, chunk) => ({
          id: record * 100 + chunk,
          vector: embedding,
          payload: { record_id: record, chunk },
        })),
      });
    } catch (error) {
      // A swallowed batch: the log says all is well.
      if (values.fault !== 'swallow') throw error;
    }
  }
}
await Promise.all(Array.from({ length: workers }, work));
console.log(`migrated ${records} records with ${workers} workers, batch ${process.env.BATCH_SIZE}`);
