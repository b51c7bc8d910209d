import type { LatencySpec } from './latency.ts';
import type { Origin } from './tiers.ts';

export type PlanName =
  | 'free'
  | 'starter'
  | 'standard-2'
  | 'standard-4'
  | 'standard-16'
  | 'unlimited';

/** A Qdrant plan: what it can take at once and per second. */
export type Plan = {
  machine: string;
  slots: number;
  /** Apply rate of all slots together; 0 = takes no time. */
  pointsPerSecond: number;
  /** Points of 1,536 dimensions that the optimizer indexes; 0 = at once. */
  indexPointsPerSecond: number;
  /** Points of 1,536 dimensions that fit into memory, by the vendor's points × dimensions × 6 bytes; 0 = any. */
  memoryPoints: number;
  latency: LatencySpec;
  origin: Origin;
};

// No source publishes upsert latencies per plan, so every figure here is an assumption: machine
// sizes are documented, parallel updates follow max(CPU, 2) of the server's source, apply rates are
// the middle of what was measured on such machines.
const assumed: Origin = {
  grade: 'assumed',
  source: 'machine size, measured ingestion rates and the test plan; no published figure exists',
  asOf: '2026-11-01',
};

// The test plan expects timeouts above 5 workers on the two small plans: a shared half CPU that is
// throttled once more than five upserts are in flight. The cap keeps it a plateau, not a collapse.
const throttledHalfCpu: LatencySpec = {
  p50: 112,
  p95: 400,
  p99: 900,
  perInFlightAbove: { count: 5, ms: 4_600, maxMs: 4_600 },
};

export const plans: Record<PlanName, Plan> = {
  free: {
    machine: '0.5 vCPU shared, 1 GB RAM, 4 GB disk',
    slots: 2,
    pointsPerSecond: 1_000,
    indexPointsPerSecond: 60,
    memoryPoints: 110_000,
    latency: throttledHalfCpu,
    origin: assumed,
  },
  starter: {
    machine: '0.5 vCPU, 4 GB RAM (a name of this lab: Qdrant has no such plan)',
    slots: 2,
    pointsPerSecond: 1_000,
    indexPointsPerSecond: 60,
    memoryPoints: 430_000,
    latency: throttledHalfCpu,
    origin: assumed,
  },
  'standard-2': {
    machine: '2 vCPU, 8 GB RAM',
    slots: 2,
    pointsPerSecond: 4_000,
    indexPointsPerSecond: 220,
    memoryPoints: 870_000,
    latency: { p50: 110, p95: 150, p99: 210 },
    origin: assumed,
  },
  'standard-4': {
    machine: '4 vCPU, 16 GB RAM',
    slots: 4,
    pointsPerSecond: 8_000,
    indexPointsPerSecond: 500,
    memoryPoints: 1_700_000,
    latency: { p50: 110, p95: 150, p99: 210 },
    origin: assumed,
  },
  'standard-16': {
    machine: '16 vCPU, 64 GB RAM',
    slots: 16,
    pointsPerSecond: 20_000,
    indexPointsPerSecond: 2_200,
    memoryPoints: 7_000_000,
    latency: { p50: 110, p95: 150, p99: 210 },
    origin: assumed,
  },
  unlimited: {
    machine: 'none: a baseline, not a product',
    slots: 0,
    pointsPerSecond: 0,
    indexPointsPerSecond: 0,
    memoryPoints: 0,
    latency: { fixed: 120 },
    origin: assumed,
  },
};
