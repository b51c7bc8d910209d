import { type About, requestKinds } from './endpoint.ts';
import type { Sighting } from './observed.ts';

/** How clients behaved after they were told to wait. */
export type WaitCounts = {
  /** Came again no sooner than told. */
  obeyed: number;
  /** Came again too soon. */
  early: number;
  /** Virtual milliseconds by which those were early, mean and most; 0 without any. */
  meanEarlyMs: number;
  mostEarlyMs: number;
  /** It can't be told which request was the retry. */
  unknown: number;
  /** Have not come again so far. */
  pending: number;
};

export type Waits = {
  /** `speed`: virtual seconds per real second. */
  add: (sighting: Sighting, speed: number) => void;
  counts: () => WaitCounts;
};

/** Timers round to whole milliseconds of real time. */
const toleranceMs = 1;
/** Refusals that wait for their retry; the oldest beyond is counted as unknown. */
const mostPending = 1_000;
/** Bytes of a body that tell batches apart, with its length: its begin, its end, and as many again evenly from all of it. */
const sampleBytes = { begin: 96, end: 32, between: 128 };

function bodyHash(bytes: Uint8Array): number {
  let hash = 0x811c9dc5 ^ bytes.length;
  const mix = (from: number, to: number, step: number) => {
    for (let at = from; at < to; at += step) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  };
  const { begin, end, between } = sampleBytes;
  mix(0, Math.min(begin, bytes.length), 1);
  mix(begin, bytes.length - end, Math.max(1, Math.floor(bytes.length / between)));
  mix(Math.max(begin, bytes.length - end), bytes.length, 1);
  return hash >>> 0;
}

/** Equal for two requests of the same batch. */
export function batchOf(
  { headers, bytes }: Pick<Sighting, 'headers' | 'bytes'>,
  kind: About['kind'],
): string | number {
  const record = headers['x-kneepoint-record'];
  if (typeof record === 'string') return `${kind} ${record}`;
  return requestKinds.indexOf(kind) * 2 ** 32 + bodyHash(bytes);
}

/**
 * Judges retries of one key. A refusal that told how long to wait is open until the same batch comes
 * again: a request of the same kind with the same `x-kneepoint-record`, or else with a body of the same
 * length that agrees in 256 of its bytes. A request that no open refusal has the batch of, yet says it is a retry
 * (`x-stainless-retry-count` over 0), answers the only open refusal of its kind; with several open it
 * can't be told, and the oldest counts as unknown. The wait counts from when the client has its answer.
 */
export function createWaits(): Waits {
  const open = new Map<string | number, { kind: string; readyMs: number }>();
  let [obeyed, early, earlyMs, mostEarlyMs, unknown] = [0, 0, 0, 0, 0];

  const judge = (batch: string | number, nowMs: number, speed: number) => {
    const leftMs = open.get(batch)!.readyMs - nowMs;
    open.delete(batch);
    if (leftMs <= toleranceMs) {
      obeyed++;
      return;
    }
    early++;
    earlyMs += leftMs * speed;
    mostEarlyMs = Math.max(mostEarlyMs, leftMs * speed);
  };
  const judgeByCount = (kind: string, nowMs: number, speed: number) => {
    const batches = [...open].filter(([, refusal]) => refusal.kind === kind);
    if (batches.length === 1) judge(batches[0]![0], nowMs, speed);
    else if (batches.length > 1) {
      open.delete(batches[0]![0]);
      unknown++;
    }
  };

  return {
    add(sighting, speed) {
      const { answer, headers, nowMs } = sighting;
      const { about } = answer;
      if (!about || (open.size === 0 && about.hintMs === undefined)) return;
      const batch = batchOf(sighting, about.kind);
      if (open.has(batch)) judge(batch, nowMs, speed);
      else if (Number(headers['x-stainless-retry-count']) > 0)
        judgeByCount(about.kind, nowMs, speed);
      if (about.hintMs === undefined) return;
      if (open.size >= mostPending) {
        open.delete(open.keys().next().value!);
        unknown++;
      }
      const readyMs = nowMs + (answer.delayMs ?? 0) + about.hintMs / speed;
      open.set(batch, { kind: about.kind, readyMs });
    },
    counts: () => ({
      obeyed,
      early,
      meanEarlyMs: early ? earlyMs / early : 0,
      mostEarlyMs,
      unknown,
      pending: open.size,
    }),
  };
}
