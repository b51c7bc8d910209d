/** Ctrl-C, a polite end and a closed terminal: for every command that has something to tidy up. */
const signalNames = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Exit code of a command that was stopped. */
export const interrupted = 130;

/** Ctrl-C under npm arrives twice, from the terminal and from npm: nobody presses it that fast. */
const sameMs = 500;

export type Stop = { signal: AbortSignal; close: () => void };

/**
 * `signal` is aborted by the first of those signals. A second one ends this process at once, and what
 * listens to its exit kills what it has started. `close` gives the signals back.
 */
export function untilStopped(onFirst: (name: NodeJS.Signals) => void = () => {}): Stop {
  const stop = new AbortController();
  let firstMs = Number.NaN;
  const onSignal = (name: NodeJS.Signals) => {
    if (stop.signal.aborted) {
      if (performance.now() - firstMs > sameMs) process.exit(interrupted);
      return;
    }
    firstMs = performance.now();
    // A terminal that is closed takes no words any more, and that must not stop the tidying up.
    if (name === 'SIGHUP')
      for (const out of [process.stdout, process.stderr]) out.on('error', () => {});
    stop.abort();
    onFirst(name);
  };
  for (const name of signalNames) process.on(name, onSignal);
  return {
    signal: stop.signal,
    close() {
      for (const name of signalNames) process.removeListener(name, onSignal);
    },
  };
}
