import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkExpectations } from '../../src/analyze/check/expectations.ts';
import type { Cell, Sweep } from '../../src/model/sweep.ts';

const repeats = Number(process.env.KNEEPOINT_REPEATS ?? 2);
const root = new URL('../..', import.meta.url).pathname;

/** Sweeps as `--json` prints them; an invalid run (exit code 3) is one too. */
function kneepoint(args: string[]): Sweep[] {
  const out = mkdtempSync(join(tmpdir(), 'kneepoint-agreement-'));
  const given = ['src/cli.ts', ...args, '--json', '--out', out];
  const { status, stdout, stderr } = spawnSync(process.execPath, given, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  rmSync(out, { recursive: true, force: true });
  if (status !== 0 && status !== 3)
    throw new Error(`kneepoint ${args.join(' ')} exited ${status}: ${stderr}`);
  return [JSON.parse(stdout) as Sweep | Sweep[]].flat();
}

/** How often a lab is run that its own checks say was disturbed, as happens on a shared machine. */
const mostTries = 3;

/** One valid run of each lab: those that were disturbed are run again. */
function validSweeps(labs: string[]): Sweep[] {
  const valid = new Map<string, Sweep>();
  for (let attempt = 1; attempt <= mostTries && valid.size < labs.length; attempt++) {
    for (const sweep of kneepoint(['run', ...labs.filter((name) => !valid.has(name))])) {
      if (sweep.valid) valid.set(sweep.lab.name, sweep);
      else
        process.stdout.write(
          `${sweep.lab.name}, try ${attempt}: ${sweep.warnings.map(({ message }) => message).join(' ')}\n`,
        );
    }
  }
  return labs.map((name) => {
    const sweep = valid.get(name);
    if (!sweep) throw new Error(`${name}: disturbed in ${mostTries} of ${mostTries} runs`);
    return sweep;
  });
}

const limited = ({
  openai: {
    rateLimited: { rpm, tpm, rpd },
  },
}: Cell) => rpm + tpm + rpd;
const off = (measured: number, predicted: number) => measured / predicted - 1;
const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

/** What a table of the run shows: time and 429s against the simulator, and whether that is as close as aimed for. */
function row(name: string, cell: Cell, predicted: Cell): { text: string; close: boolean } {
  const time = off(cell.seconds, predicted.seconds);
  const close = Math.abs(time) <= (predicted.seconds >= 6 ? 0.03 : 0.06);
  const counts = `${limited(cell)}/${limited(predicted)} 429s, ${cell.qdrant.timeouts}/${predicted.qdrant.timeouts} timeouts`;
  return {
    text: `${close ? ' ' : '!'} ${name} × ${cell.workers}: ${percent(time)}, ${counts}`,
    close,
  };
}

test(`k6 comes to the simulator's verdict in ${repeats} of ${repeats} runs of every lab`, {
  retry: 1,
}, () => {
  const predicted = new Map(kneepoint(['simulate']).map((sweep) => [sweep.lab.name, sweep]));
  expect(predicted.size).toBe(9);
  for (let repeat = 1; repeat <= repeats; repeat++) {
    const rows: { text: string; close: boolean }[] = [];
    for (const measured of validSweeps([...predicted.keys()])) {
      const { name } = measured.lab;
      const simulated = predicted.get(name)!;
      expect.soft(measured.verdict.bottleneck, name).toBe(simulated.verdict.bottleneck);
      expect
        .soft(measured.verdict.recommendedWorkers, name)
        .toBe(simulated.verdict.recommendedWorkers);
      const checks = checkExpectations(measured);
      expect
        .soft(checks.filter(({ status }) => status === 'failed' || status === 'missing'))
        .toEqual([]);
      for (const [at, cell] of measured.cells.entries()) {
        const expected = simulated.cells[at]!;
        expect.soft(cell.feasible).toBe(expected.feasible);
        if (!cell.feasible) continue;
        rows.push(row(name, cell, expected));
        if (limited(expected) === 0) expect.soft(limited(cell), `${name} 429s`).toBe(0);
        if (expected.qdrant.timeouts === 0)
          expect.soft(cell.qdrant.timeouts, `${name} timeouts`).toBe(0);
        if (expected.completeness.recordsFailed === 0)
          expect.soft(cell.completeness, name).toEqual(expected.completeness);
        // Lost or stored: nothing else can have happened to a point.
        const { pointsStored, pointsExpected, recordsFailed } = cell.completeness;
        const perRecord = measured.lab.workload.chunksPerRecord;
        expect.soft(pointsStored + recordsFailed * perRecord).toBe(pointsExpected);
      }
    }
    const close = rows.filter((entry) => entry.close).length;
    process.stdout.write(
      `run ${repeat}: ${close} of ${rows.length} cells within 3 % (6 % under 6 s) of the simulator\n` +
        `${rows.map(({ text }) => text).join('\n')}\n`,
    );
    // Real time on a shared machine: how close is printed above; that most cells are is asserted.
    expect(close / rows.length).toBeGreaterThan(0.5);
  }
});
