import { expect, test } from 'vitest';
import { parseDuration } from './duration.ts';

test.each([
  ['90s', 90_000],
  ['90', 90_000],
  ['1.5h', 5_400_000],
  ['1h30m', 5_400_000],
  [' 1h 30m ', 5_400_000],
  ['2d', 172_800_000],
  ['1d12h', 129_600_000],
  ['250ms', 250],
])('%s is %i ms', (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});

test.each(['', 'soon', '0s', '-1h', '30m1h', '1h1h', '1w', '1..5h', '1.2.3'])(
  '"%s" is refused with the option and what would do',
  (text) => {
    expect(() => parseDuration(text, '--deadline')).toThrow(
      `--deadline: must be a time such as 90s, 1h30m or 2d, got "${text}"`,
    );
  },
);
