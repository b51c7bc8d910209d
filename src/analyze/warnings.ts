import type { Lab } from '../model/lab.ts';
import type { Cell, Warning } from '../model/sweep.ts';
import { createWorkload } from '../model/workload.ts';
import { creditsOf, recordsToShow } from './diagnosis/burst.ts';
import { isEatenByRetries } from './diagnosis/culprit.ts';
import type { Diagnosis } from './diagnosis/diagnose.ts';
import { demandOf, observationsOf } from './diagnosis/observations.ts';

type ShortRun = { limit: 'rpm' | 'tpm'; recordsNeeded: number };

/** The per-minute limit that would bind in the matrix, but whose full bucket this run hardly drains. */
export function runIsShort(lab: Lab, cells: Cell[]): ShortRun | undefined {
  const demand = demandOf(lab, observationsOf(cells));
  const most = Math.max(...cells.map(({ workers }) => workers));
  for (const credit of creditsOf(lab, demand)) {
    const { resource, perSecond, perRecord, initial } = credit;
    // A day's limit is not drained by a run at all: the ladder knows whether it matters.
    if (resource === 'openai-rpd' || initial === 0) continue;
    const knee = (perSecond / perRecord) * demand.total;
    const recordsNeeded = recordsToShow(credit);
    const limit = resource === 'openai-tpm' ? 'tpm' : 'rpm';
    if (knee < most && lab.workload.records < recordsNeeded) return { limit, recordsNeeded };
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
    const most = lossy.at(-1)!.workers;
    const said = `Records lost: ${lost.join(', ')} ${most === 1 ? 'worker' : 'workers'}.`;
    // Where nothing was tried again, fewer workers would lose as many. Only a command of its own can be like that.
    const gaveUp = lossy.some(
      ({ command, openai, qdrant }) =>
        !command || openai.attemptsPerSuccess > 1 || qdrant.timeouts + qdrant.errors > 0,
    );
    warnings.push({
      code: 'records-lost',
      ...(gaveUp
        ? {
            message: `${said} The client gives up after its retries, and nothing in the pipeline's own log says how many are missing.`,
            remedy:
              'Use fewer workers, a client-side limiter, or retries that last as long as the limit does; then compare source and target.',
          }
        : {
            message: `${said} No request was refused or tried again: the command left out or swallowed what is missing.`,
            remedy:
              'Look where the command skips chunks or catches errors, and compare source and target.',
          }),
    });
  }
  return warnings;
}

/** Share of the workers without a claim, on average, from which on a count tells nothing about scaling. */
const idleShare = 0.2;

/** What the diagnosis can't be sure of, and what would settle it. */
export function diagnosisWarnings(lab: Lab, diagnosis: Diagnosis): Warning[] {
  const { bottleneck, saturation, credits } = diagnosis;
  const warnings: Warning[] = [];
  const { recordsPerClaim } = lab.workload;
  const { claims } = createWorkload(lab.workload);
  const few = saturation.judged.find(
    ({ seen, waiting, loss }) =>
      seen.workers <= claims &&
      waiting['work-units'] > idleShare * seen.workers &&
      waiting['work-units'] > loss * seen.workers,
  );
  if (few && bottleneck !== 'work-units' && bottleneck !== 'undetermined') {
    const most = saturation.judged.at(-1)!.seen.workers;
    warnings.push({
      code: 'few-records',
      message: `${claims} claims are too few to judge ${few.seen.workers} workers: ${Math.round((100 * few.waiting['work-units']) / few.seen.workers)} % of their time they had none left. The verdict is about longer runs.`,
      remedy: `Run at least ${20 * most * recordsPerClaim} records${recordsPerClaim > 1 ? ', or claim fewer at a time' : ''}.`,
    });
  }
  if (saturation.contradicting.length > 0)
    warnings.push({
      code: 'cells-contradict',
      message: `Worse than the counts above it: ${saturation.contradicting.join(', ')} workers. Something else slowed that run.`,
      remedy: `Run it again (--workers ${saturation.contradicting.join(',')}) on a quiet machine.`,
    });
  const eaten = saturation.judged.find((judged) => isEatenByRetries(judged, credits));
  if (eaten && lab.openai.rejectionCost !== 'none' && bottleneck !== 'undetermined')
    warnings.push({
      code: 'retries-eat-the-limit',
      message: `At ${eaten.seen.workers} workers most of the limit goes to requests that are refused and tried again: throughput falls instead of staying level.`,
      remedy:
        'Stay under the knee, or limit the rate on the client side, so that nothing is refused.',
    });
  return warnings;
}
