import type { Run } from '../runs.ts';
import type { OpenSource, RecordSource } from './source.ts';

/** Reads that failed, and the first one's reason in one line. */
export type SourceFailures = { reads: number; reason: string };

/** The sources of all runs: each has a pool of connections of its own, as a pipeline would. */
export type Sources = {
  of: (run: Run) => RecordSource;
  /** Counts a read that failed, and says why in one line. */
  failed: (error: unknown) => string;
  /** Closes all, and says what failed since the last time. */
  end: () => Promise<SourceFailures | undefined>;
};

export function createSources(open: OpenSource): Sources {
  let sources = new Map<Run, RecordSource>();
  let failures: SourceFailures | undefined;
  return {
    of(run) {
      const known = sources.get(run);
      if (known) return known;
      const { lab, speed } = run;
      const source = open({
        poolSize: lab.mysql.poolSize,
        workers: Math.max(...lab.workers),
        leastHeldMs: lab.worker.readMs / speed,
      });
      sources.set(run, source);
      return source;
    },
    failed(error) {
      const reason = `MySQL: ${(error as Error).message.split('\n')[0]}`;
      failures ??= { reads: 0, reason };
      failures.reads++;
      return reason;
    },
    async end() {
      const [ended, told] = [[...sources.values()], failures];
      sources = new Map();
      failures = undefined;
      await Promise.all(ended.map((source) => source.close()));
      return told;
    },
  };
}
