/**
 * `node bench/process-watch.ts [PROCESSES] [MB_EACH] [SECONDS]`: what it costs to watch a command whose
 * processes hold memory: CPU time of this program, which does nothing else, and how late its event loop
 * gets, in which `kneepoint exec` serves the mocks. It shows that the cost stays near 2 % of a core
 * however much memory there is to look at, while changes are still seen several times a second.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { watch } from '../src/engines/process/watch.ts';

const [processes = 20, megabytes = 500, seconds = 30] = process.argv.slice(2).map(Number);
const script = `
  const { spawn } = require('node:child_process');
  const held = 'const b = Buffer.alloc(${megabytes} * 2 ** 20, 1); console.log(1); setInterval(() => b[0]++, 1e6)';
  let holding = 0;
  for (let i = 0; i < ${processes}; i++)
    spawn(process.execPath, ['-e', held], { stdio: ['ignore', 'pipe', 'inherit'] })
      .stdout.once('data', () => ++holding);
  setInterval(() => {}, 1e6);
`;

/** The monitor looks so often, and counts this as part of what it sees. */
const resolutionMs = 20;
const delay = monitorEventLoopDelay({ resolution: resolutionMs });
const lateMs = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolutionMs).toFixed(1);

const lateness = () => `${lateMs(delay.max)} ms (p99 ${lateMs(delay.percentile(99))} ms)`;

/** CPU time of this program as a share of one core, with nothing but the monitor of its event loop. */
async function lookAtIdle(): Promise<{ share: number; late: string }> {
  delay.enable();
  const before = process.cpuUsage();
  await sleep(5_000);
  const { user, system } = process.cpuUsage(before);
  delay.disable();
  const late = lateness();
  delay.reset();
  return { share: (user + system) / 1000 / 5_000, late };
}

const stop = new AbortController();
const idle = await lookAtIdle();
let begun: { cpu: NodeJS.CpuUsage; atMs: number; samples: number } | undefined;
let figures = '';
let samples = 0;
await watch({
  command: [process.execPath, '-e', script],
  cwd: tmpdir(),
  env: { PATH: process.env.PATH ?? '' },
  logPath: join(mkdtempSync(join(tmpdir(), 'kneepoint-bench-')), 'output.log'),
  secrets: [],
  timeoutMs: 600_000,
  sampleMs: 250,
  signal: stop.signal,
  onSample: (sample) => {
    samples += 1;
    if (!begun && sample.megabytes > processes * megabytes) {
      begun = { cpu: process.cpuUsage(), atMs: performance.now(), samples };
      delay.enable();
    }
    const passedMs = begun ? performance.now() - begun.atMs : 0;
    if (!begun || passedMs < seconds * 1000 || stop.signal.aborted) return;
    delay.disable();
    const cpu = process.cpuUsage(begun.cpu);
    const usedMs = (cpu.user + cpu.system) / 1000 - idle.share * passedMs;
    const taken = samples - begun.samples;
    figures = [
      `${processes} processes, ${Math.round(sample.megabytes)} MiB:`,
      `${taken} samples in ${(passedMs / 1000).toFixed(1)} s,`,
      `${(usedMs / taken).toFixed(1)} ms CPU each,`,
      `${((100 * usedMs) / passedMs).toFixed(1)} % of a core;`,
      `event loop late by at most ${lateness()}, when idle ${idle.late}`,
    ].join(' ');
    stop.abort();
  },
});
console.log(figures);
