import { checkLab, readLabFile } from '../lab-file.ts';
import type { Lab } from '../model/lab.ts';
import { labFiles } from '../model/labs.ts';
import { UsageError } from '../usage-error.ts';
import { isAuto } from './placing.ts';

/** Options that change a lab from the command line. */
export type LabOptions = {
  workers?: string;
  records?: string;
  tier?: string;
  plan?: string;
  memoryGb?: string;
  speed?: string;
  seed?: string;
};

function number(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value))
    throw new UsageError(`${option}: must be a number, got "${text}"`);
  return value;
}

type Section = Record<string, unknown>;

/**
 * The labs that a command is about: those named, or all built-in ones; each with the options applied.
 * A command that `canPlace` worker counts itself reads `--workers auto` on its own: labs keep theirs.
 */
export function labsFrom(
  names: string[],
  options: LabOptions,
  { canPlace = false }: { canPlace?: boolean } = {},
): Lab[] {
  const auto = isAuto(options.workers);
  if (auto && !canPlace)
    throw new UsageError(
      `--workers: "${options.workers}" is for run, simulate and exec, which place counts as they go; give a list such as 1,2,5`,
    );
  return (names.length > 0 ? names : Object.keys(labFiles)).map((name) => {
    const given = readLabFile(name);
    // What is no mapping is left to the check, which says so.
    if (given === null || typeof given !== 'object' || Array.isArray(given))
      return checkLab(given, name);
    const file = given as Section;
    const merge = (section: string, change: Section) => ({
      ...((file[section] as Section | undefined) ?? {}),
      ...change,
    });
    const change: Section = {};
    if (options.workers !== undefined && !auto)
      change.workers = options.workers.split(',').map((part) => number('--workers', part));
    if (options.records !== undefined)
      change.workload = merge('workload', { records: number('--records', options.records) });
    if (options.tier !== undefined) change.openai = merge('openai', { tier: options.tier });
    if (options.plan !== undefined) change.qdrant = merge('qdrant', { plan: options.plan });
    if (options.memoryGb !== undefined)
      change.host = merge('host', { memoryGb: number('--memory-gb', options.memoryGb) });
    if (options.speed !== undefined) change.speed = number('--speed', options.speed);
    if (options.seed !== undefined) change.seed = number('--seed', options.seed);
    return checkLab({ ...file, ...change }, name);
  });
}
