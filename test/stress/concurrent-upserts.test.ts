import { QdrantClient } from '@qdrant/js-client-rest';
import { expect, test } from 'vitest';
import { completeLab } from '../../src/model/lab.ts';
import { openMocks } from '../../src/services/open-mocks.ts';

test('10,000 concurrent upserts, each sent twice, leave exactly their points, and scrolling finds each once', async () => {
  const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
  const lab = completeLab({ qdrant: { latency: { p50: 5, p95: 20, p99: 60 } } });
  const mocks = await openMocks(lab, 1, '127.0.0.1', ports);
  try {
    const client = new QdrantClient({ url: mocks.qdrantUrl, apiKey: 'kneepoint-lab-many' });
    await client.createCollection('docs', { vectors: { size: 4, distance: 'Dot' } });
    const upsert = (at: number) =>
      client.upsert('docs', {
        wait: at % 2 === 0,
        // Neighbours overlap by a point, so that ids are written by several requests at once.
        points: [at, at + 1].map((id) => ({ id, vector: [id, 1, 0, 0], payload: { id } })),
      });
    const upserts = Array.from({ length: 10_000 }, (_, at) => at);
    await Promise.all([...upserts, ...upserts].map(upsert));
    expect(await client.count('docs', { exact: true })).toEqual({ count: 10_001 });

    const seen: number[] = [];
    let offset: number | undefined;
    do {
      const page = await client.scroll('docs', {
        limit: 777,
        ...(offset === undefined ? {} : { offset }),
      });
      seen.push(...page.points.map(({ id }) => id as number));
      offset = (page.next_page_offset as number | null) ?? undefined;
    } while (offset !== undefined);
    expect(seen).toEqual(Array.from({ length: 10_001 }, (_, at) => at));
  } finally {
    await mocks.close();
  }
});
