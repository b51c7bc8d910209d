import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Sweep } from '../../../src/model/sweep.ts';
import { packageRoot } from '../../../src/package-root.ts';

export const cli = join(packageRoot, 'src/cli.ts');

export type Execution = {
  status: number | null;
  stderr: string;
  sweep: Sweep;
  /** The results folder; empty where there is none. */
  results: string;
};

/** Runs `kneepoint exec` to its end. `during` is told what it says as it goes. */
export async function execute(
  folder: string,
  lab: string,
  command: string[],
  options: {
    flags?: string[];
    cwd?: string;
    env?: Record<string, string>;
    during?: (said: string, kill: () => void) => void;
  } = {},
): Promise<Execution> {
  const { flags = [], cwd = packageRoot, env = {}, during } = options;
  const out = mkdtempSync(join(folder, 'out-'));
  const child = spawn(
    process.execPath,
    [cli, 'exec', lab, '--json', '--out', out, ...flags, '--', ...command],
    { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text: Buffer) => {
    stdout += text;
  });
  child.stderr.on('data', (text: Buffer) => {
    stderr += text;
    during?.(stderr, () => child.kill('SIGINT'));
  });
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const results = readdirSync(out)[0];
  return {
    status,
    stderr,
    sweep: (stdout ? JSON.parse(stdout) : undefined) as Sweep,
    results: results === undefined ? '' : join(out, results),
  };
}
