/** The cheapest path to a deadline, and the `.env` blocks, as text for a terminal. */

import type { Path, PathStep } from '../analyze/upgrade/path.ts';
import type { EnvBlock } from '../analyze/upgrade/recommended-env.ts';
import { isSetting } from '../analyze/upgrade/steps.ts';
import { painter } from './colours.ts';
import { countOf } from './figures.ts';
import type { RenderOptions } from './upgrade.ts';
import {
  daysText,
  dollars,
  durationText,
  priceText,
  secondsText,
  wrapped,
} from './upgrade-text.ts';

const names = (steps: { name: string }[]) => steps.map(({ name }) => name).join(' + ');

/** What the deadline comes to, in a sentence or two. */
function answer({
  outcome,
  deadlineSeconds,
  records,
  steps,
  fastest = [],
  combinations,
}: Path): string {
  const goal = `${countOf(records, 'record')} in ${durationText(deadlineSeconds)}`;
  const time = `${secondsText(outcome)} with ${countOf(outcome.recommendedWorkers, 'worker')}`;
  if (steps?.length === 0) return `The lab as it is does ${goal}: ${time}.`;
  if (steps)
    return `Cheapest way to ${goal}: ${names(steps.map(({ step }) => step))}. It takes ${time}.`;
  const none = `None of ${countOf(combinations, 'combination')} does ${goal}.`;
  if (outcome.seconds === null) return `${none} ${outcome.problem}.`;
  const way = fastest.length > 0 ? names(fastest) : 'the lab as it is';
  const binds =
    outcome.bottleneck === 'none'
      ? 'Nothing binds: more workers may help (--workers).'
      : `Then ${outcome.bottleneck} binds.`;
  return `${none} The fastest, ${way}, takes ${time}. ${binds}`;
}

function reasonFor({ step, without }: PathStep): string {
  const binds = without.bottleneck === 'none' ? 'all workers busy' : without.bottleneck;
  const lacking = without.seconds === null ? without.problem : `${secondsText(without)} (${binds})`;
  const asks = isSetting(step) ? 'It is free' : `It asks for: ${priceText(step)}`;
  return `${step.name}: without it ${lacking}. ${asks}.`;
}

export function renderPath(path: Path, { colour, width = 80 }: RenderOptions): string {
  const paint = painter(colour);
  const { steps, usd, waitingDays, unpriced, combinations } = path;
  const lines = [
    paint('bold', 'Deadline'),
    paint(steps ? 'green' : 'red', wrapped(answer(path), width, 0)),
    ...(steps ?? []).map((step) => `  ${wrapped(reasonFor(step), width - 2, 4)}`),
  ];
  if (steps && steps.length > 0) {
    const days = waitingDays
      ? `, and ${daysText(waitingDays)} since the first payment to OpenAI`
      : '';
    const unknown = unpriced.length > 0 ? `; unknown: ${unpriced.join(', ')}` : '';
    const tried = `${countOf(combinations, 'combination')} were tried.`;
    lines.push(
      wrapped(`Known cost beside tokens: ${dollars(usd)}${days}${unknown}. ${tried}`, width, 0),
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Recommended configuration: blocks to paste, each with its reason. */
export function renderEnv(blocks: EnvBlock[], { colour, width = 80 }: RenderOptions): string {
  const paint = painter(colour);
  const hasClaims = blocks.some(({ env }) => env.CLAIM_SIZE !== undefined);
  const claims = hasClaims
    ? '\n# CLAIM_SIZE: records that a worker claims at a time (workload.recordsPerClaim).\n'
    : '';
  return `${paint('bold', 'Recommended .env')}\n${blocks
    .map(({ title, env, why }) =>
      [
        wrapped(`# ${title}. ${why}`, width, 2).replaceAll('\n  ', '\n# '),
        ...Object.entries(env).map(([key, value]) => `${key}=${value}`),
      ].join('\n'),
    )
    .join('\n\n')}\n${claims}`;
}
