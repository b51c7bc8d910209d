import { describe, expect, test } from 'vitest';
import { simulateCell } from '../simulate/cell.ts';
import { completeLab } from './lab.ts';
import type { LabFile } from './lab-schema.ts';
import { createUpserts } from './upserts.ts';

const second = 1e6;
const start = (qdrant: LabFile['qdrant']) =>
  createUpserts(completeLab({ qdrant: { latency: { fixed: 0 }, ...qdrant } }));
const key = { record: 0, attempt: 0, draw: 0 };

describe('a queue', () => {
  test('acknowledges at once what it has room for, and blocks the rest', () => {
    // One slot, 10 points a second: each write of 10 points takes a second.
    const upserts = start({ slots: 1, pointsPerSecond: 10, queueLength: 2 });
    const tickets = [0, 1, 2, 3].map(() => upserts.write({ points: 10, added: 10 }, key, 0));
    expect(tickets.map(({ appliedUs }) => appliedUs / second)).toEqual([1, 2, 3, 4]);
    // The third waits for the first to leave, the fourth for the second.
    expect(tickets.map(({ acknowledgedUs }) => acknowledgedUs / second)).toEqual([0, 0, 1, 2]);
    expect(upserts.state(0).queued).toBe(4);
    expect(upserts.state(2.5 * second).queued).toBe(2);
  });
});

describe('the index', () => {
  const slow = {
    slots: 1,
    pointsPerSecond: 1_000,
    indexPointsPerSecond: 10,
    indexingThreshold: 50,
  };

  test('lags behind, turns the collection yellow and slows writes until it has caught up', () => {
    const upserts = start(slow);
    upserts.write({ points: 100, added: 100 }, key, 0);
    expect(upserts.state(0)).toMatchObject({ backlog: 100, yellow: true });
    const late = upserts.write({ points: 100, added: 100 }, key, second);
    // 0.1 s of work, one and a half times as long on yellow.
    expect(late.appliedUs / second).toBeCloseTo(1.15, 6);
    expect(upserts.state(second).backlog).toBe(190);
    expect(upserts.state(15 * second)).toMatchObject({ backlog: 50, yellow: false });
    expect(upserts.state(20 * second).backlog).toBe(0);
  });

  test('is there at once where no rate is known', () => {
    const upserts = start({ indexingThreshold: 1 });
    upserts.write({ points: 100, added: 100 }, key, 0);
    expect(upserts.state(0)).toMatchObject({ backlog: 0, yellow: false });
  });
});

describe('memory', () => {
  test('ends in a restart that stores nothing, again and again', () => {
    const upserts = start({ memoryPoints: 100, restartSeconds: 30 });
    const write = (points: number, seconds: number) =>
      upserts.write({ points, added: points }, key, seconds * second).refusal;
    expect(write(90, 0)).toBeUndefined();
    expect(write(11, 1)).toBe('restarting');
    expect(write(1, 30.9)).toBe('restarting');
    expect(upserts.state(30.9 * second)).toMatchObject({ points: 90, restarting: true });
    expect(write(1, 31)).toBeUndefined();
    expect(write(50, 32)).toBe('restarting');
    upserts.remove(60);
    expect(write(50, 62)).toBeUndefined();
  });

  test('slows a server down from nine tenths on', () => {
    const upserts = start({ memoryPoints: 100, latency: { fixed: 100 } });
    const tookMs = () => upserts.write({ points: 1, added: 0 }, key, 0).appliedUs / 1_000;
    upserts.write({ points: 90, added: 90 }, key, 0);
    expect(tookMs()).toBe(100);
    upserts.write({ points: 1, added: 1 }, key, 0);
    expect(tookMs()).toBe(200);
  });
});

test('a change of plan keeps what is stored', () => {
  const upserts = start({ memoryPoints: 100 });
  upserts.write({ points: 100, added: 100 }, key, 0);
  upserts.switchTo(completeLab({ qdrant: { memoryPoints: 200, latency: { fixed: 7 } } }), second);
  const ticket = upserts.write({ points: 50, added: 50 }, key, second);
  expect(ticket).toMatchObject({ appliedUs: second + 7_000, refusal: undefined });
  expect(upserts.state(second).points).toBe(150);
});

describe('in the simulator', () => {
  test('a restart costs retries, and records once they are used up', () => {
    const lab = completeLab({
      workload: { records: 10 },
      qdrant: { memoryPoints: 40, restartSeconds: 5 },
    });
    const cell = simulateCell(lab, 1);
    expect(cell.completeness).toMatchObject({ pointsStored: 40, recordsFailed: 5 });
    expect(cell.qdrant).toMatchObject({ succeeded: 5, errors: 20 });
  });

  test('a write limit refuses what is over it', () => {
    const lab = completeLab({
      workload: { records: 10 },
      worker: { qdrantRetries: 0 },
      qdrant: { writeRateLimit: 40 },
    });
    const cell = simulateCell(lab, 1);
    // Five records drain the bucket; 40 a minute bring the 8 points of the next only after 12 s.
    expect(cell.qdrant).toMatchObject({ requests: 10, succeeded: 5, errors: 5 });
    expect(cell.completeness.pointsStored).toBe(40);
  });
});
