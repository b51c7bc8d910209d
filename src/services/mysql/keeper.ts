/**
 * Keeps a program for another process, and ends it with that process, whatever ended it. A SIGKILL
 * leaves nobody a chance to tidy up, but it closes pipes: so the program is a child of this small
 * process, which hears of its owner by stdin. When stdin ends, it stops the program and removes its
 * folder.
 *
 * Run as `node keeper.ts FOLDER`. On stdin comes one KeeperOrder a line, on stdout goes one
 * KeeperNews a line; what the program prints is appended to FOLDER/log.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A program and its arguments, to run when the one before has ended. */
export type KeeperOrder = { run: string[] };

/** The program runs; or it has ended, by exit code or by the name of a signal. */
export type KeeperNews = { pid: number } | { ended: number | string };

/** A database that has much to write needs seconds; one that hangs is not waited for. */
const graceMs = 15_000;

const folder = process.argv[2]!;
const log = openSync(join(folder, 'log'), 'a');
let child: ChildProcess | undefined;
let stopping = false;

const tell = (news: KeeperNews) => void process.stdout.write(`${JSON.stringify(news)}\n`);
// Nobody reads any more: the end of stdin says the same.
process.stdout.on('error', () => {});

// The whole group, because set-up scripts start programs of their own.
function signalGroup(signal: NodeJS.Signals): void {
  try {
    process.kill(-child!.pid!, signal);
  } catch {
    // Already gone.
  }
}

function leave(): never {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  process.exit(0);
}

function stop(): void {
  if (stopping) return;
  stopping = true;
  if (!child) leave();
  signalGroup('SIGTERM');
  setTimeout(() => signalGroup('SIGKILL'), graceMs);
}

function run([command, ...args]: string[]): void {
  const started = spawn(command!, args, { detached: true, stdio: ['ignore', log, log] });
  child = started;
  const end = (how: number | string) => {
    child = undefined;
    if (stopping) leave();
    tell({ ended: how });
  };
  started.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  started.once('spawn', () => {
    tell({ pid: started.pid! });
    started.once('exit', (code, signal) => end(code ?? signal ?? 'unknown'));
  });
}

createInterface({ input: process.stdin })
  .on('line', (line) => run((JSON.parse(line) as KeeperOrder).run))
  .on('close', stop);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
