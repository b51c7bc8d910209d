import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, realpath } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { versionIn } from './connect.ts';

/** A database server's program. */
export type ServerBinary = {
  path: string;
  /** What it was found as: `mysqld` may be a MariaDB. */
  name: string;
  /** `MySQL 8.0.15`, `MariaDB 10.11.19`. */
  version: string;
};

type Env = Record<string, string | undefined>;

// Debian keeps servers where only root looks.
const usualFolders = ['/usr/sbin', '/usr/local/sbin', '/usr/libexec'];

const isExecutable = (path: string) =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

/** The path of a program on PATH or where servers usually are, in the order of the names. */
export async function programOf(names: string[], env: Env): Promise<string | undefined> {
  const folders = [...(env.PATH ?? '').split(delimiter).filter(Boolean), ...usualFolders];
  for (const name of names)
    for (const folder of folders) {
      const path = join(folder, name);
      if (await isExecutable(path)) return path;
    }
  return undefined;
}

/** Looks at a server's program. Rejects where it can't be run. */
export async function lookAt(path: string): Promise<ServerBinary> {
  const { stdout } = await promisify(execFile)(path, ['--no-defaults', '--version'], {
    timeout: 20_000,
  });
  return { path, name: path.split('/').at(-1)!, version: versionIn(stdout) };
}

/** `mysqld` or `mariadbd` on this machine, or why there is none to use. */
export async function findBinary(env: Env): Promise<ServerBinary | { reason: string }> {
  const path = await programOf(['mysqld', 'mariadbd'], env);
  if (!path) return { reason: 'neither is on PATH' };
  try {
    return await lookAt(path);
  } catch (error) {
    return { reason: `${path} does not run: ${(error as Error).message.split('\n')[0]}` };
  }
}

/** Whether it is a MariaDB, which is set up by a script and knows other options. */
export const isMariadb = ({ version }: ServerBinary): boolean => version.startsWith('MariaDB');

/** The script that sets up a MariaDB's data directory: beside the server, beside it in `scripts`, or on PATH. */
export async function mariadbSetup({ path }: ServerBinary, env: Env): Promise<string | undefined> {
  const bin = dirname(await realpath(path));
  const beside = [bin, join(bin, '..', 'bin'), join(bin, '..', 'scripts')].join(delimiter);
  return programOf(['mariadb-install-db', 'mysql_install_db'], {
    PATH: `${beside}${delimiter}${env.PATH ?? ''}`,
  });
}
