import { expect, test } from 'vitest';
import { UsageError } from '../../usage-error.ts';
import { isLoopback, parseAddress } from './address.ts';

test('an address is taken apart, with its escapes undone', () => {
  expect(parseAddress('mysql://us%40er:p%2Fw@db.example.com/my%20data', '--mysql')).toEqual({
    host: 'db.example.com',
    port: 3306,
    user: 'us@er',
    password: 'p/w',
    database: 'my data',
    shown: 'db.example.com:3306/my data',
  });
  expect(parseAddress('mariadb://root@[::1]:3307/lab', '--mysql')).toMatchObject({
    host: '::1',
    port: 3307,
    password: '',
    shown: '[::1]:3307/lab',
  });
});

test.each([
  ['postgres://user:secret@host/data', /^--mysql: no address such as mysql:/],
  ['mysql://user:secret@host', /^--mysql: name the database: mysql:\/\/…@host:3306\/database$/],
  [
    'mysql://root:secret100%@host/data',
    /^--mysql: a % that is part of a name or password must be written as %25 in the address$/,
  ],
  ['mysql:secret', /^--mysql: .*no address such as/],
  ['linear', /^--mysql: "linear" is no address such as .*; a LAB goes before the option$/],
])('%s is refused in one line', (url, message) => {
  let error: unknown;
  try {
    parseAddress(url, '--mysql');
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(UsageError);
  expect((error as Error).message).toMatch(message);
  if (url.includes('@')) expect((error as Error).message).not.toContain('secret');
});

test('loopback is this machine and nothing that looks like it', () => {
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1'])
    expect(isLoopback({ host }), host).toBe(true);
  for (const host of ['127.0.0.1.example.com', '10.0.0.1', '0.0.0.0', 'mysql'])
    expect(isLoopback({ host }), host).toBe(false);
});
