/** Upserts that were sent, and those of them that timed out. */
export type Upserts = { requests: number; timeouts: number };

/** Standard deviations of a Poisson count that chance is given (assumed). */
const chance = 2;

/**
 * Whether upserts time out because so many workers send them: more of them than `alone`, those of a
 * single worker, explain. The tail of a latency brings timeouts at any count, and fewer workers avoid none.
 */
export function isOverloaded({ requests, timeouts }: Upserts, alone: Upserts): boolean {
  const expected = (alone.timeouts / Math.max(1, alone.requests)) * requests;
  return timeouts > expected + chance * Math.sqrt(expected);
}
