import type { CompleteLab, LabFile } from './lab-schema.ts';
import { labSchema } from './lab-schema.ts';
import type { LatencySpec } from './latency.ts';
import type { Fill, QuotaName } from './limiter.ts';
import { plans } from './plans.ts';
import { tiers } from './tiers.ts';

export type Lab = CompleteLab;

type Node = {
  type?: string;
  default?: unknown;
  properties?: Record<string, Node>;
  items?: Node;
};

function fillIn(node: Node, given: unknown): unknown {
  if (Array.isArray(given) && node.items?.properties)
    return given.map((item) => fillIn(node.items!, item));
  if (given !== undefined && (node.type !== 'object' || node.default !== undefined)) return given;
  if (node.default !== undefined) return node.default;
  if (!node.properties) return given;
  const source = (given ?? {}) as Record<string, unknown>;
  const filled: Record<string, unknown> = {};
  for (const [name, child] of Object.entries(node.properties)) {
    const value = fillIn(child, source[name]);
    const empty = value === undefined || (name === 'perInFlightAbove' && !source[name]);
    if (!empty) filled[name] = value;
  }
  return filled;
}

/** Fills in every default, and what the tier and the plan say where the lab is silent. Idempotent. */
export function completeLab(given: LabFile): Lab {
  const lab = fillIn(labSchema as unknown as Node, given) as Lab;
  const plan = plans[lab.qdrant.plan];
  const ownLatency = Object.keys(lab.qdrant.latency).length > 0;
  return {
    ...lab,
    openai: { ...lab.openai, limits: { ...tiers[lab.openai.tier].limits, ...lab.openai.limits } },
    qdrant: {
      ...lab.qdrant,
      latency: ownLatency ? lab.qdrant.latency : plan.latency,
      slots: lab.qdrant.slots || plan.slots,
      pointsPerSecond: lab.qdrant.pointsPerSecond || plan.pointsPerSecond,
      indexPointsPerSecond: lab.qdrant.indexPointsPerSecond || plan.indexPointsPerSecond,
      memoryPoints: lab.qdrant.memoryPoints || plan.memoryPoints,
    } as Lab['qdrant'],
  };
}

/** How full each bucket starts. */
export function bucketStart(bucket: Lab['openai']['bucket']): { [name in QuotaName]: Fill } {
  if (typeof bucket === 'string') return { rpm: bucket, tpm: bucket, rpd: bucket };
  return { rpm: bucket.rpm ?? 'full', tpm: bucket.tpm ?? 'full', rpd: bucket.rpd ?? 'full' };
}

/** What a schema can't say: how fields must fit together. One line naming the field, or undefined. */
export function labProblem(lab: Lab): string | undefined {
  const rising = lab.workers.every((count, at) => at === 0 || count > lab.workers[at - 1]!);
  if (!rising)
    return `workers: must rise without doubles, got [${lab.workers}]; try [${[...new Set(lab.workers)].sort((a, b) => a - b)}]`;
  for (const name of ['openai', 'qdrant'] as const) {
    const problem = latencyProblem(lab[name].latency);
    if (problem) return `${name}.latency: ${problem}`;
  }
  const { batchSize, bytesPerChunk } = lab.workload;
  if (bytesPerChunk > 4 * 8_192 * 4)
    return `workload.bytesPerChunk: ${bytesPerChunk} bytes can't be 8,192 tokens or fewer; use at most 131072`;
  for (const [at, { on, kind, fromSeconds, untilSeconds }] of lab.faults.entries())
    if (untilSeconds !== undefined && untilSeconds <= fromSeconds)
      return `faults.${at}: untilSeconds must be over fromSeconds (${fromSeconds}), got ${untilSeconds} for ${kind} on ${on}`;
  const { rpm, tpm } = lab.openai.limits;
  if (rpm !== undefined && (rpm * lab.openai.burstSeconds) / 60 < 1)
    return `openai.burstSeconds: the RPM bucket never holds a whole request; use at least ${60 / rpm}`;
  const largest = Math.min(batchSize, lab.workload.chunksPerRecord * lab.workload.recordsPerClaim);
  const charged = Math.floor((largest * bytesPerChunk) / 4);
  const room = tpm === undefined ? Infinity : (tpm * lab.openai.burstSeconds) / 60;
  if (charged > room)
    return `workload.batchSize: a batch is charged ${charged} tokens, more than the TPM bucket of ${room} ever holds; use at most ${Math.floor((room * 4) / bytesPerChunk)}`;
  return undefined;
}

function latencyProblem(spec: LatencySpec): string | undefined {
  const { fixed, p50, p95, p99 } = spec;
  if (fixed !== undefined) {
    return p50 === undefined && p95 === undefined && p99 === undefined
      ? undefined
      : 'give either fixed or p50, p95 and p99, not both';
  }
  if (p50 === undefined || p95 === undefined || p99 === undefined)
    return 'give fixed, or all of p50, p95 and p99';
  if (!(p50 > 0 && p50 <= p95 && p95 <= p99))
    return `must rise from p50 to p99, got ${p50}, ${p95}, ${p99}`;
  return undefined;
}
