import { completeLab, type Lab } from './lab.ts';
import type { LabFile } from './lab-schema.ts';

/** The built-in labs: each shows one thing that a team can run into. */
const files: (LabFile & { name: string; about: string })[] = [
  {
    name: 'worked-example',
    about: "the test plan's own table: 75 % and 50 % efficiency at 10 and 20 workers",
    qdrant: {
      latency: { p50: 110, p95: 190, p99: 240, perInFlightAbove: { count: 2, ms: 80, maxMs: 600 } },
    },
  },
  {
    name: 'openai-tier-1',
    about: 'tokens per minute stop it at 2.5 workers',
    openai: { tier: 'tier-1', bucket: { tpm: 'empty' } },
  },
  {
    name: 'openai-tier-2',
    about: "the test plan's own Tier 2 (an assumption) stops at 8.5 workers",
    openai: { tier: 'test-plan-tier-2', bucket: { tpm: 'empty' } },
  },
  {
    name: 'qdrant-free',
    about: 'a small cluster times out above 5 workers',
    qdrant: { plan: 'free' },
  },
  {
    name: 'memory-8gb',
    about: '525 MB a worker on an 8 GiB machine',
    host: { memoryGb: 8 },
  },
  { name: 'linear', about: 'nothing binds up to 20 workers' },
  {
    name: 'pilot-trap',
    about: 'a run too short to see the limit that production will hit',
    openai: { tier: 'tier-1' },
  },
  {
    name: 'two-batches',
    about: '100 records in claims of 50 are two work units',
    workload: { recordsPerClaim: 50 },
  },
  {
    name: 'sdk-defaults',
    about: "openai-node's two retries lose records under a rate limit",
    openai: { tier: 'tier-1', bucket: { tpm: 'empty' } },
    worker: { client: 'openai-node-7' },
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
