import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simulateSweep } from '../analyze/analyze.ts';
import { type Confirmation, confirmationOf } from '../analyze/upgrade/confirmation.ts';
import type { Step } from '../analyze/upgrade/steps.ts';
import type { Lab } from '../model/lab.ts';
import type { Sweep } from '../model/sweep.ts';
import { provenanceOf } from '../provenance.ts';
import { simulateCell } from '../simulate/cell.ts';
import { untilStopped } from './until-stopped.ts';

/** Virtual seconds in one, fewer than labs usually have: at ten, a busy machine's own delays would show. */
const mostSpeed = 4;

/** Virtual seconds that the faster side takes at least: in less, start and end weigh too much. */
const leastSeconds = 20;

/** The lab at its recommended workers only. */
function atRecommended(lab: Lab, name: string): Lab {
  const { recommendedWorkers } = simulateSweep(lab, provenanceOf(lab)).verdict;
  return {
    ...lab,
    name: `${lab.name.slice(0, 50)}-${name}`,
    speed: Math.min(lab.speed, mostSpeed),
    workers: [recommendedWorkers],
  };
}

/** One sweep by our own `run` as a process, measured as any other lab is; or its exit code where it has none. */
async function measure(file: string, out: string): Promise<Sweep | number> {
  const command = [process.argv[1]!, 'run', file, '--json', '--out', out];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  // It saves what it has and ends by itself.
  const stop = untilStopped((name) => child.kill(name));
  const kill = () => child.kill('SIGINT');
  process.once('exit', kill);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  process.removeListener('exit', kill);
  stop.close();
  const sweep = text === '' ? undefined : (JSON.parse(text) as Sweep);
  return sweep?.cells[0] ? sweep : code || 3;
}

/**
 * Runs the lab before and after a step on k6, one after the other, each at its recommended workers, and
 * compares both with the prediction; or the exit code of a run that could not be made.
 */
export async function confirm(lab: Lab, step: Step, out: string): Promise<Confirmation | number> {
  const folder = mkdtempSync(join(tmpdir(), 'kneepoint-upgrade-'));
  try {
    const sweeps: Sweep[] = [];
    const sides = [atRecommended(lab, 'before'), atRecommended(step.change(lab), 'after')];
    const shortest = Math.min(...sides.map((side) => simulateCell(side, side.workers[0]!).seconds));
    const times = Math.max(1, Math.ceil(leastSeconds / shortest));
    for (const { workload, ...rest } of sides) {
      const side = { ...rest, workload: { ...workload, records: workload.records * times } };
      const file = join(folder, `${side.name}.json`);
      writeFileSync(file, JSON.stringify(side));
      const sweep = await measure(file, out);
      if (typeof sweep === 'number') return sweep;
      sweeps.push(sweep);
    }
    return confirmationOf(step.name, sweeps[0]!, sweeps[1]!);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
