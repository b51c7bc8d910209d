import { describe, expect, test } from 'vitest';
import { completeLab } from '../../model/lab.ts';
import { simulateCell } from '../../simulate/cell.ts';
import { costOf, describeEstimate, estimate, usdText } from './cost.ts';

const hosts = { openai: 'https://api.openai.com', qdrant: 'https://x.cloud.qdrant.io:6333' };

test('tokens cost what the price sheet says, with its source', () => {
  const cost = costOf({ tokens: 2_500_000, model: 'text-embedding-3-large' })!;
  expect(cost.usd).toBeCloseTo(0.325, 12);
  expect(cost.origin).toMatchObject({ grade: 'documented', asOf: '2026' });
  expect(costOf({ tokens: 1, model: 'my-model' })).toBeUndefined();
});

describe('an estimate', () => {
  test('of the reference lab', () => {
    const { cells, total, model } = estimate(completeLab({}));
    const one = { records: 100, requests: 100, tokens: 400_000, points: 800, usd: 0.008 };
    expect(cells).toEqual([1, 2, 5, 10, 20].map((workers) => ({ workers, ...one })));
    expect(total).toEqual({ records: 500, requests: 500, tokens: 2e6, points: 4_000, usd: 0.04 });
    expect(model).toBe('text-embedding-3-small');
  });

  test.each([
    { records: 7, chunksPerRecord: 9, batchSize: 4, recordsPerClaim: 3 },
    { records: 100, chunksPerRecord: 8, batchSize: 50, recordsPerClaim: 50 },
    { records: 5, chunksPerRecord: 1, batchSize: 50, recordsPerClaim: 2 },
    { records: 1, chunksPerRecord: 120, batchSize: 50, recordsPerClaim: 10 },
  ])('is what a run sends where nothing is refused: %j', (workload) => {
    const lab = completeLab({ workload, workers: [1, 3] });
    const { cells, total } = estimate(lab);
    for (const { workers, records, requests, points, tokens } of cells) {
      const run = simulateCell(lab, workers);
      expect(run.openai.requests).toBe(requests);
      expect(run.qdrant.requests).toBe(requests);
      expect(run.completeness).toMatchObject({ records, pointsExpected: points });
      // Each request's tokens are rounded down, the sum of all texts only once.
      expect(tokens - run.openai.chargedTokens).toBeGreaterThanOrEqual(0);
      expect(tokens - run.openai.chargedTokens).toBeLessThan(requests);
    }
    expect(total.requests).toBe(2 * cells[0]!.requests);
  });

  test('of a model without a known price has none, and says so', () => {
    const unknown = estimate(completeLab({ openai: { model: 'my-model' } }));
    expect(unknown.total).not.toHaveProperty('usd');
    expect(unknown).not.toHaveProperty('price');
    const text = describeEstimate(unknown, hosts).join('\n');
    expect(text).toContain('unknown; no price of the model "my-model"');
    expect(text).toContain('--max-cost N');
  });
});

test('in words: where to, how much, what it costs by whom, whose points, and how to go on', () => {
  const lines = describeEstimate(estimate(completeLab({})), hosts);
  expect(lines.length).toBeGreaterThanOrEqual(4);
  expect(lines.length).toBeLessThanOrEqual(8);
  for (const line of lines) expect(line).not.toContain('\n');
  const text = lines.join('\n');
  for (const part of [
    'embeddings to https://api.openai.com, points to https://x.cloud.qdrant.io:6333',
    '100 records × 5 worker counts (1, 2, 5, 10, 20)',
    '500 embeddings requests, about 2,000,000 tokens and 4,000 points',
    '$0.04, at $0.02 per million tokens of text-embedding-3-small (documented, 2026: https://developers.openai.com/',
    'Retries are not included',
    'your own collection',
    '--yes --max-cost 0.05',
  ])
    expect(text).toContain(part);
  const single = describeEstimate(
    estimate(completeLab({ workers: [1], workload: { records: 1, chunksPerRecord: 1 } })),
    hosts,
  ).join('\n');
  expect(single).toContain(
    '1 record × 1 worker count (1): 1 embeddings request, about 500 tokens and 1 point,',
  );
  expect(single).toContain('--max-cost 0.01');
});

test.each([
  [0, '$0.00'],
  [0.00001, '$0.00001'],
  [0.0000001, '$0.0000001'],
  [0.008, '$0.008'],
  [0.04, '$0.04'],
  [1_234.5, '$1234.50'],
])('%s dollars are %s', (usd, text) => expect(usdText(usd)).toBe(text));

test.each([
  [0.04, '0.05'],
  [0.8, '1.00'],
  [0.81, '1.02'],
  [400, '500.00'],
])('the suggested limit has a quarter to spare: $%s → %s', (usd, limit) => {
  const given = estimate(completeLab({}));
  const lines = describeEstimate({ ...given, total: { ...given.total, usd } }, hosts);
  expect(lines.at(-1)).toContain(`--max-cost ${limit}:`);
});
