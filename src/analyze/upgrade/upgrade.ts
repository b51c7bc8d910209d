/** The ladder: what each single upgrade gains, asks for, and what binds after it. Pure. */
import type { Lab } from '../../model/lab.ts';
import { planPrices } from '../../model/prices.ts';
import { memoryShare } from '../diagnosis/ladder.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import { createForecast, type Forecast } from './steady-state.ts';
import { isSetting, type Step, stepNotes, stepsFor } from './steps.ts';

export type Row = {
  /** Absent in the first row: the lab as it is. */
  step?: Step;
  atLab: Outcome;
  atTarget?: Outcome;
  /** How many times as fast as now, at the target where there is one; null where one of both can't end. */
  gain: number | null;
  /** Neither sooner done than now, nor room for more workers; or records are lost that now are not. */
  gainsNothing: boolean;
  /** The smaller step of its kind that takes the same time, within 1 %, and has as much room. */
  sameAs?: string;
};

export type Ladder = {
  lab: Lab;
  targetRecords?: number;
  rows: Row[];
  /** What the steps do with figures that the lab sets itself, a sentence each. */
  notes: string[];
};

/** What a row is judged by: the target where there is one. */
export const toldOf = ({ atLab, atTarget }: Pick<Row, 'atLab' | 'atTarget'>): Outcome =>
  atTarget ?? atLab;

/** Gains up to this are noise of latencies, not of a limit. */
export const worthwhile = 1.01;

/** Shares of lost records that are the same by chance, where some are lost anyway and where hardly any are. */
const sameLoss = { some: 0.01, none: 0.005 };

/** A bucket that starts empty may refuse each worker's first request for good: that is the start, not the step. */
function losesMore(before: Outcome, after: Outcome): boolean {
  const { some, none } = sameLoss;
  const atStart = after.recommendedWorkers / after.records;
  const chance = before.lostShare > none ? some : none;
  return after.lostShare > before.lostShare + Math.max(atStart, chance);
}

/** Whether there is room for more workers than before; no knee is endless room, an unknown one is none. */
function hasMoreRoom(before: Outcome, after: Outcome): boolean {
  if (before.bottleneck === 'undetermined' || after.bottleneck === 'undetermined') return false;
  return (after.knee ?? Infinity) > (before.knee ?? Infinity) * worthwhile;
}

function isNoBetter(before: Outcome, after: Outcome): boolean {
  if (after.seconds === null || losesMore(before, after)) return true;
  if (before.seconds === null || losesMore(after, before)) return false;
  const gain = before.seconds / after.seconds;
  return gain < 1 / worthwhile || (gain < worthwhile && !hasMoreRoom(before, after));
}

/** Whether two steps come to the same: in the same time, whole or with the same loss, and no more room. */
function isSame(one: Outcome, other: Outcome): boolean {
  if (one.seconds === null || other.seconds === null) return false;
  const ratio = one.seconds / other.seconds;
  return (
    ratio < worthwhile &&
    ratio > 1 / worthwhile &&
    !losesMore(one, other) &&
    !losesMore(other, one) &&
    !hasMoreRoom(one, other)
  );
}

/** Whether a step lifts what no worker ever waits for: then all stays as it is, and nothing is simulated. */
function isUnfelt({ workers, worker, host, mysql }: Lab, { kind }: Step): boolean {
  const most = Math.max(...workers);
  if (kind === 'pool') return mysql.poolSize >= most;
  const neededMb = worker.baseMemoryMb + most * worker.memoryMb;
  return kind === 'memory' && neededMb <= memoryShare * host.memoryGb * 1_024;
}

/** Every single step from the lab as it is. A target may be far too large to simulate. */
export function upgradeLadder(
  lab: Lab,
  targetRecords?: number,
  forecast: Forecast = createForecast(),
): Ladder {
  const outcomes = (changed: Lab, usdPerHour?: number): Pick<Row, 'atLab' | 'atTarget'> => ({
    atLab: outcomeOf(changed, lab.workload.records, forecast, usdPerHour),
    ...(targetRecords !== undefined && {
      atTarget: outcomeOf(changed, targetRecords, forecast, usdPerHour),
    }),
  });
  const now: Row = {
    ...outcomes(lab, planPrices[lab.qdrant.plan]?.usdPerHour),
    gain: 1,
    gainsNothing: false,
  };
  const rows = [now];
  for (const step of stepsFor(lab)) {
    const before = rows.filter((row) => row.step?.kind === step.kind).at(-1);
    // Twice the memory, or the cores, for nothing needs no four times.
    const isOfHost = step.kind === 'memory' || step.kind === 'cores';
    if (isOfHost && before?.gainsNothing) continue;
    const usdPerHour = step.price.usdPerHour ?? planPrices[lab.qdrant.plan]?.usdPerHour;
    const found = isUnfelt(lab, step) ? now : outcomes(step.change(lab), usdPerHour);
    const [was, is] = [toldOf(now).seconds, toldOf(found).seconds];
    const gainsNothing = isNoBetter(toldOf(now), toldOf(found));
    const same = rows.find(
      (row) =>
        row.step?.kind === step.kind && !row.gainsNothing && isSame(toldOf(row), toldOf(found)),
    );
    rows.push({
      step,
      atLab: found.atLab,
      ...(found.atTarget && { atTarget: found.atTarget }),
      gain: was === null || is === null ? null : was / is,
      gainsNothing,
      ...(same && !gainsNothing && { sameAs: same.step!.name }),
    });
  }
  return {
    lab,
    ...(targetRecords !== undefined && { targetRecords }),
    rows,
    notes: stepNotes(lab),
  };
}

type Gaining = Row & { step: Step };

const gainingSteps = ({ rows }: Ladder): Gaining[] =>
  rows.filter(
    (row): row is Gaining =>
      row.step !== undefined &&
      !row.gainsNothing &&
      toldOf(row).bottleneck !== 'undetermined' &&
      (row.gain === null || row.gain >= worthwhile),
  );

/** Of what costs nothing, the setting that gains most; undefined where none gains. */
export function bestSetting(ladder: Ladder): Gaining | undefined {
  const gainOf = ({ gain }: Row) => gain ?? Infinity;
  return gainingSteps(ladder)
    .filter(({ step, sameAs }) => isSetting(step) && sameAs === undefined)
    .reduce<Gaining | undefined>(
      (best, row) => (best && gainOf(best) >= gainOf(row) ? best : row),
      undefined,
    );
}

/** Of what is bought, the smallest step that gains; undefined where none does. */
export const firstPurchase = (ladder: Ladder): Gaining | undefined =>
  gainingSteps(ladder).find(({ step }) => !isSetting(step));

/** The step that the ladder is about: the first purchase that helps, or a setting where none does. */
export const bestStep = (ladder: Ladder): Gaining | undefined =>
  firstPurchase(ladder) ?? bestSetting(ladder);
