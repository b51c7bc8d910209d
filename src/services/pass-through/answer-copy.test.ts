import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { createErrorCopy, createUsageCopy } from './answer-copy.ts';

const encoders: [string, (bytes: Buffer) => Buffer][] = [
  ['', (bytes) => bytes],
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
];

const inParts = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  );

/** An answer of a megabyte, as the provider writes it: indented, with `usage` at the end. */
const answer = (usage: object | undefined, first = false) => {
  const data = Array.from({ length: 100 }, (_, index) => ({
    object: 'embedding',
    index,
    embedding: Buffer.alloc(8_192, index).toString('base64'),
  }));
  const body = first ? { usage, data } : { object: 'list', data, model: 'm', usage };
  return Buffer.from(JSON.stringify(body, null, 2));
};

const tokensIn = async (bytes: Buffer, encoding: string, partSize = 10_000) => {
  const copy = createUsageCopy(encoding);
  for (const part of inParts(bytes, partSize)) copy.add(part);
  return copy.tokens();
};

describe.each(encoders)('encoding "%s"', (encoding, encode) => {
  test('billed tokens are found behind a megabyte of vectors, or before it', async () => {
    const usage = { prompt_tokens: 24, total_tokens: 4_711 };
    expect(await tokensIn(encode(answer(usage)), encoding)).toBe(4_711);
    expect(await tokensIn(encode(answer(usage, true)), encoding)).toBe(4_711);
    expect(await tokensIn(encode(Buffer.from(JSON.stringify({ usage }))), encoding, 3)).toBe(4_711);
  });

  test('where there are none, there are none', async () => {
    expect(await tokensIn(encode(answer(undefined)), encoding)).toBeUndefined();
    expect(await tokensIn(Buffer.alloc(0), encoding)).toBeUndefined();
  });

  test('an error is read, and so is the begin of a long one', () => {
    const copy = createErrorCopy(encoding);
    for (const part of inParts(encode(Buffer.from('{"error":"no"}')), 5)) copy.add(part);
    expect(copy.text()).toBe('{"error":"no"}');
    const long = createErrorCopy('');
    for (const part of inParts(Buffer.alloc(1_000_000, 'x'), 10_000)) long.add(part);
    expect(long.text()).toHaveLength(64 * 1_024);
  });
});

test.each(['gzip', 'br', 'zstd', 'deflate'])(
  'damaged %s is no reason to fall over',
  async (encoding) => {
    const damaged = Buffer.alloc(50_000, 'not compressed at all');
    expect(await tokensIn(damaged, encoding)).toBeUndefined();
    const copy = createErrorCopy(encoding);
    copy.add(damaged);
    expect(copy.text()).not.toContain('error');
  },
);

test('half of a compressed answer has no tokens, and an unknown encoding neither', async () => {
  const whole = gzipSync(answer({ total_tokens: 7 }));
  expect(await tokensIn(whole.subarray(0, whole.length / 2), 'gzip')).toBeUndefined();
  expect(await tokensIn(whole, 'gzip, br')).toBeUndefined();
});
