/** What the tests of `watch` share: commands written inline, and a look at the machine from outside. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { type Watched, type WatchOptions, watch } from './watch.ts';

/** A folder that is gone after the test that asks for it. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kneepoint-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A script for Node, as a command. */
export const node = (script: string): string[] => [process.execPath, '-e', script];

export type Started = {
  watched: Promise<Watched>;
  /** What the log holds by now. */
  log: () => string;
  stop: AbortController;
  /** Processes that carry this command's own variable in their environment. */
  carriers: () => number[];
};

export function start(command: string[], more: Partial<WatchOptions> = {}): Started {
  const folder = temporaryFolder();
  const logPath = join(folder, 'output.log');
  const stop = new AbortController();
  const mark = `WATCH_TEST=${randomUUID()}`;
  const watched = watch({
    command,
    cwd: folder,
    env: { PATH: process.env.PATH!, WATCH_TEST: mark.split('=')[1]! },
    logPath,
    secrets: [],
    timeoutMs: 50_000,
    sampleMs: 50,
    signal: stop.signal,
    ...more,
  });
  // A test may look at something else first.
  watched.catch(() => undefined);
  return {
    watched,
    log: () => {
      try {
        return readFileSync(logPath, 'utf8');
      } catch {
        return '';
      }
    },
    stop,
    carriers: () =>
      readdirSync('/proc')
        .map(Number)
        .filter((pid) => pid > 0 && environmentOf(pid).includes(mark)),
  };
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return '';
  }
}

/** Waits as long as it takes; the test's own timeout is the limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}
