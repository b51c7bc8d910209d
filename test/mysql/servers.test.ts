import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { MissingPartError } from '../../src/services/missing-part.ts';
import { findBinary } from '../../src/services/mysql/binary.ts';
import { connect, withConnection } from '../../src/services/mysql/connect.ts';
import { findMysql } from '../../src/services/mysql/find.ts';
import { givenServer } from '../../src/services/mysql/given-server.ts';
import { startOwnServer } from '../../src/services/mysql/own-server.ts';
import type { MysqlServer } from '../../src/services/mysql/server.ts';
import { mysqldIn, until } from './own-folders.ts';

const binaries = inject('mysqlBinaries');
const env = process.env;
const say = () => {};

const foldersIn = (folder: string) =>
  readdirSync(folder).filter((name) => name.startsWith('kneepoint-mysql-'));

describe.each(binaries)('$version', (binary) => {
  let folder: string;
  let usualTmpdir: string | undefined;
  let server: MysqlServer;
  beforeAll(async () => {
    usualTmpdir = process.env.TMPDIR;
    folder = mkdtempSync(join(tmpdir(), 'kp-servers-'));
    process.env.TMPDIR = folder;
    server = await startOwnServer({ binary, env });
  });
  afterAll(async () => {
    await server.close();
    if (usualTmpdir === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = usualTmpdir;
    rmSync(folder, { recursive: true, force: true });
  });

  test('tells its version, and lets nobody in without the password', async () => {
    expect(server.version).toBe(binary.version);
    expect(server.kind).toBe('process');
    const { port } = new URL(server.url);
    for (const user of ['root', 'kneepoint', ''])
      await expect(connect(`mysql://${user}@127.0.0.1:${port}/kneepoint`)).rejects.toThrow(
        /denied/,
      );
  });

  test('listens on loopback only', async () => {
    const { port } = new URL(server.url);
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((one) => one?.family === 'IPv4' && !one.internal);
    if (outside)
      await expect(connect(server.url.replace('127.0.0.1', outside.address))).rejects.toThrow(
        `ECONNREFUSED ${outside.address}:${port}`,
      );
  });

  test('a given address is used, and told without its password', async () => {
    const lines: string[] = [];
    const option = { env: {}, say: (line: string) => void lines.push(line) };
    const found = await findMysql({ flag: server.url, ...option });
    expect(found).toMatchObject({ url: server.url, kind: 'given', version: binary.version });
    const fromEnv = await findMysql({ ...option, flag: true, env: { MYSQL_URL: server.url } });
    expect(fromEnv).toMatchObject({ url: server.url, kind: 'given' });
    expect(lines.join()).toContain(`${binary.version} at 127.0.0.1:`);
    expect(lines.join()).not.toContain(new URL(server.url).password);
    // Not ours, so it survives.
    await found.close();
    await found.ensure();
  });

  test('a wrong password and a missing database are one clear line each', async () => {
    const wrong = server.url.replace(/:[^:@]*@/, ':not-the-password@');
    const refused = await findMysql({ flag: wrong, env, say }).catch((error: Error) => error);
    expect(refused).toBeInstanceOf(MissingPartError);
    expect(String(refused)).toMatch(/--mysql: 127\.0\.0\.1:\d+\/kneepoint: Access denied/);
    expect(String(refused)).not.toContain('not-the-password');
    await expect(
      findMysql({ flag: server.url.replace(/kneepoint$/, 'nowhere'), env, say }),
    ).rejects.toThrow(/nowhere/);
  });

  test('is restarted with its data when it was killed', async () => {
    await withConnection(server.url, async (connection) => {
      await connection.query('CREATE TABLE kept (id INT PRIMARY KEY)');
      await connection.query('INSERT INTO kept VALUES (7)');
    });
    const [name] = foldersIn(folder);
    const pid = mysqldIn(join(folder, name!)).pid;
    process.kill(pid, 'SIGKILL');
    await until(() => !existsSync(`/proc/${pid}`));
    await server.ensure();
    const [rows] = await withConnection(server.url, (connection) =>
      connection.query('SELECT id FROM kept'),
    );
    expect(rows).toEqual([{ id: 7 }]);
    await server.ensure();
  });

  test('a given server that stops answering is waited for, and then told in one line', async () => {
    const lines: string[] = [];
    const given = (patienceMs: number) =>
      givenServer(server.url, '--mysql-url', { say: (line) => void lines.push(line), patienceMs });
    const [impatient, patient] = [await given(300), await given(60_000)];
    const { pid } = mysqldIn(join(folder, foldersIn(folder)[0]!));
    process.kill(pid, 'SIGKILL');
    await until(() => !existsSync(`/proc/${pid}`));
    await expect(impatient.ensure()).rejects.toThrow(
      /^--mysql-url: 127\.0\.0\.1:\d+\/kneepoint: .*ECONNREFUSED/,
    );
    const waiting = patient.ensure();
    await server.ensure();
    await waiting;
    expect(lines).toEqual([
      expect.stringMatching(/does not answer; waiting up to 0 s for it$/),
      expect.stringMatching(/does not answer; waiting up to 60 s for it$/),
    ]);
  });

  test('leaves nothing behind when it is closed, also twice', async () => {
    const other = await startOwnServer({ binary, env });
    expect(foldersIn(folder)).toHaveLength(2);
    await Promise.all([other.close(), other.close()]);
    await other.close();
    expect(foldersIn(folder)).toHaveLength(1);
    await expect(connect(other.url)).rejects.toThrow('ECONNREFUSED');
  });

  test('stops starting when it is told to', async () => {
    const stop = new AbortController();
    const starting = startOwnServer({ binary, env, signal: stop.signal });
    setTimeout(() => stop.abort(), 300);
    await expect(starting).rejects.toThrow('abort');
    expect(foldersIn(folder)).toHaveLength(1);
  });

  test('is found on PATH as mysqld, whatever it calls itself, after Docker', async () => {
    const bin = join(folder, 'bin');
    mkdirSync(bin, { recursive: true });
    rmSync(join(bin, 'mysqld'), { force: true });
    symlinkSync(binary.path, join(bin, 'mysqld'));
    expect(await findBinary({ PATH: bin })).toMatchObject({
      path: join(bin, 'mysqld'),
      version: binary.version,
    });
    const lines: string[] = [];
    const found = await findMysql({
      flag: true,
      env: { PATH: bin, KNEEPOINT_SKIP_DOCKER: '1', MYSQL_URL: 'mysql://a:b@db.example.com/shop' },
      say: (line) => void lines.push(line),
    });
    try {
      expect(found).toMatchObject({ kind: 'process', version: binary.version });
      expect(lines).toEqual([
        expect.stringContaining('MYSQL_URL leads to db.example.com'),
        `starting ${binary.version} by mysqld on this machine`,
        `${binary.version} by mysqld on this machine`,
      ]);
    } finally {
      await found.close();
    }
  });

  test('says the last line of its log where it cannot start', async () => {
    // A folder that no server can use: the path of its socket is too long.
    const usual = process.env.TMPDIR!;
    process.env.TMPDIR = join(usual, 'x'.repeat(120));
    mkdirSync(process.env.TMPDIR, { recursive: true });
    try {
      const error = await startOwnServer({ binary, env }).catch((reason: Error) => reason);
      expect(error).toBeInstanceOf(MissingPartError);
      expect(String(error)).toMatch(/did not start \(\d+\): .*socket/);
      expect(foldersIn(process.env.TMPDIR)).toEqual([]);
    } finally {
      process.env.TMPDIR = usual;
    }
  });
});
