import { expect, test } from 'vitest';
import { readPoints } from './bodies.ts';
import { createLedger } from './ledger.ts';
import { scanUpsert } from './scan.ts';
import {
  checkRoom,
  createCollection,
  createStore,
  deletePoints,
  type NewPoint,
  setPayload,
  upsertPoints,
  vectorOf,
} from './store.ts';

const dimensions = 16;
const space = { size: dimensions, distance: 'Cosine' } as const;

const open = (maxBytes = 1e6) => {
  const ledger = createLedger(maxBytes);
  const store = createStore(ledger);
  const collection = createCollection(new Map([['', space]]));
  store.collections.set('c', collection);
  return { ledger, store, collection };
};

const bodyOf = (ids: readonly number[]) => {
  const vector = Array.from({ length: dimensions }, (_, at) => Math.sin(at + 1));
  return { points: ids.map((id) => ({ id, vector, payload: { text: 'some text' } })) };
};
const textOf = (ids: readonly number[]): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(bodyOf(ids)));

/** Both ways an upsert is read. */
const ways: [string, (ids: readonly number[]) => NewPoint[]][] = [
  ['from bytes', (ids) => scanUpsert(textOf(ids))!],
  ['by JSON.parse', (ids) => readPoints(bodyOf(ids))],
];

const payloadBytes = JSON.stringify({ text: 'some text' }).length;

test.each(ways)('points read %s are charged and given back', (_, read) => {
  const { ledger, store, collection } = open();
  upsertPoints(collection, read([1, 2]));
  const two = ledger.usedBytes;
  expect(two).toBeGreaterThan(2 * (dimensions * 4 + payloadBytes));
  upsertPoints(collection, read([1, 2]));
  expect(ledger.usedBytes).toBe(two);
  upsertPoints(collection, read([3, 3]));
  deletePoints(collection, [3, 4]);
  expect(ledger.usedBytes).toBe(two);
  deletePoints(collection, [1, 2]);
  expect(ledger.usedBytes).toBe(0);
  upsertPoints(collection, read([1, 2]));
  expect(store.collections.delete('c')).toBe(true);
  expect(ledger.usedBytes).toBe(0);
});

test('a body is charged as long as a vector has to be read from it, its numbers after that', () => {
  const { ledger, collection } = open();
  const { length } = textOf([1, 2]);
  upsertPoints(collection, scanUpsert(textOf([1, 2]))!);
  const both = ledger.usedBytes;
  deletePoints(collection, [2]);
  const rest = ledger.usedBytes - length;
  expect(rest).toBe((both - length) / 2);
  expect(vectorOf(collection.points.get(1)!, '')).toHaveLength(dimensions);
  expect(ledger.usedBytes).toBe(rest + dimensions * 4);
  deletePoints(collection, [1]);
  expect(ledger.usedBytes).toBe(0);
});

test('a vector of a body that is read late is at length 1, like one that is read at once', () => {
  const vectors = ways.map(([, read]) => {
    const { collection } = open();
    upsertPoints(collection, read([1]));
    return vectorOf(collection.points.get(1)!, '')!;
  });
  expect(vectors[0]).toEqual(vectors[1]);
  expect(Math.hypot(...vectors[0]!)).toBeCloseTo(1);
});

test.each(ways)('points read %s that do not fit are refused', (_, read) => {
  const { ledger: one, collection: first } = open();
  upsertPoints(first, read([1, 2]));
  const { ledger, store, collection } = open(one.usedBytes);
  checkRoom(collection, read([1, 2]));
  upsertPoints(collection, read([1, 2]));
  expect(() => checkRoom(collection, read([3]))).toThrow(/^Insufficient storage: .*--max-memory/);
  // What the same ids held is free for them.
  checkRoom(collection, read([2, 1]));
  // Another collection of the store has no room of its own.
  const other = createCollection(new Map([['', space]]));
  store.collections.set('other', other);
  expect(() => checkRoom(other, read([3]))).toThrow(expect.objectContaining({ status: 507 }));
  store.collections.delete('c');
  checkRoom(other, read([3]));
  expect(ledger.usedBytes).toBe(0);
});

test('a new payload is charged in the place of the old one', () => {
  const { ledger, collection } = open();
  upsertPoints(collection, readPoints(bodyOf([1])));
  const before = ledger.usedBytes;
  setPayload(collection, collection.points.get(1)!, { text: 'some text that is longer' });
  expect(ledger.usedBytes).toBeGreaterThan(before);
  deletePoints(collection, [1]);
  expect(ledger.usedBytes).toBe(0);
});
