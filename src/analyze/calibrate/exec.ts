/** What an earlier `kneepoint exec` measured, as fields of a lab. */
import { completeLab, type Lab } from '../../model/lab.ts';
import type { LatencySpec } from '../../model/latency.ts';
import type { Cell, Sweep } from '../../model/sweep.ts';
import { simulateCell } from '../../simulate/cell.ts';
import { calibrated, demandIn, type MeasuredCell } from '../exec/measured.ts';
import { applied, type Finding, withoutFilledIn } from './calibrate.ts';
import { fitPercentiles } from './latency-fit.ts';

/** A measured cell beside what the calibrated lab predicts for it. */
export type Checked = { workers: number; measuredSeconds: number; simulatedSeconds: number };

export type ExecFindings = { findings: Finding[]; notes: string[]; checked: Checked[] };

/** Requests from which on percentiles say more than a mean. */
const fewestForPercentiles = 100;
/** A tail may move the mean by so much before the mean itself is taken. */
const tolerated = 0.05;

const rounded = (value: number, digits = 4) => Number(value.toPrecision(digits));

/** A cell of a sweep as it was measured: a share of workers in a state is their time in it. */
const measuredOf = (cell: Cell): MeasuredCell => ({
  workers: cell.workers,
  feasible: cell.feasible,
  seconds: cell.seconds,
  openai: cell.openai,
  qdrant: cell.qdrant,
  spentSeconds: {
    embed: cell.absorbed.embed * cell.seconds,
    qdrant: cell.absorbed.qdrant * cell.seconds,
    backoff: cell.absorbed.backoff * cell.seconds,
  },
  peakMb: cell.memory.megabytes,
  completeness: cell.completeness,
  pointsPerRecord: Math.max(
    1,
    Math.round(cell.completeness.pointsExpected / Math.max(1, cell.completeness.records)),
  ),
  observed: cell.command!,
});

/** Embeddings requests a record that a lab's batches and claims come to. */
function requestsARecord({ workload }: Lab): number {
  const records = Math.min(workload.recordsPerClaim, workload.records);
  return Math.ceil((records * workload.chunksPerRecord) / workload.batchSize) / records;
}

/** Batches and claims that come to the requests a record that were seen; undefined where the lab's do, or none would. */
function batching(lab: Lab, seen: number): Partial<Lab['workload']> | undefined {
  const near = (workload: Partial<Lab['workload']>) =>
    Math.abs(requestsARecord({ ...lab, workload: { ...lab.workload, ...workload } }) / seen - 1) <
    0.05;
  if (near({})) return undefined;
  const { chunksPerRecord } = lab.workload;
  const recordsPerClaim = Math.max(1, Math.round(1 / seen));
  const tries: Partial<Lab['workload']>[] = [
    { recordsPerClaim: 1, batchSize: Math.ceil(chunksPerRecord / seen) },
    { recordsPerClaim },
    { recordsPerClaim, batchSize: recordsPerClaim * chunksPerRecord },
  ];
  return tries.find((workload) => (workload.batchSize ?? 1) <= 2_048 && near(workload));
}

/** A service's latency: percentiles where they have the mean that was measured, else that mean. */
function latencyOf(
  { p50, p95, p99 }: { p50: number; p95: number; p99: number },
  meanMs: number,
  requests: number,
): { latency: LatencySpec; how: string } {
  if (requests >= fewestForPercentiles && p99 > 1.15 * p50) {
    const fit = fitPercentiles({ p50, p95, p99 });
    if ('latency' in fit && Math.abs(fit.meanMs / meanMs - 1) <= tolerated)
      return { latency: { p50, p95, p99 }, how: 'percentiles' };
  }
  return { latency: { fixed: rounded(meanMs) }, how: 'mean' };
}

/**
 * Own time, memory, size of a record and batches; with real services their latencies too. `base` is the
 * lab that takes them. `source` names the results for the origins.
 */
