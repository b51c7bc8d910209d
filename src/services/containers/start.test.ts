import { expect, test } from 'vitest';
import { plainText, reasonIn } from './start.ts';

const frame = (stream: number, text: string): Buffer => {
  const head = Buffer.alloc(8);
  head[0] = stream;
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
};

test('logs are read frame by frame, a damaged end left out', () => {
  const frames = [frame(1, 'één\n'), frame(2, ''), frame(2, 'two'), Buffer.from([1, 0, 0])];
  expect(plainText(Buffer.concat(frames))).toBe('één\ntwo');
  expect(plainText(Buffer.alloc(0))).toBe('');
});

test.each([
  [
    '(HTTP code 500) server error - Get "https://x/v2/": no such host ',
    'Get "https://x/v2/": no such host',
  ],
  ['(HTTP code 404) no such image - pull access denied\nmore', 'pull access denied'],
  ['Failed to build image', 'Failed to build image'],
])('of what Docker says, the reason is kept: %j', (message, reason) => {
  expect(reasonIn(new Error(message))).toBe(reason);
});
