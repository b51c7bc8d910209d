import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ServerBinary } from '../../src/services/mysql/binary.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export type Ended = { code: number | null; stdout: string; stderr: string };

/** A `kneepoint` that runs, and what it has said so far. */
export type Command = {
  process: ChildProcess;
  said: () => string;
  ended: Promise<Ended>;
};

/** A place of its own for commands: temporary folders and the server that they find. */
export type Place = {
  folder: string;
  /** Servers' folders that are there now. */
  servers: () => string[];
  kneepoint: (args: string[], env?: Record<string, string>) => Command;
  close: () => void;
};

export function openPlace(binary: ServerBinary): Place {
  const folder = mkdtempSync(join(tmpdir(), 'kp-run-'));
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(binary.path, join(bin, 'mysqld'));
  const { MYSQL_URL: _, ...usual } = process.env;
  return {
    folder,
    servers: () =>
      readdirSync(folder)
        .filter((name) => name.startsWith('kneepoint-mysql-'))
        .map((name) => join(folder, name)),
    kneepoint(args, env = {}) {
      const child = spawn(process.execPath, ['src/cli.ts', ...args], {
        cwd: root,
        env: {
          ...usual,
          TMPDIR: folder,
          PATH: [bin, dirname(process.execPath), process.env.PATH].join(delimiter),
          // These tests are about servers without Docker.
          KNEEPOINT_SKIP_DOCKER: '1',
          ...env,
        },
      });
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (text) => {
        stdout += text;
      });
      child.stderr.on('data', (text) => {
        stderr += text;
      });
      const ended = new Promise<Ended>((resolve) => {
        child.once('close', (code) => resolve({ code, stdout, stderr }));
      });
      return { process: child, said: () => `${stdout}${stderr}`, ended };
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}
