import { expect, test } from 'vitest';
import type { Sighting } from './observed.ts';
import { createWaits } from './waits.ts';

type Asked = { atMs: number; body?: string; headers?: Record<string, string>; hintMs?: number };

/** An embeddings request, refused with a hint where one is given. Answers take 10 ms. */
const asked = ({ atMs, body = 'one', headers = {}, hintMs }: Asked): Sighting => ({
  service: 'openai',
  method: 'POST',
  path: '/v1/embeddings',
  headers,
  bytes: Buffer.from(body),
  answer: {
    status: hintMs === undefined ? 200 : 429,
    body: '',
    delayMs: 10,
    about: { run: 'a', kind: 'embeddings', ...(hintMs === undefined ? {} : { hintMs }) },
  },
  nowMs: atMs,
  ownMs: 0,
});
const countsOf = (all: Asked[], speed = 1) => {
  const waits = createWaits();
  for (const one of all) waits.add(asked(one), speed);
  return waits.counts();
};
const none = { obeyed: 0, early: 0, meanEarlyMs: 0, mostEarlyMs: 0, unknown: 0, pending: 0 };

test('the wait begins with the answer', () => {
  expect(countsOf([{ atMs: 0, hintMs: 100 }])).toEqual({ ...none, pending: 1 });
  expect(countsOf([{ atMs: 0, hintMs: 100 }, { atMs: 110 }])).toEqual({ ...none, obeyed: 1 });
  expect(countsOf([{ atMs: 0, hintMs: 100 }, { atMs: 109 }])).toEqual({ ...none, obeyed: 1 });
  expect(countsOf([{ atMs: 0, hintMs: 100 }, { atMs: 50 }])).toEqual({
    ...none,
    early: 1,
    meanEarlyMs: 60,
    mostEarlyMs: 60,
  });
});

test('hints are virtual, and so is how early', () => {
  const all = [{ atMs: 0, hintMs: 1_000 }, { atMs: 60 }];
  expect(countsOf(all, 10)).toMatchObject({ early: 1, mostEarlyMs: 500 });
});

test('each refusal on the way is judged', () => {
  const all = [{ atMs: 0, hintMs: 100 }, { atMs: 60, hintMs: 100 }, { atMs: 500 }];
  expect(countsOf(all)).toMatchObject({ early: 1, obeyed: 1, pending: 0, meanEarlyMs: 50 });
});

test('another batch is no retry', () => {
  expect(
    countsOf([
      { atMs: 0, hintMs: 100 },
      { atMs: 20, body: 'two' },
    ]),
  ).toMatchObject({
    early: 0,
    pending: 1,
  });
});

test('a record says which batch it is, whatever the body', () => {
  const headers = { 'x-kneepoint-record': '7' };
  expect(
    countsOf([
      { atMs: 0, hintMs: 100, headers },
      { atMs: 20, body: 'two', headers },
    ]),
  ).toMatchObject({ early: 1, pending: 0 });
});

test('a retry by its own word answers the only open refusal, else it is unknown', () => {
  const retry = { atMs: 200, body: 'serialized anew', headers: { 'x-stainless-retry-count': '1' } };
  expect(countsOf([{ atMs: 0, hintMs: 100 }, retry])).toMatchObject({ obeyed: 1, pending: 0 });
  const other = { atMs: 0, hintMs: 100, body: 'two' };
  expect(countsOf([{ atMs: 0, hintMs: 100 }, other, retry])).toMatchObject({
    obeyed: 0,
    unknown: 1,
    pending: 1,
  });
});

test('open refusals are bounded', () => {
  const all = Array.from({ length: 1_500 }, (_, at) => ({ atMs: at, hintMs: 100, body: `${at}` }));
  expect(countsOf(all)).toMatchObject({ unknown: 500, pending: 1_000 });
});
