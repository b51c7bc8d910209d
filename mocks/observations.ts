import { createJournal, type Journal } from './journal.ts';
import type { Gone, ServiceName, Sighting, Sink } from './observed.ts';
import type { Run, Runs } from './runs.ts';
import { createStatistics, type Statistics } from './statistics.ts';
import { createTotals, type Totals } from './totals.ts';

/** All that is remembered of requests: the last ones, sums over all, and figures per key. */
export type Observations = {
  sink: Sink;
  gone: Gone;
  /** Tells each request of the run to `also` as well, until the function it returns is called. */
  watch: (run: string, also: { sink: Sink; gone: Gone }) => () => void;
  journal: Journal;
  totals: Totals;
  /** Of a run as the service's clients see it; a lab's key has figures of its own on each service. */
  statisticsOf: (service: ServiceName, run: Run) => Statistics;
};

export function createObservations(runs: Runs): Observations {
  const journal = createJournal();
  const totals = createTotals();
  // As long as the run itself: a reset makes another run, and so forgets the figures.
  const byRun = {
    openai: new WeakMap<Run, Statistics>(),
    qdrant: new WeakMap<Run, Statistics>(),
  };
  const statisticsOf = (service: ServiceName, run: Run): Statistics => {
    const known = byRun[service].get(run);
    if (known) return known;
    const fresh = createStatistics();
    byRun[service].set(run, fresh);
    return fresh;
  };
  const watchers = new Map<string, { sink: Sink; gone: Gone }>();
  const sink = (sighting: Sighting) => {
    journal.add(sighting);
    totals.add(sighting);
    const { service, answer } = sighting;
    if (!answer.about) return;
    watchers.get(answer.about.run)?.sink(sighting);
    const run = runs.begun(service, answer.about.run);
    if (run) statisticsOf(service, run).add(sighting, run.speed);
  };
  return {
    sink,
    gone: (answer, nowMs) => watchers.get(answer.about?.run ?? '')?.gone(answer, nowMs),
    watch(run, also) {
      watchers.set(run, also);
      return () => watchers.delete(run);
    },
    journal,
    totals,
    statisticsOf,
  };
}
