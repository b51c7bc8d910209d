import { cheapestPath } from '../analyze/upgrade/path.ts';
import { recommendedEnv } from '../analyze/upgrade/recommended-env.ts';
import { createForecast } from '../analyze/upgrade/steady-state.ts';
import { compareStrategies } from '../analyze/upgrade/strategies.ts';
import { bestStep, toldOf, upgradeLadder } from '../analyze/upgrade/upgrade.ts';
import type { Lab } from '../model/lab.ts';
import { renderLadder } from '../report/upgrade.ts';
import { renderConfirmation } from '../report/upgrade-confirmation.ts';
import { renderEnv, renderPath } from '../report/upgrade-path.ts';
import { renderStrategies } from '../report/upgrade-strategies.ts';
import { UsageError } from '../usage-error.ts';
import { confirm } from './confirm-upgrade.ts';
import { parseDuration } from './duration.ts';
import { invalid } from './simulate.ts';

export type UpgradeOptions = {
  targetRecords?: string;
  deadline?: string;
  strategies?: boolean;
  confirm?: boolean;
  json?: boolean;
  out?: string;
};

const mostRecords = 1e12;

function recordsOf(option: string, text: string): number {
  const value = Number(text.replaceAll(/[_,]/g, ''));
  if (text.trim() === '' || !Number.isInteger(value) || value < 1 || value > mostRecords)
    throw new UsageError(
      `${option}: must be a whole number of records from 1 to ${mostRecords}, got "${text}"`,
    );
  return value;
}

/**
 * The ladder of a lab, or its strategies. Exit code 0; 1 where `--confirm` does not agree; 3 where it could
 * not measure, or where nobody can tell what binds.
 */
export async function upgrade(lab: Lab, options: UpgradeOptions): Promise<number> {
  const colour = process.stdout.isTTY === true && !process.env.NO_COLOR;
  const target =
    options.targetRecords === undefined
      ? undefined
      : recordsOf('--target-records', options.targetRecords);
  const deadlineMs =
    options.deadline === undefined ? undefined : parseDuration(options.deadline, '--deadline');
  const forecast = createForecast();
  const ladder = upgradeLadder(lab, target, forecast);
  const path =
    deadlineMs === undefined
      ? undefined
      : cheapestPath(lab, target ?? lab.workload.records, deadlineMs / 1_000, forecast);
  const env = recommendedEnv(ladder);
  const strategies = options.strategies ? compareStrategies(lab) : undefined;

  const texts: string[] = [];
  if (strategies) texts.push(renderStrategies(strategies, lab, { colour }));
  else texts.push(renderLadder(ladder, { colour }));
  if (path) texts.push(renderPath(path, { colour }));
  texts.push(renderEnv(env, { colour }));
  // What takes a while comes after what is known at once.
  if (!options.json) process.stdout.write(`${texts.join('\n')}\n`);

  const best = bestStep(ladder);
  if (options.confirm && !best)
    throw new UsageError('--confirm: no step gains anything, so there is nothing to confirm');
  const confirmation =
    options.confirm && best ? await confirm(lab, best.step, options.out ?? 'results') : undefined;
  // The run has said on stderr what went wrong.
  if (typeof confirmation === 'number') return confirmation;
  if (options.json) {
    const document = {
      schema: 'kneepoint.upgrade/1',
      ...ladder,
      best: best?.step.name ?? null,
      ...(path && { path }),
      env,
      ...(strategies && { strategies }),
      ...(confirmation && { confirmation }),
    };
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  } else if (confirmation) process.stdout.write(renderConfirmation(confirmation, { colour }));
  if (confirmation?.problem || toldOf(ladder.rows[0]!).bottleneck === 'undetermined')
    return invalid;
  return confirmation && !confirmation.agrees ? 1 : 0;
}
