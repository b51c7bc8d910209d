/** The ladder, the path and the `.env` blocks as text for a terminal. */
import type { Outcome } from '../analyze/upgrade/outcome.ts';
import { isSetting, type Step } from '../analyze/upgrade/steps.ts';
import {
  bestSetting,
  bestStep,
  firstPurchase,
  type Ladder,
  type Row,
  toldOf,
  worthwhile,
} from '../analyze/upgrade/upgrade.ts';
import { figure, workersText } from '../analyze/wording.ts';
import { type Paint, painter } from './colours.ts';
import { countOf, formatShare, grouped, nothing, printable, short } from './figures.ts';
import { bottleneckName } from './terminal.ts';
import { dollars, priceText, secondsText, tableLines, wrapped } from './upgrade-text.ts';

const kneeText = ({ knee }: Outcome) => (knee === null ? nothing : figure(knee));

/** Shares of the records that are shown as lost; less would be 0 %. */
const shownLoss = 0.005;
/** From how many times as fast on a step counts as no slower. */
const shownSlower = 0.99;

function gainText(row: Row): string {
  const { step, gain, gainsNothing, sameAs } = row;
  const { lostShare, seconds } = toldOf(row);
  if (!step) return '';
  const factor = (value: number) =>
    `${value < 10 ? value.toFixed(value < 1.1 ? 2 : 1) : grouped(value)}x`;
  if (gainsNothing) {
    if (gain === null || (gain > shownSlower && gain < worthwhile)) return 'gains nothing';
    // Sooner done and yet no gain: records are missing that now are not.
    return gain < worthwhile ? factor(gain) : `loses ${formatShare(lostShare)}`;
  }
  if (gain === null) return seconds === null ? nothing : 'now it fits';
  return sameAs ? `as ${sameAs.split(',')[0]}` : factor(gain);
}

