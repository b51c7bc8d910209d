import { requestKinds } from './endpoint.ts';
import type { Sighting } from './observed.ts';

/** A count of requests that have all the labels. */
export type Count = { labels: Record<string, string>; count: number };

/** Durations counted by upper bound, as Prometheus has them. */
export type Buckets = {
  /** Upper bounds in seconds, rising. */
  bounds: readonly number[];
  /** Of each bound, not cumulated; one more for what is over all of them. */
  counts: readonly number[];
  sumSeconds: number;
};

/** Sums over all keys, whatever is reset: counters must not fall. */
export type Totals = {
  add: (sighting: Sighting) => void;
  requests: () => Count[];
  rateLimited: () => Count[];
  own: Buckets;
  added: Buckets;
};

const ownBounds = [
  0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1,
];
const addedBounds = [0, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

function createBuckets(bounds: readonly number[]) {
  const counts = bounds.map(() => 0).concat(0);
  return {
    bounds,
    counts,
    sumSeconds: 0,
    add(seconds: number) {
      let at = 0;
      while (at < bounds.length && seconds > bounds[at]!) at++;
      counts[at]!++;
      this.sumSeconds += seconds;
    },
  };
}

export function createTotals(): Totals {
  const own = createBuckets(ownBounds);
  const added = createBuckets(addedBounds);
  const requests = new Map<number, Count>();
  const rateLimited = new Map<string, Count>();
  const count = <K>(counts: Map<K, Count>, key: K, labels: () => Count['labels']) => {
    const known = counts.get(key);
    if (known) known.count++;
    else counts.set(key, { labels: labels(), count: 1 });
  };
  return {
    own,
    added,
    add({ service, answer, ownMs }) {
      const { status, about, delayMs = 0 } = answer;
      const kind = about?.kind ?? 'other';
      // A number, because a text made anew for each request costs as much as all the rest.
      const key =
        status +
        1_000 * (requestKinds.indexOf(kind) + (service === 'openai' ? 0 : requestKinds.length));
      count(requests, key, () => ({
        service,
        kind,
        status: String(status),
      }));
      const limit = about?.refusedBy;
      if (limit !== undefined)
        count(rateLimited, `${service} ${limit}`, () => ({ service, limit }));
      own.add(ownMs / 1_000);
      added.add(delayMs / 1_000);
    },
    requests: () => [...requests.values()],
    rateLimited: () => [...rateLimited.values()],
  };
}
