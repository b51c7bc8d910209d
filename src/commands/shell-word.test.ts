import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { shellWord } from './shell-word.ts';

test('a shell reads back what was written, whatever is in it', () => {
  for (const value of [
    'mysql://kneepoint:aB_-9@127.0.0.1:3306/lab',
    'mysql://us%40er:p"a$s`w\\o!r&d@host/my data',
    "it's",
    "''",
    '$(exit 3)',
    'a\nb',
    '',
    '~',
    '*',
  ])
    expect(
      execFileSync('sh', ['-c', `export VALUE=${shellWord(value)}; printf %s "$VALUE"`], {
        encoding: 'utf8',
      }),
    ).toBe(value);
});

test('plain words stay plain', () => {
  expect(shellWord('http://127.0.0.1:4610/v1')).toBe('http://127.0.0.1:4610/v1');
});
