import type { Lab } from '../model/lab.ts';
import type { Bottleneck, Cell, Verdict, Warning } from '../model/sweep.ts';
import { actionFor, tierThatHelps } from './action.ts';
import { isLimit, limitName } from './diagnosis/culprit.ts';
import { type Diagnosis, diagnose } from './diagnosis/diagnose.ts';
import { explain, kneeEvidence } from './diagnosis/explain.ts';
import { ranOutOfMemory } from './diagnosis/knee.ts';
import { poolFor } from './pool.ts';
import { recommend } from './recommend.ts';
import { diagnosisWarnings } from './warnings.ts';
import { exactly, figure, workersText } from './wording.ts';

const round = (value: number, digits: number) => Number(value.toFixed(digits));

/** A knee as it is shown: two decimals, and more where it is under one worker. */
const kneeFigure = (value: number) => (value < 1 ? Number(value.toPrecision(2)) : round(value, 2));

/** 429s by the limit that they name: `233 429s (all TPM)`, `123 429s (120 TPM, 3 RPM)`. */
function limitedText({ rpm, tpm, rpd }: Cell['openai']['rateLimited']): string {
  const named = Object.entries({ TPM: tpm, RPM: rpm, RPD: rpd }).filter(([, count]) => count > 0);
  const kinds = named.map(([name, count]) => `${exactly(count)} ${name}`).join(', ');
  return `${exactly(rpm + tpm + rpd)} 429s (${named.length === 1 ? `all ${named[0]![0]}` : kinds})`;
}

/** The first lines and the last one, where there are many. */
const fewOf = (lines: string[]): string[] =>
  lines.length <= 5
    ? lines
    : [...lines.slice(0, 2), `… likewise at ${lines.length - 3} counts between.`, lines.at(-1)!];

/** What the cells show besides, a line each: 429s, timeouts, what was not run. */
function sightings(cells: Cell[]): string[] {
  const limited = cells.flatMap(({ workers, openai: { rateLimited } }) => {
    const { rpm, tpm, rpd } = rateLimited;
    return rpm + tpm + rpd > workers
      ? [`At ${workersText(workers)}: ${limitedText(rateLimited)}.`]
      : [];
  });
  const late = cells.flatMap(({ workers, qdrant: { timeouts } }) =>
    timeouts > 0
      ? [
          `At ${workersText(workers)}: ${exactly(timeouts)} Qdrant timeout${timeouts === 1 ? '' : 's'}.`,
        ]
      : [],
  );
  const left = cells.flatMap((cell) => {
    const { workers, feasible, memory } = cell;
    if (feasible) return [];
    return ranOutOfMemory(cell)
      ? [`At ${workersText(workers)} the command ran out of memory.`]
      : [
          `${workersText(workers)} need${workers === 1 ? 's' : ''} ${figure(memory.megabytes)} MB: not run.`,
        ];
  });
  return [limited, late, left].flatMap(fewOf);
}

/** What binds once the first resource is lifted, within the matrix. */
function nextOf({ bottleneck, binding }: Diagnosis): Bottleneck {
  if (bottleneck === 'none' || bottleneck === 'undetermined') return bottleneck;
  return binding.find(({ resource }) => resource !== bottleneck)?.resource ?? 'none';
}

/** What binds, from how many workers on, why, and what to do. */
export function judge(lab: Lab, cells: Cell[]): { verdict: Verdict; warnings: Warning[] } {
  const diagnosis = diagnose(lab, cells);
  const { bottleneck, knee, rival } = diagnosis;
  const workers = recommend(lab, cells, diagnosis);
  const gainsNothing = isLimit(bottleneck)
    ? tierThatHelps(lab, limitName(bottleneck)).gainsNothing
    : [];
  const evidence = [
    ...explain(lab, cells, diagnosis),
    ...kneeEvidence(diagnosis),
    ...sightings(cells),
    ...gainsNothing.map((tier) => `${tier} does not raise this limit: it gains nothing here.`),
  ];
  return {
    verdict: {
      bottleneck,
      knee: knee ? kneeFigure(knee.at) : null,
      kneeInterval: knee ? [kneeFigure(knee.interval[0]), kneeFigure(knee.interval[1])] : null,
      recommendedWorkers: workers,
      nextBottleneck: nextOf(diagnosis),
      action: actionFor(lab, bottleneck, workers, rival?.resource),
      evidence,
      env: {
        MAX_WORKERS: workers,
        BATCH_SIZE: lab.workload.batchSize,
        MYSQL_POOL_SIZE: poolFor(lab, workers),
      },
    },
    warnings: [...diagnosis.warnings, ...diagnosisWarnings(lab, diagnosis)],
  };
}