export function findingsOf(
  base: Lab,
  sweep: Sweep,
  source: string,
): ExecFindings | { problem: string } {
  if (sweep.engine !== 'exec')
    return {
      problem: `is a run with ${sweep.engine}, which shows the lab and not your pipeline; give the results of kneepoint exec`,
    };
  const cells = sweep.cells.filter(
    ({ command, feasible, openai, seconds }) =>
      command?.usable && feasible && seconds > 0 && openai.succeeded > 0,
  );
  const measured = cells.map(measuredOf);
  const demand = demandIn(measured);
  const first = measured[0];
  if (!demand || !first)
    return {
      problem: 'has no worker count that got records through; run kneepoint exec again',
    };
  const notes: string[] = [];
  const counts = cells.map(({ workers }) => workers).join(', ');
  const at = `at ${first.workers} worker${first.workers === 1 ? '' : 's'}`;
  const done = first.completeness.records - first.completeness.recordsFailed;
  const seen = first.openai.succeeded / done;
  const sized: Lab = {
    ...base,
    workload: { ...base.workload, chunksPerRecord: first.pointsPerRecord },
  };
  const batches = batching(sized, seen);
  const batched = { ...sized, workload: { ...sized.workload, ...batches } };
  if (Math.abs(requestsARecord(batched) / seen - 1) >= 0.05)
    notes.push(
      `${rounded(seen, 3)} embeddings requests a record fit no batch size: set workload.batchSize and recordsPerClaim as the pipeline batches and claims`,
    );
  const realServices = sweep.provenance.services !== undefined;
  const lab = calibrated(batched, measured, { realServices });
  const records = `${done} records ${at}`;
  const ownMs = rounded(1_000 * demand.own);
  const cpuMs = rounded(1_000 * demand.cpu, 3);
  const findings: Finding[] = [];
  const find = (field: string, value: unknown, grade: Finding['grade'], how: string) =>
    findings.push({ field, value, grade, source, how });
  find(
    'workload.chunksPerRecord',
    lab.workload.chunksPerRecord,
    'measured',
    `points of most of ${records}`,
  );
  find(
    'workload.bytesPerChunk',
    lab.workload.bytesPerChunk,
    'measured',
    `four times the charged tokens a chunk, ${records}`,
  );
  for (const [name, value] of Object.entries(batches ?? {})) {
    if (value === base.workload[name as 'batchSize']) continue;
    find(
      `workload.${name}`,
      value,
      'measured',
      `${rounded(seen, 3)} embeddings requests a record, ${records}`,
    );
  }
  find(
    'worker.readMs',
    rounded(lab.worker.readMs),
    'assumed',
    `so much of the ${ownMs} ms of own time a record reads`,
  );
  find(
    'worker.computeMs',
    rounded(lab.worker.computeMs),
    'measured',
    `the rest of ${ownMs} ms a record between requests, ${records}; ${cpuMs} ms of CPU a record, start-up included`,
  );
  const pages = first.observed.memory.source.toUpperCase();
  const oneCount = cells.length < 2;
  find(
    'worker.memoryMb',
    rounded(lab.worker.memoryMb),
    'measured',
    oneCount
      ? `peak ${pages} ${at}, all of it taken for the workers'`
      : `a straight line through the peak ${pages} at ${counts} workers`,
  );
  find(
    'worker.baseMemoryMb',
    rounded(lab.worker.baseMemoryMb),
    oneCount ? 'assumed' : 'measured',
    oneCount ? 'one worker count does not tell it' : 'the same line at no workers',
  );
  if (oneCount)
    notes.push(
      'one worker count only: run exec with two or more to tell memory a worker from the rest',
    );
  if (realServices)
    for (const [field, value, how] of servicesSeen(batched, first, at))
      find(field, value, 'measured', how);
  else
    notes.push("exec ran against the mocks: their latencies are the lab's own, and stay assumed");
  const most = Math.max(...base.workers);
  if (most > base.host.cores && demand.own > 1.2 * demand.cpu)
    notes.push(
      `the model's compute fills a core, this command's own time only ${Math.round((100 * demand.cpu) / demand.own)} % of one: for more than ${base.host.cores} workers raise host.cores to ${Math.min(100_000, Math.round((base.host.cores * demand.own) / demand.cpu))}`,
    );
  const replayed = completeLab(applied(withoutFilledIn(sweep.lab), findings));
  const checked = cells.map(({ workers, seconds }) => ({
    workers,
    measuredSeconds: seconds,
    simulatedSeconds: simulateCell(replayed, workers).seconds,
  }));
  return { findings, notes, checked };
}

/** What a lab's plan adds to each upsert by itself, in milliseconds: a measured latency holds it already. */
export function applyMs({ qdrant }: Lab, points: number): number {
  const slots = qdrant.slots || 1;
  return qdrant.pointsPerSecond > 0 ? (1_000 * points * slots) / qdrant.pointsPerSecond : 0;
}

/** Latencies of real services: field, value, and how they were come by. */
function servicesSeen(
  lab: Lab,
  cell: MeasuredCell,
  at: string,
): [field: string, value: LatencySpec, how: string][] {
  const { openai, qdrant, spentSeconds } = cell;
  const embedMs = (1_000 * spentSeconds.embed) / openai.succeeded;
  const embed = latencyOf(openai.latencyMs, embedMs, openai.succeeded);
  const embedHow = `${embed.how} of ${openai.succeeded} requests ${at}`;
  if (qdrant.succeeded === 0) return [['openai.latency', embed.latency, embedHow]];
  const upsertMs = (1_000 * spentSeconds.qdrant) / qdrant.succeeded;
  const points = Math.max(1, Math.round(cell.completeness.pointsStored / qdrant.succeeded));
  const planMs = applyMs(lab, points);
  const less = (ms: number) => Math.max(0.1, ms - planMs);
  const { p50, p95, p99 } = qdrant.latencyMs;
  const percentiles = { p50: less(p50), p95: less(p95), p99: less(p99) };
  const upsert = latencyOf(percentiles, Math.max(0, upsertMs - planMs), qdrant.succeeded);
  const { perInFlightAbove } = lab.qdrant.latency;
  const added = planMs > 0 ? `, less ${rounded(planMs, 3)} ms that the plan adds` : '';
  return [
    ['openai.latency', embed.latency, embedHow],
    [
      'qdrant.latency',
      { ...upsert.latency, ...(perInFlightAbove && { perInFlightAbove }) },
      `${upsert.how} of ${qdrant.succeeded} upserts ${at}${added}`,
    ],
  ];
}
