import type { Cell, Sweep } from '../../model/sweep.ts';

/** One side of a step as k6 measured it. */
export type Measured = { workers: number; seconds: number; predictedSeconds: number };

export type Confirmation = {
  step: string;
  before: Measured;
  after: Measured;
  /** How many times as fast, measured and predicted. */
  gain: number;
  predictedGain: number;
  /** Whether both times and the gain are within the tolerance of what was predicted. */
  agrees: boolean;
  tolerance: number;
  /** Which measurements can't be used and why, in sentences; if so. */
  problem?: string;
};

/** The tolerance between k6 and the simulator: a twentieth. */
export const tolerance = 0.05;

const within = (measured: number, predicted: number) =>
  Math.abs(measured / predicted - 1) <= tolerance;

const measuredOf = ({ workers, seconds, predictedSeconds }: Cell): Measured => ({
  workers,
  seconds,
  predictedSeconds,
});

/** Why one side's run was not valid, undefined where it was. */
function problemOf(side: string, { valid, warnings }: Sweep): string | undefined {
  if (valid) return undefined;
  const [first] = warnings;
  return `the run of "${side}" was not valid. ${first ? `${first.message} ${first.remedy}` : 'It does not say why.'}`;
}

/** Compares the sweeps of one cell each before and after a step with their predictions. */
export function confirmationOf(step: string, before: Sweep, after: Sweep): Confirmation {
  const [from, to] = [measuredOf(before.cells[0]!), measuredOf(after.cells[0]!)];
  const gain = from.seconds / to.seconds;
  const predictedGain = from.predictedSeconds / to.predictedSeconds;
  const problems = [problemOf('now', before), problemOf(step, after)].filter(
    (problem) => problem !== undefined,
  );
  const agrees =
    problems.length === 0 &&
    within(from.seconds, from.predictedSeconds) &&
    within(to.seconds, to.predictedSeconds) &&
    within(gain, predictedGain);
  return {
    step,
    before: from,
    after: to,
    gain,
    predictedGain,
    agrees,
    tolerance,
    ...(problems.length > 0 && { problem: problems.join(' ') }),
  };
}
