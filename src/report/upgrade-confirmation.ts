import type { Confirmation, Measured } from '../analyze/upgrade/confirmation.ts';
import { painter } from './colours.ts';
import { countOf } from './figures.ts';
import type { RenderOptions } from './upgrade.ts';
import { durationText, wrapped } from './upgrade-text.ts';

const line = (name: string, { workers, seconds, predictedSeconds }: Measured) =>
  `  ${name.padEnd(16)} ${durationText(seconds)} with ${countOf(workers, 'worker')}, predicted ${durationText(predictedSeconds)}`;

/** What k6 says of the step. */
export function renderConfirmation(
  { step, before, after, gain, predictedGain, agrees, tolerance, problem }: Confirmation,
  { colour, width = 80 }: RenderOptions,
): string {
  const paint = painter(colour);
  const percent = Math.round(tolerance * 100);
  const verdict = problem
    ? `Can't be judged: ${problem}`
    : agrees
      ? `k6 agrees within ${percent} %.`
      : `k6 does not agree within ${percent} %.`;
  return [
    paint('bold', 'Confirmed on k6 against the mocks'),
    line('now', before),
    line(step, after),
    `  gain             ${gain.toFixed(2)}x, predicted ${predictedGain.toFixed(2)}x`,
    paint(agrees ? 'green' : 'red', wrapped(verdict, width, 0)),
    '',
  ].join('\n');
}
