import type { Harness, Percentiles } from '../src/model/sweep.ts';
import { watchEventLoop } from './event-loop.ts';
import type { Observations } from './observations.ts';
import type { Runs } from './runs.ts';

/** How well the mocks kept time for one run. */
export type MockHealth = Pick<Harness, 'eventLoopDelayMs' | 'mockWorkMs'>;

export type HarnessWatch = {
  /** From the run's first request to its last answer; undefined before the first. */
  of: (run: string) => MockHealth | undefined;
  close: () => void;
};

const larger = (a: Percentiles, b: Percentiles): Percentiles => ({
  p50: Math.max(a.p50, b.p50),
  p95: Math.max(a.p95, b.p95),
  p99: Math.max(a.p99, b.p99),
});

/** Watches the mocks themselves. */
export function watchHarness(runs: Runs, { statisticsOf }: Observations): HarnessWatch {
  const eventLoop = watchEventLoop();
  return {
    of(name) {
      const seen = (['openai', 'qdrant'] as const).flatMap((service) => {
        const run = runs.begun(service, name);
        const statistics = run && statisticsOf(service, run);
        const span = statistics?.spanMs();
        return span ? [{ span, ownMs: statistics!.view().ownMs }] : [];
      });
      if (seen.length === 0) return undefined;
      const fromMs = Math.min(...seen.map(({ span: [from] }) => from));
      const toMs = Math.max(...seen.map(({ span: [, to] }) => to));
      return {
        eventLoopDelayMs: eventLoop.between(fromMs, toMs),
        mockWorkMs: seen.map(({ ownMs }) => ownMs).reduce(larger),
      };
    },
    close: eventLoop.close,
  };
}
