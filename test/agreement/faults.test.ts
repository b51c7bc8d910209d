import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Sweep } from '../../src/model/sweep.ts';

const root = new URL('../..', import.meta.url).pathname;

const lab = `
name: faulty
workers: [1, 5]
openai: { timeoutMs: 3000 }
faults:
  - { on: embeddings, kind: reset, probability: 0.05 }
  - { on: embeddings, kind: short-body, probability: 0.05 }
  - { on: embeddings, kind: truncated-json, probability: 0.05 }
  - { on: embeddings, kind: stall, probability: 0.03 }
  - { on: embeddings, kind: status, status: 503, probability: 0.05 }
  - { on: embeddings, kind: latency, ms: 400, probability: 0.1 }
  - { on: upsert, kind: stall, probability: 0.02 }
  - { on: upsert, kind: reset-body, probability: 0.05 }
  - { on: upsert, kind: garbage, probability: 0.05 }
`;

test('k6 meets the very faults that the simulator predicts, whatever the number of workers', {
  // Real time on a shared machine: a pause of a third of a second is a timeout that nobody predicted.
  retry: 1,
}, () => {
  const folder = mkdtempSync(join(tmpdir(), 'kneepoint-faults-'));
  try {
    const path = join(folder, 'faulty.yaml');
    writeFileSync(path, lab);
    const sweep = (command: string) => {
      const args = ['src/cli.ts', command, path, '--json', '--out', folder];
      const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
      if (stdout === '') throw new Error(stderr);
      return JSON.parse(stdout) as Sweep;
    };
    const countsOf = ({ cells }: Sweep) =>
      cells.map(({ workers, openai, qdrant, completeness }) => ({
        workers,
        embeddings: openai.requests,
        openaiErrors: openai.errors,
        upserts: qdrant.requests,
        qdrantErrors: qdrant.errors,
        timeouts: qdrant.timeouts,
        completeness,
      }));
    const predicted = sweep('simulate');
    const measured = sweep('run');
    expect(countsOf(measured)).toEqual(countsOf(predicted));
    expect(predicted.cells[0]!.openai.errors).toBeGreaterThan(10);
    expect(predicted.cells[0]!.qdrant.errors).toBeGreaterThan(5);
    for (const [at, cell] of measured.cells.entries())
      process.stdout.write(
        `faulty × ${cell.workers}: ${cell.seconds.toFixed(1)} s, predicted ${predicted.cells[at]!.seconds.toFixed(1)} s\n`,
      );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
