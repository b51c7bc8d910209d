import {
  type Call,
  checkOrdering,
  collectionOf,
  isWaiting,
  type Outcome,
  timeoutOf,
} from './call.ts';
import type { Collection } from './store.ts';
import { checkStrict, type Strict, takeRate } from './strict-mode.ts';

/** What a change has done. Times are virtual microseconds from the request on. */
export type Applied = {
  operation: number;
  acknowledgedUs: number;
  appliedUs: number;
  /** Points written. */
  points: number;
};

/** A change of a collection's points, read from a body and not yet made. */
export type Change = {
  strict: Strict;
  /** Tokens of the write rate limit. */
  cost: (collection: Collection) => number;
  /** Throws where the collection has no place for it. */
  check: (collection: Collection) => void;
  apply: (call: Call, collection: Collection) => Applied;
};

/** A change that is made at once: only upserts take time in the lab's model. */
export const atOnce = (operation: number): Applied => ({
  operation,
  acknowledgedUs: 0,
  appliedUs: 0,
  points: 0,
});

const statusOf = (call: Call, { acknowledgedUs, appliedUs }: Applied) => {
  if (!isWaiting(call)) return { status: 'acknowledged', afterUs: acknowledgedUs };
  const timeout = timeoutOf(call);
  const mostUs = timeout === undefined ? Infinity : timeout * 1e6;
  return appliedUs > mostUs
    ? { status: 'wait_timeout', afterUs: mostUs }
    : { status: 'completed', afterUs: appliedUs };
};

/**
 * Makes the changes one after another, up to the first that fails; those before it stay made. Strict
 * mode looks at all of them first. Answers each one's own result.
 */
const makeAll = (call: Call, changes: readonly Change[]) => {
  checkOrdering(call);
  isWaiting(call);
  const collection = collectionOf(call);
  for (const { strict } of changes) checkStrict(call, collection, 'update', strict);
  const results: string[] = [];
  let [afterUs, points] = [0, 0];
  for (const { cost, check, apply } of changes) {
    check(collection);
    takeRate(call, collection, 'write', collection.rates.write ? Math.max(1, cost(collection)) : 1);
    const applied = apply(call, collection);
    const done = statusOf(call, applied);
    results.push(`{"operation_id":${applied.operation},"status":"${done.status}"}`);
    afterUs = Math.max(afterUs, done.afterUs);
    points += applied.points;
  }
  const delay = afterUs > 0 ? { delayMs: afterUs / 1_000 / call.run.speed } : {};
  return { results, outcome: { ...delay, ...(points > 0 ? { points } : {}) } };
};

export const makeChange = (call: Call, change: Change): Outcome => {
  const { results, outcome } = makeAll(call, [change]);
  return { result: results[0]!, ...outcome };
};

export const makeChanges = (call: Call, changes: readonly Change[]): Outcome => {
  const { results, outcome } = makeAll(call, changes);
  return { result: `[${results.join(',')}]`, ...outcome };
};
