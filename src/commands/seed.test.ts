import { afterEach, expect, test, vi } from 'vitest';
import { UsageError } from '../usage-error.ts';
import { recordsFrom, seed } from './seed.ts';

afterEach(() => vi.unstubAllEnvs());

test.each([
  [undefined, /^--mysql-url: give mysql:/],
  ['mysql://root:secret@db.example.com/shop', /^--mysql-url: MYSQL_URL leads to db\.example\.com/],
  ['nonsense', /^MYSQL_URL: .*no address such as/],
])('MYSQL_URL %s is no place to write to', async (url, message) => {
  vi.stubEnv('MYSQL_URL', url);
  const error = await seed('linear', {}).catch((reason: Error) => reason);
  expect(error).toBeInstanceOf(UsageError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toContain('secret');
});

test('records are a whole number, or the usual ones', () => {
  expect(recordsFrom(undefined, 100)).toBe(100);
  expect(recordsFrom('5', 100)).toBe(5);
  for (const text of ['0', '-1', '1.5', 'many', ' ', '', '1e12'])
    expect(() => recordsFrom(text, 100), text).toThrow(/^--records: must be a whole number/);
});
