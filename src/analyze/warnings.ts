import { bucketStart, type Lab } from '../model/lab.ts';
import { demandSeconds } from '../model/services.ts';
import type { Cell, Warning } from '../model/sweep.ts';

/**
 * Records that show a limit: a bucket that starts full moves the visible knee by
 * 1 / (1 - B / (R T)), and 21 buckets' worth of work keep that under 5 % (scaling.md 1.4).
 */
const bucketsToRun = 21;

type ShortRun = { limit: 'rpm' | 'tpm'; recordsNeeded: number };

/** The per-minute limit that would bind in the matrix, but whose full bucket this run hardly drains. */
export function runIsShort(lab: Lab, cells: Cell[]): ShortRun | undefined {
  const { workload, openai } = lab;
  const start = bucketStart(openai.bucket);
  const most = Math.max(...cells.map(({ workers }) => workers));
  const perRecord = {
    tpm: (workload.chunksPerRecord * workload.bytesPerChunk) / 4,
    rpm: Math.max(1 / workload.recordsPerClaim, workload.chunksPerRecord / workload.batchSize),
  };
  for (const limit of ['tpm', 'rpm'] as const) {
    const perMinute = openai.limits[limit];
    if (perMinute === undefined || start[limit] === 'empty') continue;
    const knee = (perMinute / 60 / perRecord[limit]) * demandSeconds(lab).total;
    const bucket = (perMinute * openai.burstSeconds) / 60;
    const recordsNeeded = Math.ceil((bucketsToRun * bucket) / perRecord[limit]);
    if (knee < most && workload.records < recordsNeeded) return { limit, recordsNeeded };
  }
  return undefined;
}

export function warningsFor(lab: Lab, cells: Cell[]): Warning[] {
  const warnings: Warning[] = [];
  const short = runIsShort(lab, cells);
  if (short)
    warnings.push({
      code: 'bucket-never-drained',
      message:
        `The ${short.limit.toUpperCase()} bucket starts full and ${lab.workload.records} records don't drain it: ` +
        'this run looks better than production will. The verdict is about the steady state.',
      remedy: `Run at least ${short.recordsNeeded} records, or start with an empty bucket (openai.bucket: { ${short.limit}: empty }).`,
    });
  const lossy = cells.filter(({ completeness }) => completeness.recordsFailed > 0);
  if (lossy.length > 0) {
    const lost = lossy.map((cell) => `${cell.completeness.recordsFailed} at ${cell.workers}`);
    warnings.push({
      code: 'records-lost',
      message: `Records lost: ${lost.join(', ')} workers. The client gives up after its retries, and nothing in the pipeline's own log says how many are missing.`,
      remedy:
        'Use fewer workers, a client-side limiter, or retries that last as long as the limit does; then compare source and target.',
    });
  }
  return warnings;
}
