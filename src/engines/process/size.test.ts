import { expect, test } from 'vitest';
import { UsageError } from '../../usage-error.ts';
import { parseSize } from './size.ts';

test.each([
  ['512m', 512],
  ['8g', 8192],
  ['1.5g', 1536],
  [' 2GiB ', 2048],
  ['2GB', 2048],
  ['1t', 1_048_576],
])('%s is %d MiB', (text, megabytes) => {
  expect(parseSize(text)).toBe(megabytes);
});

test.each(['', '8', 'g', '-1g', '0g', '0.5m', '8x', '1e3m', '8 gigabytes'])(
  '"%s" is refused by name',
  (text) => {
    expect(() => parseSize(text)).toThrow(UsageError);
    expect(() => parseSize(text, '--cap')).toThrow(`--cap: "${text}" is no size`);
  },
);
