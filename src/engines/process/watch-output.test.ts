import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { openOutputLog } from './output-log.ts';
import { node, start, temporaryFolder } from './start-watched.ts';

const bothOutputs =
  'i=0; while [ $i -lt 300 ]; do echo "out $i"; echo "err $i" >&2; i=$((i+1)); done';

test.runIf(process.platform !== 'win32')(
  'the lines of stdout and stderr stay in order',
  async () => {
    const { watched, log } = start(['sh', '-c', bothOutputs]);
    const { lastLines } = await watched;
    const expected = Array.from({ length: 300 }, (_, i) => [`out ${i}`, `err ${i}`]).flat();
    expect(log().trimEnd().split('\n')).toEqual(expected);
    expect(lastLines).toEqual(expected.slice(-20));
  },
);

test.runIf(process.platform !== 'win32')('a program may open its outputs by name', async () => {
  const script = 'echo one >/dev/stdout; echo two >/dev/stderr; echo three | tee /dev/stderr';
  const { watched } = start(['sh', '-c', script]);
  expect((await watched).lastLines).toEqual(['one', 'two', 'three', 'three']);
});

test('a secret that is split between two writes is in neither the log nor the last lines', async () => {
  const script = `
    process.stdout.write('login with hun');
    setTimeout(() => process.stdout.write('ter22-xyz and sk-proj-abcdefghij'), 200);
    setTimeout(() => process.stdout.write('klmnop and sk-kneepoint-lab-1234567890123'), 400);
  `;
  const { watched, log } = start(node(script), { secrets: ['hunter22-xyz'] });
  const line = 'login with [redacted] and [redacted] and sk-kneepoint-lab-1234567890123';
  expect((await watched).lastLines).toEqual([line]);
  expect(log()).toBe(line);
});

test('100 MB of output are taken, and the log says where it stops', async () => {
  const script = `
    const { writeSync } = require('node:fs');
    const block = ('x'.repeat(99) + '\\n').repeat(1000);
    for (let i = 0; i < 1000; i++) writeSync(1, block);
    console.log('the end');
  `;
  const { watched, log } = start(node(script));
  const result = await watched;
  expect(result).toMatchObject({ exitCode: 0, timedOut: false });
  expect(result.lastLines.at(-1)).toBe('the end');
  const lines = log().trimEnd().split('\n');
  expect(lines.at(-1)).toMatch(/this log ends here, at 65536 KiB/);
  expect(lines.at(-2)).toBe('x'.repeat(99));
  expect(lines.length).toBe(Math.floor((64 * 1024 * 1024) / 100) + 1);
});

test('what comes out without line ends is not kept in memory', async () => {
  const { watched, log } = start(node(`process.stdout.write('y'.repeat(3e6) + 'hunter22-xyz')`), {
    secrets: ['hunter22-xyz'],
  });
  await watched;
  expect(log()).toBe(`${'y'.repeat(3e6)}[redacted]`);
});

test.runIf(process.platform !== 'win32')(
  'only the owner may read the log, also one that was there before',
  async () => {
    const path = join(temporaryFolder(), 'output.log');
    writeFileSync(path, 'of another run', { mode: 0o644 });
    const { read } = await openOutputLog(path, []);
    expect(await read(Readable.from(['40 %\r80 %\r100 %\ndone\n']))).toEqual([
      '40 %',
      '80 %',
      '100 %',
      'done',
    ]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8')).not.toContain('another');
  },
);
