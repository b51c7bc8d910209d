import { expect, test } from 'vitest';
import { checkLab } from '../lab-file.ts';
import { fillIn, lastWords, problemOf } from './exec.ts';
import { createMeter } from './meter.ts';
import type { Watched } from './process/watch.ts';

const lab = checkLab({ workload: { records: 20 } }, 'test');

test('braces after $ are the shell’s own', () => {
  expect(fillIn(['sh', '-c', `n={records}; echo $\{records} {workers} {other}`], lab, 4)).toEqual([
    'sh',
    '-c',
    `n=20; echo $\{records} 4 {other}`,
  ]);
});

test.each([
  [
    ['Error: no such table', '    at main (x.js:1:2)', '', 'Node.js v20.20.2'],
    'Error: no such table',
  ],
  [
    ['AuthenticationError: 401 no such key', '  status: 401,', '}', 'Node.js v20.20.2'],
    'AuthenticationError: 401 no such key',
  ],
  [
    ['Traceback (most recent call last):', 'openai.AuthenticationError: 401'],
    'openai.AuthenticationError: 401',
  ],
  [['starting', 'panic: boom.'], 'panic: boom'],
  [['}', '---'], undefined],
])('of the lines %j the last words are %j', (lines, words) => {
  expect(lastWords(lines)).toBe(words);
});

const ended: Watched = {
  exitCode: 0,
  signalName: null,
  startedMs: 0,
  seconds: 1,
  timedOut: false,
  interrupted: false,
  outOfMemory: false,
  memory: { peakMb: 1, peakProcesses: 1, samples: [], source: 'pss' },
  cpuSeconds: 0,
  leftBehind: 0,
  lastLines: [],
};
const nothing = createMeter().traffic();
const embedded = { ...nothing.openai, requests: 5, succeeded: 5 };

test('the service that was not reached is named, and only that one', () => {
  expect(problemOf(ended, { ...nothing, openai: embedded }, 1_000)).toEqual({
    problem: 'the command made no upsert to QDRANT_URL; see that it reads it',
    usable: false,
  });
});

test('refused requests are told with their status', () => {
  const refused = {
    ...nothing,
    openai: { ...nothing.openai, requests: 3 },
    failures: { openai: [401], qdrant: [] },
  };
  const lastLines = ['AuthenticationError: 401 Incorrect API key', 'Node.js v20.20.2'];
  expect(problemOf({ ...ended, exitCode: 1, lastLines }, refused, 1_000)).toEqual({
    problem:
      'the command ended with exit code 1: AuthenticationError: 401 Incorrect API key; all 3 embeddings requests to OPENAI_BASE_URL failed (401)',
    usable: false,
  });
});
