import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { simulateCell } from '../simulate/cell.ts';
import { createFaults } from './faults.ts';
import { completeLab, labProblem } from './lab.ts';
import type { LabFile } from './lab-schema.ts';

const specs = (faults: NonNullable<LabFile['faults']>) => completeLab({ faults }).faults;
const key = (record: number, attempt = 0) => ({ record, attempt, draw: 0 });

describe('a fault strikes', () => {
  test('the first so many requests, then none', () => {
    const faults = createFaults(1, specs([{ on: 'embeddings', kind: 'status', first: 2 }]));
    const hits = [0, 1, 2, 3].map((at) => faults.strike('embeddings', 'openai', key(at), at));
    expect(hits.map((hit) => hit?.status)).toEqual([503, 503, undefined, undefined]);
  });

  test('within its window, the end left out', () => {
    const faults = createFaults(
      1,
      specs([{ on: 'upsert', kind: 'stall', fromSeconds: 2, untilSeconds: 5 }]),
      10e6,
    );
    const at = (seconds: number) => faults.strike('upsert', 'qdrant', key(0), seconds * 1e6)?.kind;
    expect([11.999_999, 12, 14.999_999, 15].map(at)).toEqual([
      undefined,
      'stall',
      'stall',
      undefined,
    ]);
  });

  test('what it is on: one kind, or a whole service', () => {
    const faults = createFaults(
      1,
      specs([
        { on: 'qdrant', kind: 'close' },
        { on: 'embeddings', kind: 'reset' },
      ]),
    );
    expect(faults.strike('upsert', 'qdrant', key(0), 0)?.kind).toBe('close');
    expect(faults.strike('qdrant', 'qdrant', key(0), 0)?.kind).toBe('close');
    expect(faults.strike('embeddings', 'openai', key(0), 0)?.kind).toBe('reset');
    expect(faults.strike('openai', 'openai', key(0), 0)).toBeUndefined();
  });

  test('the same requests in any order, and about as many as its probability says', () => {
    const struckOf = (order: number[]) => {
      const faults = createFaults(
        7,
        specs([{ on: 'embeddings', kind: 'reset', probability: 0.1 }]),
      );
      return order.filter((at) => faults.strike('embeddings', 'openai', key(at), 0));
    };
    const order = Array.from({ length: 10_000 }, (_, at) => at);
    const struck = struckOf(order);
    // Four standard deviations of 10,000 draws of 10 %.
    expect(Math.abs(struck.length - 1_000)).toBeLessThan(120);
    expect(struckOf([...order].reverse()).sort((a, b) => a - b)).toEqual(struck);
  });

  test('by attempt: a retry draws anew', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
        const faults = createFaults(
          seed,
          specs([{ on: 'upsert', kind: 'reset', probability: 0.5 }]),
        );
        const hits = Array.from({ length: 64 }, (_, attempt) =>
          Boolean(faults.strike('upsert', 'qdrant', key(3, attempt), 0)),
        );
        expect(new Set(hits).size).toBe(2);
      }),
    );
  });

  test('independently of another of the same probability', () => {
    const [a, b] = [0, 1].map(() => specs([{ on: 'upsert', kind: 'reset', probability: 0.5 }])[0]!);
    const faults = createFaults(1, [a!, { ...b!, kind: 'close' }]);
    const kinds = Array.from(
      { length: 4_000 },
      (_, at) => faults.strike('upsert', 'qdrant', key(at), 0)?.kind,
    );
    const share = (kind: string | undefined) => kinds.filter((k) => k === kind).length / 4_000;
    expect(share('reset')).toBeCloseTo(0.5, 1);
    expect(share('close')).toBeCloseTo(0.25, 1);
  });
});

test('a window that ends before it begins is refused', () => {
  const lab = completeLab({
    faults: [{ on: 'upsert', kind: 'stall', fromSeconds: 5, untilSeconds: 5 }],
  });
  expect(labProblem(lab)).toMatch(/^faults\.0: untilSeconds must be over fromSeconds \(5\), got 5/);
});

describe('in the simulator', () => {
  // One worker, one record of 20 + 80 + 380 + 120 = 600 ms.
  const one = (faults: NonNullable<LabFile['faults']>, more: LabFile = {}) =>
    simulateCell(completeLab({ ...more, workload: { records: 1 }, faults }), 1);

  test('a latency spike takes its time and harms nothing', () => {
    const cell = one([{ on: 'embeddings', kind: 'latency', ms: 250 }]);
    expect(cell.seconds).toBeCloseTo(0.85, 6);
    expect(cell.completeness.recordsFailed).toBe(0);
  });

  test('a stalled upsert is a timeout, and is stored all the same', () => {
    const cell = one([{ on: 'upsert', kind: 'stall', first: 1 }]);
    expect(cell.qdrant).toMatchObject({ requests: 2, timeouts: 1, succeeded: 1, errors: 0 });
    // 480 ms to the upsert, 5 s of timeout, a backoff of 0.75 to 1 s, 120 ms.
    expect(cell.seconds).toBeGreaterThanOrEqual(0.48 + 5 + 0.75 + 0.12);
    expect(cell.seconds).toBeLessThanOrEqual(0.48 + 5 + 1 + 0.12);
    expect(cell.completeness).toMatchObject({ pointsStored: 8, recordsFailed: 0 });
  });

  test('a 503 is charged nothing and obeys its hint', () => {
    const cell = one(
      [{ on: 'embeddings', kind: 'status', status: 503, retryAfterSeconds: 2, first: 1 }],
      { worker: { client: 'openai-node-7' }, openai: { rejectionMs: 0 } },
    );
    expect(cell.openai).toMatchObject({
      requests: 2,
      succeeded: 1,
      errors: 1,
      chargedTokens: 4_000,
    });
    expect(cell.seconds).toBeCloseTo(2.6, 6);
  });

  test.each([
    ['openai-node-7', 'reset', 0],
    ['openai-node-7', 'reset-body', 1],
    ['openai-node-7', 'truncated-json', 1],
    ['openai-python-3', 'reset-body', 0],
    ['openai-python-3', 'truncated-json', 1],
    ['patient', 'truncated-json', 0],
    ['none', 'reset', 1],
  ] as const)('%s after one %s loses %d records', (client, kind, lost) => {
    const cell = one([{ on: 'embeddings', kind, first: 1 }], { worker: { client } });
    expect(cell.completeness.recordsFailed).toBe(lost);
  });

  test('three 429s in a row are more than an SDK retries', () => {
    const faults = [{ on: 'embeddings', kind: 'status', status: 429, first: 3 }] as const;
    const cell = one([...faults], { worker: { client: 'openai-node-7' } });
    expect(cell.openai.rateLimited.rpm).toBe(3);
    expect(cell.completeness).toMatchObject({ pointsStored: 0, recordsFailed: 1 });
  });
});
