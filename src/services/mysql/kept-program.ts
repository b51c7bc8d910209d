import { spawn } from 'node:child_process';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { KeeperNews, KeeperOrder } from './keeper.ts';

/** How a program ended: its exit code, or the name of a signal or of the error that kept it from starting. */
export type Ended = number | string;

/** Programs that are run one after another and never outlive this process. */
export type KeptProgram = {
  /** Starts a program; `ended` settles when it has ended, whoever ended it. */
  run: (command: string[]) => { pid: Promise<number>; ended: Promise<Ended> };
  /** Ends the program and removes the folder. Idempotent. */
  close: () => Promise<void>;
};

/** The keeper stands beside this file, compiled or not. */
const keeper = join(import.meta.dirname, `keeper${extname(import.meta.filename)}`);

/** Starts a keeper for a folder, which it removes at the end. */
export function keepIn(folder: string): KeptProgram {
  // Detached, so that Ctrl-C in a terminal reaches this process alone, which then ends things in order.
  const child = spawn(process.execPath, [keeper, folder], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, LANG: 'C' },
  });
  let began: (pid: number) => void = () => {};
  let finish: (how: Ended) => void = () => {};
  let gone = false;
  const exited = new Promise<void>((resolve) => {
    const end = () => {
      gone = true;
      finish('the process that keeps it is gone');
      resolve();
    };
    child.once('exit', end).once('error', end);
  });
  child.stdin.on('error', () => {});
  createInterface({ input: child.stdout }).on('line', (line) => {
    const news = JSON.parse(line) as KeeperNews;
    if ('pid' in news) began(news.pid);
    else finish(news.ended);
  });
  return {
    run(command) {
      const pid = new Promise<number>((resolve) => {
        began = resolve;
      });
      const ended = new Promise<Ended>((resolve) => {
        finish = resolve;
      });
      if (gone) finish('the process that keeps it is gone');
      else child.stdin.write(`${JSON.stringify({ run: command } satisfies KeeperOrder)}\n`);
      return { pid, ended };
    },
    async close() {
      child.stdin.end();
      await exited;
    },
  };
}
