import { describe, expect, test } from 'vitest';
import { memoryLimitProblem } from './memory-limit.ts';
import { node, start, until } from './start-watched.ts';

/** Three forked workers that hold so much each until they are ended. */
const holders = (megabytesEach: number) => `
  const { fork } = require('node:child_process');
  const { writeFileSync } = require('node:fs');
  writeFileSync('worker.cjs', \`
    const held = Buffer.alloc(${megabytesEach} * 2 ** 20, 1);
    process.send('held');
    setInterval(() => held[0]++, 1000);
  \`);
  let holding = 0;
  for (let i = 0; i < 3; i++)
    fork('./worker.cjs').on('message', () => { if (++holding === 3) console.log('all hold'); });
`;

async function memoryOfHolders(megabytesEach: number, useCgroup: boolean) {
  let samples = 0;
  const { watched, log, stop } = start(node(holders(megabytesEach)), {
    useCgroup,
    onSample: () => {
      samples += 1;
    },
  });
  await until(() => log() === 'all hold\n');
  const before = samples;
  await until(() => samples >= before + 3);
  stop.abort();
  return (await watched).memory;
}

describe.runIf(process.platform === 'linux').each([true, false])('cgroup: %s', (useCgroup) => {
  test('600 MB in three workers are measured within 10 %', async () => {
    const base = await memoryOfHolders(0, useCgroup);
    const full = await memoryOfHolders(200, useCgroup);
    expect(full.source).toBe('pss');
    expect(full.peakProcesses).toBe(4);
    const held = full.peakMb - base.peakMb;
    expect(held).toBeGreaterThan(600 * 0.9);
    expect(held).toBeLessThan(600 * 1.1);
    expect(full.peakMb).toBe(Math.max(...full.samples.map(({ megabytes }) => megabytes)));
    if (full.cgroupPeakMb !== undefined) expect(full.cgroupPeakMb).toBeGreaterThan(600);
  });

  test('CPU seconds are those of the command and of the children that have ended', async () => {
    const script = `
      const { fork } = require('node:child_process');
      const { writeFileSync } = require('node:fs');
      writeFileSync('burner.cjs', \`
        const { randomBytes, createHash } = require('node:crypto');
        const used = () => { const { user, system } = process.cpuUsage(); return user + system; };
        while (used() < 1.2e6) createHash('sha256').update(randomBytes(1e5)).digest();
        process.send(used());
      \`);
      let sum = 0, ended = 0;
      for (let i = 0; i < 3; i++)
        fork('./burner.cjs').on('message', (used) => { sum += used; })
          .on('exit', () => {
            if (++ended < 3) return;
            const { user, system } = process.cpuUsage();
            console.log((sum + user + system) / 1e6);
          });
    `;
    const { cpuSeconds, lastLines } = await start(node(script), { useCgroup }).watched;
    const told = Number(lastLines.at(-1));
    expect(told).toBeGreaterThan(3.6);
    expect(cpuSeconds).toBeGreaterThan(told * 0.85);
    expect(cpuSeconds).toBeLessThan(told * 1.15);
  });

  test('a last sample is taken before a command is ended, however long it is until the next', async () => {
    const script = `
      let held = Buffer.alloc(150 * 2 ** 20, 1);
      process.on('SIGTERM', () => { held = undefined; process.exit(); });
      setInterval(() => {}, 1000);
      console.log('held');
    `;
    let megabytes = 0;
    const { watched, log, stop } = start(node(script), {
      useCgroup,
      sampleMs: 600_000,
      onSample: (sample) => {
        megabytes = sample.megabytes;
      },
    });
    await until(() => log() === 'held\n');
    stop.abort();
    const { memory } = await watched;
    expect(megabytes).toBeGreaterThan(150);
    expect(memory.peakMb).toBeGreaterThan(150);
    expect(memory.samples.at(-1)!.megabytes).toBeGreaterThan(150);
  });
});

const problem = await memoryLimitProblem();
if (problem) console.warn(`NOT TESTED: memory limits (${problem})`);

describe.skipIf(problem !== undefined)('under a memory limit', () => {
  test('a hog is killed, and it is said to be out of memory', async () => {
    const script = `
      const held = [];
      setInterval(() => held.push(Buffer.alloc(10 * 2 ** 20, 1)), 5);
    `;
    const result = await start(node(script), { memoryLimitMb: 200 }).watched;
    expect(result).toMatchObject({
      outOfMemory: true,
      timedOut: false,
      signalName: 'SIGKILL',
      memory: { limitMb: 200 },
    });
    expect(result.memory.peakMb).toBeLessThan(220);
    const { cgroupPeakMb } = result.memory;
    if (cgroupPeakMb !== undefined) expect(cgroupPeakMb).toBeLessThanOrEqual(200);
  });

  test('one worker that is killed is enough, whatever the command makes of it', async () => {
    const script = `
      const { spawnSync } = require('node:child_process');
      const hog = 'const a = []; for (;;) a.push(Buffer.alloc(10 * 2 ** 20, 1))';
      console.log(spawnSync(process.execPath, ['-e', hog]).signal);
    `;
    const result = await start(node(script), { memoryLimitMb: 300 }).watched;
    expect(result).toMatchObject({ outOfMemory: true, exitCode: 0, lastLines: ['SIGKILL'] });
  });

  test('a command within the limit is not', async () => {
    const script = 'Buffer.alloc(100 * 2 ** 20, 1)';
    const result = await start(node(script), { memoryLimitMb: 400 }).watched;
    expect(result).toMatchObject({ outOfMemory: false, exitCode: 0, memory: { limitMb: 400 } });
  });
});