function ladderTable({ lab, targetRecords, rows }: Ladder, paint: Paint): string[] {
  const body = rows.map((row) => [
    row.step?.name ?? 'now',
    String(toldOf(row).recommendedWorkers),
    kneeText(toldOf(row)),
    secondsText(row.atLab),
    ...(row.atTarget ? [secondsText(row.atTarget)] : []),
    gainText(row),
    toldOf(row).seconds === null ? nothing : toldOf(row).bottleneck,
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
  const now = toldOf(rows[0]!);
  const tokens =
    now.tokensUsd === undefined
      ? `Tokens: unknown, no price of ${printable(lab.openai.model)} is known.`
      : `Tokens of ${countOf(now.records, 'record')}: ${dollars(now.tokensUsd)}, the same at every step (bytes / 4 at the published price of ${printable(lab.openai.model)}).`;
  const lines = rows.flatMap((row) => {
    if (!row.step || isSetting(row.step)) return [];
    const { planUsd } = toldOf(row);
    const run =
      row.step.kind === 'qdrant' && planUsd !== undefined
        ? `, ${dollars(planUsd)} for this run`
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

/** What a step brings: `5.5 times as fast with 12 workers, and then openai-tpm binds next`. */
function gainSentence(row: Row): string {
  const after = toldOf(row);
  const { knee, recommendedWorkers, bottleneck } = after;
  const isOver = knee !== null && knee < 1 && bottleneck.startsWith('openai-');
  const then = isOver
    ? `that one worker is over the limit (${bottleneck}) and has to wait`
    : bottleneck === 'none'
      ? 'then nothing binds within the matrix'
      : `then ${bottleneck} binds next${knee === null ? '' : `, at ${workersText(knee)}`}`;
  return `${short(row.gain ?? 1)} times as fast with ${countOf(recommendedWorkers, 'worker')}, and ${then}`;
}

/** What is left where no single step makes the records fit into the database's memory. */
function splitSentence({ lab, rows }: Ladder): string {
  const held = rows.map(({ step }) => ({
    name: step?.name ?? 'the lab as it is',
    points: (step?.change(lab) ?? lab).qdrant.memoryPoints,
  }));
  const most = held.reduce((a, b) => (b.points > a.points ? b : a));
  const records = Math.floor(most.points / lab.workload.chunksPerRecord);
  return `No single step changes that. The most, ${most.name}, holds ${countOf(records, 'record')}: split them over several clusters, or set qdrant.memoryPoints to what yours holds.`;
}

/** What a few sentences say of the ladder. */
function summary(ladder: Ladder): string {
  const { rows, lab } = ladder;
  const now = toldOf(rows[0]!);
  const named = ({ name, what }: Step) => `${name} (${what})`;
  if (now.seconds === null) {
    const best = bestStep(ladder);
    const way = best
      ? `The first step that changes that is ${named(best.step)}.`
      : secondsText(now) === "won't fit"
        ? splitSentence(ladder)
        : 'No single step changes that.';
    return `As it is, ${countOf(now.records, 'record')} can't be done: ${now.problem}. ${way}`;
  }
  if (now.bottleneck === 'undetermined')
    return `What binds can't be told, so no step can be recommended. ${now.doubt ?? 'Run more records, or a wider matrix.'}`;
  const binds =
    now.bottleneck === 'none'
      ? `Nothing binds up to ${countOf(Math.max(...lab.workers), 'worker')}.`
      : `${bottleneckName(now.bottleneck)} (${now.bottleneck}) is ${now.knee === null ? 'in the way' : `full at ${workersText(now.knee)}`}.`;
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
  const [setting, bought] = [bestSetting(ladder), firstPurchase(ladder)];
  if (!setting && !bought) return `${binds}${none} No single step gains anything.`;
  const freeSentence = setting
    ? ` Free to set: ${named(setting.step)}: ${gainSentence(setting)}.`
    : '';
  const purchase = bought
    ? ` ${setting ? 'Of what is bought, the' : 'The'} first step that helps is ${named(bought.step)}: ${gainSentence(bought)}.`
    : '';
  return `${binds}${none}${freeSentence}${purchase}`;
}

export type RenderOptions = { colour: boolean; width?: number };

/** The ladder of single steps: table, costs, what it rests on. */
export function renderLadder(ladder: Ladder, { colour, width = 80 }: RenderOptions): string {
  const { lab, targetRecords, rows } = ladder;
  const paint = painter(colour);
  const extrapolated = rows.some(
    ({ atTarget }) => atTarget?.by === 'extrapolation' && atTarget.seconds !== null,
  );
  const problems = new Map<string, string[]>();
  for (const { step, atLab, atTarget } of rows) {
    const { problem } = atTarget ?? atLab;
    if (problem) problems.set(problem, [...(problems.get(problem) ?? []), step?.name ?? 'now']);
  }
  const losses = rows
    .filter((row) => toldOf(row).lostShare >= shownLoss)
    .map((row) => `${row.step?.name ?? 'now'} ${formatShare(toldOf(row).lostShare)}`);
  const hasBatch = rows.some(({ step }) => step?.kind === 'batch');
  const notes = [
    ...(extrapolated
      ? [
          `${grouped(targetRecords!)} records are extrapolated: settled rates are simulated; bucket bursts, daily limits, index backlog and the last round follow by formula.`,
        ]
      : []),
    ...(toldOf(rows[0]!).isPilot
      ? [
          `Buckets start full, and ${countOf(toldOf(rows[0]!).records, 'record')} don't drain them: production is slower than these times. --target-records tells its own.`,
        ]
      : []),
    ...ladder.notes,
    'Times are at the recommended workers of each step: they get hardly any 429s, unless one worker alone is over the knee. One step at a time, against now.',
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
    losses.length > 0
      ? [
          paint(
            'red',
            wrapped(
              `Records lost with so many workers, since the client gives up: ${losses.join('; ')}. --strategies compares what loses none.`,
              width,
              0,
            ),
          ),
        ]
      : [],
    notes.map((text) => paint('dim', wrapped(text, width, 0))),
  ];
  return `${blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n')}\n`;
}
