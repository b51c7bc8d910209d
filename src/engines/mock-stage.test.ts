import { expect, test } from 'vitest';
import { completeLab } from '../model/lab.ts';
import { openMocks } from '../services/open-mocks.ts';
import { openMockStage } from './mock-stage.ts';

const json = { 'content-type': 'application/json' };

test('a client that leaves before its answer is a timeout, and one that waits is none', async () => {
  const lab = completeLab({
    openai: { tier: 'unlimited' },
    qdrant: { latency: { fixed: 400 } },
    workload: { records: 1, chunksPerRecord: 1 },
  });
  const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
  const mocks = await openMocks(lab, 1, '127.0.0.1', ports);
  const stage = await openMockStage(lab, mocks, undefined);
  try {
    const { QDRANT_URL, QDRANT_API_KEY } = stage.env;
    const send = (path: string, body: unknown, timeoutMs: number) =>
      fetch(`${QDRANT_URL}/collections/c${path}`, {
        method: 'PUT',
        headers: { ...json, 'api-key': QDRANT_API_KEY! },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
      });
    await send('', { vectors: { size: 2, distance: 'Dot' } }, 10_000);
    const points = [{ id: 1, vector: [1, 2], payload: { record_id: 1 } }];
    await expect(send('/points?wait=true', { points }, 100)).rejects.toThrow();
    const answer = await send('/points?wait=true', { points }, 10_000);
    expect(answer.status).toBe(200);
    await answer.text();
    await expect
      .poll(() => stage.traffic().qdrant)
      .toMatchObject({ requests: 2, succeeded: 1, timeouts: 1, errors: 0 });
    // The one that left took until then, not until the answer.
    expect(stage.traffic().spentSeconds.qdrant).toBeLessThan(0.75);
    expect([...stage.points()!]).toHaveLength(1);
  } finally {
    await stage.close();
    await mocks.close();
  }
});
