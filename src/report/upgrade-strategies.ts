/** The strategies beside doing nothing, as text for a terminal. */
import type { Interval, Strategies } from '../analyze/upgrade/strategies.ts';
import type { Lab } from '../model/lab.ts';
import { type Paint, painter } from './colours.ts';
import { countOf, grouped, nothing } from './figures.ts';
import { limiterSnippet, type SnippetLimits } from './snippets.ts';
import type { RenderOptions } from './upgrade.ts';
import { tableLines, wrapped } from './upgrade-text.ts';

/** Mean and half the width of its interval, where it has one that shows. */
function intervalText({ mean, high }: Interval, digits: number): string {
  const text = (value: number) =>
    digits > 0 && value < 1_000 ? value.toFixed(digits) : grouped(value);
  const half = high - mean;
  return half < 0.5 * 10 ** -digits ? text(mean) : `${text(mean)} ±${text(half)}`;
}

const percent = ({ mean }: Interval) => {
  const value = Math.round((mean - 1) * 100);
  return `${value > 0 ? '+' : ''}${value} %`;
};

/** Requests for each success; none where nothing succeeded. */
const triesText = ({ mean }: Interval) =>
  mean === 0 ? nothing : mean < 1_000 ? mean.toFixed(2) : grouped(mean);

const snippetBlock = (limits: SnippetLimits, paint: Paint): string[] => [
  paint('bold', 'Limiter in TypeScript: await mayEmbed(texts) before each request'),
  limiterSnippet('typescript', limits),
  paint('bold', 'Limiter in Python: may_embed(texts) before each request'),
  limiterSnippet('python', limits),
];

/** Share of the limits that the snippet keeps to where no limiter was chosen. */
const carefulShare = 0.95;

/** Table, the settings to use, and a limiter to paste. */
export function renderStrategies(
  strategies: Strategies,
  given: Lab,
  { colour, width = 80 }: RenderOptions,
): string {
  const { limits, latency } = given.openai;
  const paint = painter(colour);
  const { lab, workers, records, labRecords, seeds, results, best, why } = strategies;
  const body = results.map((result) => [
    result.workers === workers ? result.name : `${result.name} (${result.workers})`,
    intervalText(result.seconds, 1),
    percent(result.timeRatio),
    intervalText(result.refused, 0),
    intervalText(result.recordsLost, 0),
    triesText(result.attemptsPerSuccess),
  ]);
  const heading = ['Strategy', 'Seconds', 'Time', '429s', 'Lost', 'Tries'];
  const chosen = results.find(({ name }) => name === best)!;
  const isLossy = results.some(({ recordsLost }) => recordsLost.mean > 0);
  const hasLimit = limits.rpm !== undefined || limits.tpm !== undefined;
  const share = chosen.share ?? carefulShare;
  const otherWorkers = results.some((result) => result.workers !== workers)
    ? ' A number in brackets is a worker count of its own.'
    : '';
  const size =
    records === labRecords
      ? ''
      : ` ${countOf(records, 'record')} instead of the lab's ${grouped(labRecords)}, so that rates settle.`;
  const claimsShort =
    chosen.claims < chosen.workers
      ? `The lab's own ${countOf(labRecords, 'record')} are ${countOf(chosen.claims, 'claim')} then: no more than ${countOf(chosen.claims, 'worker')} ${chosen.claims === 1 ? 'has' : 'have'} work, as the ladder says.`
      : undefined;
  const batchCaveat =
    latency.perThousandTokens === undefined
      ? 'Batches: the lab says that a request takes as long whatever it holds (openai.latency.perThousandTokens is not set); an assumption.'
      : undefined;
  const blocks = [
    [
      paint(
        'bold',
        `${lab} · strategies at ${countOf(workers, 'worker')}, ${grouped(records)} records`,
      ),
      ...tableLines(heading, body, new Set([0]), (text, row) =>
        results[row]!.name === best
          ? paint('green', text)
          : results[row]!.recordsLost.mean > 0
            ? paint('red', text)
            : text,
      ),
    ],
    [
      wrapped(
        `Simulated over ${seeds} seeds, the same for each strategy; ± is the 95 % interval of the mean. Time is against doing nothing, Tries are requests for each success. Buckets start empty, as in production.${otherWorkers}${size}`,
        width,
        0,
      ),
      ...(isLossy
        ? [wrapped('Where records are lost, a short time is no gain: they are missing.', width, 0)]
        : []),
      ...(batchCaveat ? [wrapped(batchCaveat, width, 0)] : []),
    ],
    [
      paint('green', wrapped(`Use "${best}": ${why}.`, width, 0)),
      `  MAX_WORKERS=${chosen.workers}`,
      ...chosen.settings
        .filter((line) => !line.startsWith('MAX_WORKERS'))
        .map((line) => `  ${line}`),
      ...(claimsShort ? [wrapped(claimsShort, width, 0)] : []),
    ],
    hasLimit ? snippetBlock({ ...limits, share }, paint) : [],
    hasLimit
      ? [
          wrapped(
            share === 1
              ? 'The snippet keeps to 100 %, as simulated. Set share to 0.95 for room for clocks, other users of the quota and texts that are charged more than bytes / 4: a twentieth slower.'
              : `The snippet keeps to ${Math.round(share * 100)} %, with room for clocks, other users of the quota and texts that are charged more than bytes / 4.`,
            width,
            0,
          ),
        ]
      : [],
  ];
  return `${blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n')}\n`;
}
