/** The ladder, the path and the `.env` blocks as text for a terminal. */
import { usdText } from '../analyze/upgrade/cost.ts';
import { bestStep, type Ladder, type Outcome, type Row } from '../analyze/upgrade/upgrade.ts';
import { type Paint, painter } from './colours.ts';
import { countOf, grouped, nothing, printable, short } from './figures.ts';
import { bottleneckName } from './terminal.ts';
import { priceText, secondsText, tableLines, wrapped } from './upgrade-text.ts';

const kneeText = ({ knee }: Outcome) =>
  knee === null ? nothing : String(Math.round(knee * 100) / 100);

function gainText({ step, gain, gainsNothing, sameAs, atLab, atTarget }: Row): string {
  if (!step) return '';
  if (gainsNothing) return 'gains nothing';
  if (gain === null) return (atTarget ?? atLab).seconds === null ? nothing : 'now it fits';
  return sameAs ? `as ${sameAs.split(',')[0]}` : `${gain < 10 ? gain.toFixed(1) : grouped(gain)}x`;
}

function ladderTable({ lab, targetRecords, rows }: Ladder, paint: Paint): string[] {
  const told = (row: Row) => row.atTarget ?? row.atLab;
  const body = rows.map((row) => [
    row.step?.name ?? 'now',
    String(told(row).recommendedWorkers),
    kneeText(told(row)),
    secondsText(row.atLab),
    ...(row.atTarget ? [secondsText(row.atTarget)] : []),
    gainText(row),
    told(row).bottleneck,
  ]);
  const heading = [
    'Step',
    'Workers',
    'Knee',
    grouped(lab.workload.records),
    ...(targetRecords === undefined ? [] : [grouped(targetRecords)]),
    'Gain',
    'Then binds',
  ];
  const left = new Set([0, heading.length - 2, heading.length - 1]);
  return tableLines(heading, body, left, (text, row) => {
    const shown = rows[row];
    if (!shown?.step) return paint('bold', text);
    return shown.gainsNothing || shown.sameAs ? paint('dim', text) : text;
  });
}

function costBlock(ladder: Ladder, width: number): string[] {
  const { lab, rows } = ladder;
  const now = rows[0]!.atTarget ?? rows[0]!.atLab;
  const tokens =
    now.tokensUsd === undefined
      ? `Tokens: unknown, no price of ${printable(lab.openai.model)} is known.`
      : `Tokens of ${grouped(now.records)} records: ${usdText(now.tokensUsd)}, the same at every step (bytes / 4 at the published price of ${printable(lab.openai.model)}).`;
  const lines = rows.flatMap((row) => {
    if (!row.step || row.step.kind === 'pool' || row.step.kind === 'batch') return [];
    const planUsd = (row.atTarget ?? row.atLab).planUsd;
    const run =
      row.step.kind === 'qdrant' && planUsd !== undefined
        ? `, ${usdText(planUsd)} for this run`
        : '';
    return [
      `  ${row.step.name.padEnd(12)} ${wrapped(`${priceText(row.step)}${run}`, width - 15, 15)}`,
    ];
  });
  const anyTier = rows.some(({ step }) => step?.kind === 'openai');
  return [
    wrapped(tokens, width, 0),
    ...lines,
    ...(anyTier
      ? [
          wrapped(
            "A tier can't be bought directly: OpenAI raises it once so much is paid and the days have passed. What is paid in advance pays for tokens later. Copies of its guide since 2026-09 name no days.",
            width,
            0,
          ),
        ]
      : []),
  ];
}

