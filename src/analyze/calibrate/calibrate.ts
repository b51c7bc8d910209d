/** A lab in which every figure says where it comes from. */
import { completeLab, type Lab } from '../../model/lab.ts';
import type { LabFile } from '../../model/lab-schema.ts';
import { plans } from '../../model/plans.ts';
import { tiers } from '../../model/tiers.ts';

export type Grade = 'measured' | 'documented' | 'assumed';

/** What a source says about one field: how far it can be trusted, who says so, and how it was come by. */
export type Finding = {
  field: string;
  value: unknown;
  grade: Grade;
  source: string;
  how: string;
};

export type Change = { field: string; from: string; to: string; by: string };

export type Calibration = {
  lab: LabFile;
  /** By field, where more is known than its grade: what stands beside it in the file. */
  origins: Map<string, string>;
  changes: Change[];
  /** Figures about the world that nobody measured. */
  assumed: string[];
};

/** Fields that choose an experiment. All others are figures about a pipeline, its services or its machine. */
const choices = new Set([
  'name',
  'seed',
  'speed',
  'workers',
  'workload.records',
  'workload.batchSize',
  'workload.recordsPerClaim',
  'workload.dimensions',
  'worker.client',
  'worker.qdrantRetries',
  'openai.model',
  'openai.bucket',
  'openai.timeoutMs',
  'openai.usage',
  'openai.quota',
  'openai.slowDown',
  'openai.sharedLimit',
  'qdrant.timeoutMs',
  'qdrant.writeRateLimit',
  'qdrant.readRateLimit',
  'qdrant.suspendedStatus',
  'mysql.poolSize',
  'faults',
  'expect',
]);

/** Figures that every user has of their own: worth a word where they are only assumed. */
const worthMeasuring = [
  'workload.chunksPerRecord',
  'workload.bytesPerChunk',
  'worker.readMs',
  'worker.computeMs',
  'worker.memoryMb',
  'worker.baseMemoryMb',
  'openai.tier',
  'openai.latency',
  'qdrant.plan',
  'qdrant.latency',
  'host.memoryGb',
  'host.cores',
];

type Tree = Record<string, unknown>;

const isTree = (value: unknown): value is Tree =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

const valueAt = (tree: unknown, field: string): unknown =>
  field.split('.').reduce<unknown>((node, name) => (isTree(node) ? node[name] : undefined), tree);

function withValue(tree: Tree, [name, ...rest]: string[], value: unknown): Tree {
  if (rest.length === 0) return { ...tree, [name!]: value };
  const child = tree[name!];
  return { ...tree, [name!]: withValue(isTree(child) ? child : {}, rest, value) };
}

/** Puts what was found into a lab. */
export const applied = (lab: LabFile, findings: Pick<Finding, 'field' | 'value'>[]): LabFile =>
  findings.reduce<Tree>(
    (tree, { field, value }) => withValue(tree, field.split('.'), value),
    lab as Tree,
  ) as LabFile;

/**
 * A complete lab without what its tier and its plan filled in, so that another tier or plan put in
 * their place takes its own values along.
 */
export function withoutFilledIn(lab: Lab): LabFile {
  const plan = plans[lab.qdrant.plan];
  const published = tiers[lab.openai.tier].limits;
  const limits = Object.fromEntries(
    Object.entries(lab.openai.limits).filter(([name, value]) => published[name as 'rpm'] !== value),
  );
  const ownOf = <T>(value: T, filledIn: T, none: T) => (value === filledIn ? none : value);
  const { latency, ...qdrant } = lab.qdrant;
  const sameLatency = JSON.stringify(latency) === JSON.stringify(plan.latency);
  return {
    ...lab,
    openai: { ...lab.openai, limits },
    qdrant: {
      ...qdrant,
      slots: ownOf(qdrant.slots, plan.slots, 0),
      pointsPerSecond: ownOf(qdrant.pointsPerSecond, plan.pointsPerSecond, 0),
      indexPointsPerSecond: ownOf(qdrant.indexPointsPerSecond, plan.indexPointsPerSecond, 0),
      memoryPoints: ownOf(qdrant.memoryPoints, plan.memoryPoints, 0),
      ...(!sameLatency && { latency }),
    },
  };
}

/** A value as a lab file says it. */
export function valueText(value: unknown): string {
  if (value === undefined) return '-';
  if (Array.isArray(value)) return `[${value.map(valueText).join(', ')}]`;
  if (!isTree(value)) return String(value);
  const parts = Object.entries(value).map(([name, part]) => `${name}: ${valueText(part)}`);
  return parts.length > 0 ? `{ ${parts.join(', ')} }` : '{}';
}

/** What is known of fields that were left as they were. */
function standingOrigins(lab: Lab): Map<string, string> {
  const origins = new Map<string, string>();
  const tier = tiers[lab.openai.tier].origin;
  origins.set(
    'openai.tier',
    `assumed: that it is yours; its limits are ${tier.grade} (${tier.source}, ${tier.asOf})`,
  );
  if (tier.grade === 'documented' && Object.keys(withoutFilledIn(lab).openai!.limits!).length === 0)
    origins.set('openai.limits', `documented: the tier's own (${tier.source}, ${tier.asOf})`);
  const plan = plans[lab.qdrant.plan].origin;
  origins.set('qdrant.plan', `assumed: what it can take (${plan.source}, ${plan.asOf})`);
  if (lab.openai.burstSeconds === 60)
    origins.set(
      'openai.burstSeconds',
      'documented: reset headers that others recorded follow a bucket of one minute',
    );
  if (lab.openai.rejectionCost === 'request')
    origins.set(
      'openai.rejectionCost',
      'documented: unsuccessful requests count against the per-minute limit',
    );
  return origins;
}

/** A field's grade: its origin's where it has one, else by what kind of field it is. */
export const gradeOf = (origins: Map<string, string>, field: string): string =>
  origins.get(field)?.split(':')[0] ?? (choices.has(field) ? 'chosen' : 'assumed');

/**
 * Puts what was found into a lab. `kept` are origins that an earlier calibration wrote into it: they
 * stand where nothing new was found. Of two findings about one field the later counts.
 */
export function calibrate(
  base: Lab,
  findings: Finding[],
  kept: Map<string, string> = new Map(),
): Calibration {
  const lean = withoutFilledIn(base);
  const lab = applied(lean, findings);
  const after = completeLab(lab);
  const origins = standingOrigins(after);
  for (const [field, origin] of kept) origins.set(field, origin);
  for (const { field, grade, source, how } of findings)
    origins.set(field, `${grade}: ${how} (${source})`);
  const latest = [...new Map(findings.map((finding) => [finding.field, finding])).values()];
  const changes = latest.map(({ field, grade, source }) => ({
    field,
    from: valueText(valueAt(base, field)),
    to: valueText(valueAt(field === 'openai.limits' ? lab : after, field)),
    by: `${grade}, ${source}`,
  }));
  const assumed = worthMeasuring.filter((field) => gradeOf(origins, field) === 'assumed');
  return { lab, origins, changes, assumed };
}
