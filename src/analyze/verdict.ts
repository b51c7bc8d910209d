import type { Lab } from '../model/lab.ts';
import type { Bottleneck, Cell, Verdict, Warning } from '../model/sweep.ts';
import { memoryOf, simulateCell } from '../simulate/cell.ts';
import { actionFor, tierThatHelps } from './action.ts';
import {
  enoughRecords,
  ladder,
  leastEfficiency,
  memoryShare,
  type Rung,
  withoutLimits,
} from './ladder.ts';
import { absorber } from './scaling.ts';
import { runIsShort } from './warnings.ts';

/** Limits that a run may miss because buckets were still full or cells did not fit: only the model sees them. */
const unseen = (lab: Lab, cells: Cell[], resource: Bottleneck): boolean =>
  resource === 'memory' ||
  resource === 'openai-rpd' ||
  (resource.startsWith('openai-') && runIsShort(lab, cells) !== undefined);

/** Whether so many workers run well in steady state: no 429, no timeout, memory and efficiency within bounds. */
function runsWell(lab: Lab, rungs: Rung[], workers: number, oneWorker: number): boolean {
  if (memoryOf(lab, workers).shareOfHost > memoryShare) return false;
  const limits = rungs.filter(({ resource }) => resource.startsWith('openai-'));
  if (limits.some(({ knee }) => workers > knee + 1e-9)) return false;
  const records = enoughRecords(lab, workers);
  const cell = simulateCell(
    { ...withoutLimits(lab), workload: { ...lab.workload, records } },
    workers,
  );
  const efficiency = cell.recordsPerSecond / oneWorker / workers;
  return cell.qdrant.timeouts === 0 && efficiency >= leastEfficiency - 1e-9;
}

/** The most workers that run well, predicted between the cells; a cell that measured otherwise vetoes. */
function recommend(lab: Lab, cells: Cell[], rungs: Rung[], mostWorkers: number): number {
  const bad = cells.find(
    ({ feasible, workers, efficiency, qdrant }) =>
      !feasible || (workers > 1 && (qdrant.timeouts > 0 || efficiency < leastEfficiency - 0.08)),
  );
  const bound = Math.min(mostWorkers, bad ? bad.workers - 1 : mostWorkers);
  const one = simulateCell(
    { ...withoutLimits(lab), workload: { ...lab.workload, records: enoughRecords(lab, 1) } },
    1,
  ).recordsPerSecond;
  for (let workers = bound; workers > 1; workers--)
    if (runsWell(lab, rungs, workers, one)) return workers;
  return 1;
}

const round = (value: number, digits: number) => Number(value.toFixed(digits));

/** Connections that leave room beside the workers: the test plan gives 20 workers 50. */
const poolFor = (workers: number) => Math.max(10, Math.ceil(2.5 * workers));

/**
 * What binds, from how many workers on, and what to do. The model's ladder names the candidates; the
 * cells show who absorbs the workers that bring nothing. Where they differ, the cells win and say so.
 */
export function judge(lab: Lab, cells: Cell[]): { verdict: Verdict; warnings: Warning[] } {
  const mostWorkers = Math.max(...cells.map(({ workers }) => workers));
  const rungs = ladder(lab, mostWorkers);
  const binding = rungs.filter(({ knee }) => knee < mostWorkers - 1e-9);
  const seen = absorber(lab, cells);
  const warnings: Warning[] = [];
  const evidence: string[] = [];

  let first = binding[0];
  if (seen && seen.resource !== first?.resource && !(first && unseen(lab, cells, first.resource))) {
    const expected = first ? `${first.resource} at ${round(first.knee, 1)} workers` : 'nothing';
    first = rungs.find(({ resource }) => resource === seen.resource) ?? {
      resource: seen.resource,
      knee: Number.NaN,
      why: 'seen in the run only',
    };
    warnings.push({
      code: 'model-disagrees',
      message: `The run points to ${seen.resource}; the model expected ${expected} to bind.`,
      remedy: 'Run again with more records; if it stays, the lab does not describe this pipeline.',
    });
  }

  const bottleneck = first?.resource ?? 'none';
  const known = first && Number.isFinite(first.knee) ? round(first.knee, 2) : null;
  // Seen below the model's knee, the cells bracket it better than the model does.
  const knee = known !== null && seen && known > mostWorkers ? seen.cell.workers : known;
  const workers = recommend(lab, cells, rungs, mostWorkers);
  const next = binding.find(({ resource }) => resource !== bottleneck)?.resource ?? 'none';

  if (first) evidence.push(`${first.resource}: ${first.why}, full at ${knee} workers.`);
  if (seen)
    evidence.push(
      `At ${seen.cell.workers} workers efficiency is ${Math.round(seen.cell.efficiency * 100)} %; ` +
        `${round(seen.workers, 1)} of them only wait (${seen.resource}).`,
    );
  else if (bottleneck === 'none') evidence.push('Every cell scales linearly: no resource is full.');
  for (const { workers: count, openai, qdrant, feasible, memory } of cells) {
    const { rpm, tpm, rpd } = openai.rateLimited;
    if (rpm + tpm + rpd > count)
      evidence.push(
        `${count} workers: ${rpm + tpm + rpd} 429s (${tpm} TPM, ${rpm} RPM, ${rpd} RPD).`,
      );
    if (qdrant.timeouts > 0) evidence.push(`${count} workers: ${qdrant.timeouts} Qdrant timeouts.`);
    if (!feasible)
      evidence.push(`${count} workers need ${Math.round(memory.megabytes)} MB: not run.`);
  }
  if (bottleneck.startsWith('openai-')) {
    const { gainsNothing } = tierThatHelps(lab, bottleneck.slice(7) as 'rpm' | 'tpm' | 'rpd');
    for (const tier of gainsNothing)
      evidence.push(`${tier} does not raise this limit: it gains nothing here.`);
  }

  return {
    verdict: {
      bottleneck,
      knee: bottleneck === 'none' ? null : knee,
      kneeInterval: bottleneck === 'none' || knee === null ? null : [knee, knee],
      recommendedWorkers: workers,
      nextBottleneck: bottleneck === 'none' ? 'none' : next,
      action: actionFor(lab, bottleneck, workers),
      evidence,
      env: {
        MAX_WORKERS: workers,
        BATCH_SIZE: lab.workload.batchSize,
        MYSQL_POOL_SIZE: poolFor(workers),
      },
    },
    warnings,
  };
}
