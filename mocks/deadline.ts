/**
 * Runs at an instant of the monotonic clock, within about 0.1 ms. Node's timers count whole
 * milliseconds and fire up to one late, which at ten times speed would be ten virtual ones; so the
 * last stretch is waited for turn by turn of the event loop, which goes on serving others meanwhile.
 */
export function runAt(deadlineMs: number, run: () => void): void {
  const leftMs = deadlineMs - performance.now();
  if (leftMs <= 0.05) run();
  else if (leftMs < 2) setImmediate(runAt, deadlineMs, run);
  // Answers that are still to come must not keep a stopped server alive.
  else setTimeout(runAt, leftMs - 1.5, deadlineMs, run).unref();
}
