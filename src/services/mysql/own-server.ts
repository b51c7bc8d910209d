import { randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MissingPartError } from '../missing-part.ts';
import { isMariadb, mariadbSetup, type ServerBinary } from './binary.ts';
import { databaseProblem, versionAt } from './connect.ts';
import { type Ended, keepIn } from './kept-program.ts';
import type { MysqlServer } from './server.ts';

type OwnServerOptions = {
  binary: ServerBinary;
  env: Record<string, string | undefined>;
  signal?: AbortSignal | undefined;
};

/** A slow disk may need this long to set up or to recover. */
const startTimeoutMs = 120_000;

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** The server's last complaint, or its last line where it has none. */
async function lastWords(folder: string): Promise<string> {
  const log = await readFile(join(folder, 'log'), 'utf8').catch(() => '');
  const lines = log.split('\n').filter((line) => line.trim() !== '');
  const line = lines.findLast((text) => /\bERROR\b/i.test(text) && !/Aborting/.test(text));
  return (line ?? lines.at(-1) ?? 'it said nothing').trim().slice(0, 300);
}

/**
 * Runs a MySQL or MariaDB of our own until `close`: in a folder of its own under the system's
 * temporary one, on a free port of 127.0.0.1, with a random password. It ends with this process,
 * even where that is killed. Rejects with MissingPartError, with the last complaint of its log, where
 * it does not start.
 */
export async function startOwnServer(options: OwnServerOptions): Promise<MysqlServer> {
  const { binary, env, signal } = options;
  signal?.throwIfAborted();
  // Short names: a socket's path may have no more than about a hundred characters.
  const folder = mkdtempSync(join(tmpdir(), 'kneepoint-mysql-'));
  const program = keepIn(folder);
  const port = await freePort();
  const password = randomBytes(18).toString('base64url');
  const url = `mysql://kneepoint:${password}@127.0.0.1:${port}/kneepoint`;
  const data = join(folder, 'data');
  const mariadb = isMariadb(binary);
  // A server refuses to run as root unless told so.
  const user = process.getuid?.() === 0 ? [`--user=${userInfo().username}`] : [];

  const failed = async (problem: string): Promise<never> => {
    const said = await lastWords(folder);
    await program.close();
    signal?.throwIfAborted();
    throw new MissingPartError(`${binary.version} (${binary.path}) ${problem}: ${said}`, [
      'give a server with --mysql mysql://user:password@127.0.0.1:3306/database',
      'start Docker',
    ]);
  };
  const abort = () => void program.close();
  signal?.addEventListener('abort', abort, { once: true });

  const setUp = async (): Promise<void> => {
    const script = mariadb ? await mariadbSetup(binary, env) : undefined;
    if (mariadb && !script) await failed('has no mariadb-install-db beside it');
    const command = script
      ? [
          script,
          '--no-defaults',
          `--datadir=${data}`,
          '--auth-root-authentication-method=normal',
          '--skip-test-db',
          ...user,
        ]
      : [binary.path, '--no-defaults', '--initialize-insecure', `--datadir=${data}`, ...user];
    const ended = await program.run(command).ended;
    if (ended !== 0) await failed(`could not set up its data directory (${ended})`);
    // Run at every start, one statement a line. Nobody needs root, so nobody knows its password.
    const unknown = randomBytes(18).toString('base64url');
    const statements = [
      'CREATE DATABASE IF NOT EXISTS kneepoint;',
      `CREATE USER IF NOT EXISTS 'kneepoint'@'127.0.0.1' IDENTIFIED BY '${password}';`,
      "GRANT ALL ON kneepoint.* TO 'kneepoint'@'127.0.0.1';",
      // To see what the connections of a pipeline are doing.
      "GRANT PROCESS ON *.* TO 'kneepoint'@'127.0.0.1';",
      `ALTER USER 'root'@'localhost' IDENTIFIED BY '${unknown}';`,
      // MariaDB's set-up makes these without a password.
      "DROP USER IF EXISTS ''@'localhost', 'root'@'127.0.0.1', 'root'@'::1';",
      `DROP USER IF EXISTS ''@'${hostname()}', 'root'@'${hostname()}';`,
    ];
    writeFileSync(join(folder, 'init.sql'), `${statements.join('\n')}\n`, { mode: 0o600 });
  };

  const serve = () =>
    program.run([
      binary.path,
      '--no-defaults',
      `--datadir=${data}`,
      `--init-file=${join(folder, 'init.sql')}`,
      '--bind-address=127.0.0.1',
      `--port=${port}`,
      // Others on this machine clear the files of their kind out of a shared one when they start.
      `--tmpdir=${folder}`,
      `--socket=${join(folder, 's')}`,
      `--pid-file=${join(folder, 'pid')}`,
      '--skip-log-bin',
      '--skip-name-resolve',
      '--max-connections=500',
      '--innodb-buffer-pool-size=64M',
      // What a crash of the whole machine may lose was made for a test.
      '--innodb-flush-log-at-trx-commit=2',
      ...(mariadb ? [] : ['--mysqlx=OFF']),
      ...user,
    ]).ended;

  let ended: Ended | undefined;
  let version = '';
  const start = async (): Promise<void> => {
    ended = undefined;
    void serve().then((how) => {
      ended = how;
    });
    if (!(await answers())) await failed(`did not start (${ended})`);
  };
  /** Waits until it answers; false where it ends before that. */
  const answers = async (): Promise<boolean> => {
    const deadlineMs = performance.now() + startTimeoutMs;
    for (let last: unknown; ; await sleep(100)) {
      if (ended !== undefined) return false;
      try {
        version = await versionAt(url);
        return true;
      } catch (error) {
        last = error;
      }
      if (performance.now() > deadlineMs)
        await failed(`gave no answer in ${startTimeoutMs / 1_000} s (${databaseProblem(last)})`);
    }
  };

  let closed = false;
  try {
    await setUp();
    await start();
  } finally {
    signal?.removeEventListener('abort', abort);
  }
  return {
    url,
    kind: 'process',
    version,
    async ensure() {
      if (closed) throw new Error('the server is closed');
      if (!(await answers())) await start();
    },
    async close() {
      closed = true;
      await program.close();
    },
  };
}
