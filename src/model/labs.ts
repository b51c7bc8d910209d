import { completeLab, type Lab } from './lab.ts';
import type { LabFile } from './lab-schema.ts';

/** What a lab keeps where nothing goes wrong but its speed. */
const whole = { maxQdrantTimeouts: 0, complete: true };

/**
 * The built-in labs: each shows one thing that a team can run into, and expects it, so that `check` tells
 * where an engine no longer shows it.
 */
const files: (LabFile & { name: string; about: string })[] = [
  {
    name: 'worked-example',
    about: "the test plan's own table: 75 % and 50 % efficiency at 10 and 20 workers",
    qdrant: {
      latency: { p50: 110, p95: 190, p99: 240, perInFlightAbove: { count: 2, ms: 80, maxMs: 600 } },
    },
    expect: { ...whole, bottleneck: 'qdrant', minRecommendedWorkers: 8 },
  },
  {
    name: 'openai-tier-1',
    about: 'tokens per minute stop it at 2.5 workers',
    openai: { tier: 'tier-1', bucket: { tpm: 'empty' } },
    expect: { ...whole, bottleneck: 'openai-tpm', minRecommendedWorkers: 2 },
  },
  {
    name: 'openai-tier-2',
    about: "the test plan's own Tier 2 (an assumption) stops at 8.5 workers",
    openai: { tier: 'test-plan-tier-2', bucket: { tpm: 'empty' } },
    expect: { ...whole, bottleneck: 'openai-tpm', minRecommendedWorkers: 8 },
  },
  {
    name: 'qdrant-free',
    about: 'a small cluster times out above 5 workers',
    qdrant: { plan: 'free' },
    expect: { ...whole, workers: 5, bottleneck: 'qdrant', minRecommendedWorkers: 5 },
  },
  {
    name: 'memory-8gb',
    about: '525 MB a worker on an 8 GiB machine',
    host: { memoryGb: 8 },
    // Twenty workers don't fit, so that nothing is known of them.
    expect: {
      ...whole,
      workers: 10,
      maxMemoryShare: 0.8,
      bottleneck: 'memory',
      minRecommendedWorkers: 12,
    },
  },
  {
    name: 'linear',
    about: 'nothing binds up to 20 workers',
    expect: { ...whole, maxRateLimited: 0, bottleneck: 'none', minRecommendedWorkers: 20 },
  },
  {
    name: 'pilot-trap',
    about: 'a run too short to see the limit that production will hit',
    openai: { tier: 'tier-1' },
    expect: { ...whole, bottleneck: 'openai-tpm', minRecommendedWorkers: 2 },
  },
  {
    name: 'two-batches',
    about: '100 records in claims of 50 are two work units',
    workload: { recordsPerClaim: 50 },
    expect: { ...whole, bottleneck: 'work-units', minRecommendedWorkers: 2 },
  },
  {
    name: 'sdk-defaults',
    about: "openai-node's two retries lose records under a rate limit",
    openai: { tier: 'tier-1', bucket: { tpm: 'empty' } },
    worker: { client: 'openai-node-7' },
    // It loses records, and is here to show that.
    expect: { bottleneck: 'openai-tpm', minRecommendedWorkers: 2 },
  },
];

/** What a built-in lab shows, by name. */
export const labTitles: Record<string, string> = Object.fromEntries(
  files.map(({ name, about }) => [name, about]),
);

/** The built-in labs as their files would say it, without defaults. */
export const labFiles: Record<string, LabFile> = Object.fromEntries(
  files.map(({ about, ...file }) => [file.name, file]),
);

export const labs: Record<string, Lab> = Object.fromEntries(
  Object.entries(labFiles).map(([name, file]) => [name, completeLab(file)]),
);

/** One lab per tier that can be bought, for the k6 scripts and what-if: buckets of tokens empty. */
export function tierLab(tier: Lab['openai']['tier']): Lab {
  const name = `openai-${tier}`;
  return completeLab({ name, openai: { tier, bucket: { tpm: 'empty' } } });
}
