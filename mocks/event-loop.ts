import type { Harness } from '../src/model/sweep.ts';

/** How late the event loop of this process is, over any stretch of the recent past. */
export type EventLoopWatch = {
  /** Between two instants of the monotonic clock, in milliseconds. */
  between: (fromMs: number, toMs: number) => Harness['eventLoopDelayMs'];
  close: () => void;
};

/** Milliseconds between two looks. A block is seen to be shorter than it is by so much at most. */
const everyMs = 10;
/** Node's timers count whole milliseconds and fire up to one late without any load. */
const usualMs = 1.2;
/** Blocks that are remembered: hours of a quiet process, minutes of one that is always late. */
const mostBlocks = 65_536;

/**
 * What a request would have waited that came at any instant of `spanMs`, when the loop was blocked for
 * so many milliseconds at a time. Counting blocks instead would make one of a second weigh as much as
 * one of a millisecond, although a thousand times as many requests meet it.
 */
export function waitsFor(blocksMs: number[], spanMs: number): Harness['eventLoopDelayMs'] {
  const longest = [...blocksMs].sort((a, b) => b - a);
  const quantile = (share: number) => {
    // Longer than x waits who comes in a block's begin: the sum of what blocks have over x.
    const most = (1 - share) * spanMs;
    let over = 0;
    for (const [at, block] of longest.entries()) {
      const next = longest[at + 1] ?? 0;
      const count = at + 1;
      if (over + count * (block - next) > most) return block - (most - over) / count;
      over += count * (block - next);
    }
    return 0;
  };
  const rounded = (ms: number) => Number(ms.toFixed(3));
  const squares = blocksMs.reduce((sum, ms) => sum + ms * ms, 0);
  return {
    mean: spanMs > 0 ? rounded(squares / 2 / spanMs) : 0,
    p50: rounded(quantile(0.5)),
    p95: rounded(quantile(0.95)),
    p99: rounded(quantile(0.99)),
  };
}

export function watchEventLoop(): EventLoopWatch {
  const endedMs = new Float64Array(mostBlocks);
  const lastedMs = new Float64Array(mostBlocks);
  let blocks = 0;
  let seenMs = performance.now();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const lateMs = nowMs - seenMs - everyMs;
    seenMs = nowMs;
    if (lateMs <= usualMs) return;
    endedMs[blocks % mostBlocks] = nowMs;
    lastedMs[blocks % mostBlocks] = lateMs;
    blocks++;
  }, everyMs);
  timer.unref();
  return {
    between(fromMs, toMs) {
      const within: number[] = [];
      for (let at = Math.max(0, blocks - mostBlocks); at < blocks; at++) {
        const end = endedMs[at % mostBlocks]!;
        const begin = end - lastedMs[at % mostBlocks]!;
        const shared = Math.min(end, toMs) - Math.max(begin, fromMs);
        if (shared > 0) within.push(shared);
      }
      return waitsFor(within, toMs - fromMs);
    },
    close: () => clearInterval(timer),
  };
}
