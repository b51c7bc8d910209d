import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { MissingPartError } from '../missing-part.ts';
import { findBinary } from './binary.ts';
import { versionIn } from './connect.ts';
import { findMysql, givenAddress } from './find.ts';

const say = () => {};

test('a server of another host is used where the flag says so, and not because it is in the environment', () => {
  const lines: string[] = [];
  const env = { MYSQL_URL: 'mysql://root:secret@db.example.com/shop' };
  const options = { env, say: (line: string) => void lines.push(line) };
  expect(givenAddress({ ...options, flag: true })).toBeUndefined();
  expect(lines).toEqual([
    'MYSQL_URL leads to db.example.com, which may be production: it takes --mysql URL to use it',
  ]);
  expect(givenAddress({ ...options, flag: env.MYSQL_URL })).toEqual({
    url: env.MYSQL_URL,
    origin: '--mysql',
  });
  const local = 'mysql://root@127.0.0.1/lab';
  expect(givenAddress({ flag: true, env: { MYSQL_URL: local }, say })).toEqual({
    url: local,
    origin: 'MYSQL_URL',
  });
  expect(givenAddress({ flag: true, env: {}, say })).toBeUndefined();
});

test('nobody at the address is one line, without the password', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  const flag = `mysql://root:secret@127.0.0.1:${port}/lab`;
  const error = await findMysql({ flag, env: {}, say }).catch((reason: Error) => reason);
  expect(error).toBeInstanceOf(MissingPartError);
  expect(String(error)).toContain(`--mysql: 127.0.0.1:${port}/lab: connect ECONNREFUSED`);
  expect(String(error)).not.toContain('secret');
  expect(String(error)).not.toContain('\n');
});

test('something that is no MySQL is one line as well', async () => {
  const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const flag = `mysql://root:secret@127.0.0.1:${port}/lab`;
  const error = await findMysql({ flag, env: {}, say }).catch((reason: Error) => reason);
  server.close();
  expect(error).toBeInstanceOf(MissingPartError);
  expect(String(error)).not.toContain('\n');
});

test('a program that does not run is no server', async () => {
  const found = await findBinary({ PATH: '/nowhere' });
  if ('reason' in found) expect(found.reason).toBe('neither is on PATH');
  else expect(found.version).toMatch(/^(MySQL|MariaDB) \d/);
});

test.each([
  ['8.0.15', 'MySQL 8.0.15'],
  ['9.4.0-commercial', 'MySQL 9.4.0'],
  ['10.11.19-MariaDB-0+deb12u1', 'MariaDB 10.11.19'],
  ['mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu', 'MariaDB 10.11.19'],
  ['/usr/sbin/mysqld  Ver 8.4.3 for Linux on x86_64 (MySQL Community Server - GPL)', 'MySQL 8.4.3'],
])('%s is %s', (text, version) => {
  expect(versionIn(text)).toBe(version);
});