/** What one sentence says of the ladder. */
function summary(ladder: Ladder): string {
  const { rows } = ladder;
  const now = rows[0]!.atTarget ?? rows[0]!.atLab;
  const best = bestStep(ladder);
  const binds =
    now.bottleneck === 'none'
      ? `Nothing binds up to ${countOf(Math.max(...ladder.lab.workers), 'worker')}.`
      : `${bottleneckName(now.bottleneck)} (${now.bottleneck}) ${now.knee === null ? 'is in the way' : `is full at ${countOf(Math.round(now.knee * 100) / 100, 'worker')}`}.`;
  if (now.seconds === null) {
    const best = bestStep(ladder);
    const way = best
      ? `The first step that changes that is ${best.step.name} (${best.step.what}).`
      : 'No single step changes that.';
    return `As it is, ${grouped(now.records)} records can't be done: ${now.problem}. ${way}`;
  }
  const useless = rows
    .filter(
      ({ step, gainsNothing }) =>
        gainsNothing && (step?.kind === 'openai' || step?.kind === 'qdrant'),
    )
    .map(({ step }) => step!.name);
  const none =
    useless.length > 0
      ? ` ${useless.join(', ')} gain${useless.length === 1 ? 's' : ''} nothing.`
      : '';
  if (!best) return `${binds}${none} No single step gains anything.`;
  const after = best.atTarget ?? best.atLab;
  const then =
    after.bottleneck === 'none'
      ? 'nothing binds within the matrix'
      : `${after.bottleneck} binds next${after.knee === null ? '' : `, at ${countOf(Math.round(after.knee * 100) / 100, 'worker')}`}`;
  return `${binds}${none} The first step that helps is ${best.step.name} (${best.step.what}): it is ${short(best.gain ?? 1)} times as fast, and then ${then}.`;
}

export type RenderOptions = { colour: boolean; width?: number };

/** The ladder of single steps: table, costs, what it rests on. */
export function renderLadder(ladder: Ladder, { colour, width = 80 }: RenderOptions): string {
  const { lab, targetRecords, rows } = ladder;
  const paint = painter(colour);
  const extrapolated = rows.some(({ atTarget }) => atTarget?.by === 'extrapolation');
  const problems = new Map<string, string[]>();
  for (const { step, atLab, atTarget } of rows) {
    const { problem } = atTarget ?? atLab;
    if (problem) problems.set(problem, [...(problems.get(problem) ?? []), step?.name ?? 'now']);
  }
  const hasBatch = rows.some(({ step }) => step?.kind === 'batch');
  const notes = [
    ...(extrapolated
      ? [
          `${grouped(targetRecords!)} records are extrapolated: settled rates are simulated; bucket bursts, daily limits, index backlog and the last round follow by formula.`,
        ]
      : []),
    'Times are at the recommended workers of each step: they get no 429, unless one worker alone is over the knee. One step at a time, against now.',
    ...(lab.qdrant.plan === 'unlimited'
      ? ['Qdrant "unlimited" is no product: set qdrant.plan to compare plans.']
      : []),
    ...(lab.openai.tier === 'unlimited'
      ? ['OpenAI "unlimited" is no product: set openai.tier to compare tiers.']
      : []),
    ...(hasBatch && lab.openai.latency.perThousandTokens === undefined
      ? [
          'Batches: the lab says that a request takes as long whatever it holds (openai.latency.perThousandTokens is not set); an assumption.',
        ]
      : []),
  ];
  const blocks = [
    [
      wrapped(
        `${lab.name} · OpenAI ${lab.openai.tier} · Qdrant ${lab.qdrant.plan} · up to ${countOf(Math.max(...lab.workers), 'worker')}`,
        width,
        2,
      ).replace(printable(lab.name), paint('bold', printable(lab.name))),
    ],
    ladderTable(ladder, paint),
    [paint('green', wrapped(summary(ladder), width, 0))],
    [paint('bold', 'Costs'), ...costBlock(ladder, width)],
    [...problems].map(([problem, names]) =>
      paint('red', wrapped(`${problem}: ${names.join('; ')}.`, width, 0)),
    ),
    notes.map((text) => paint('dim', wrapped(text, width, 0))),
  ];
  return `${blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n')}\n`;
}
