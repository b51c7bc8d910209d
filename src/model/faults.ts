/**
 * Faults that a lab injects on purpose, decided by one rule for mocks and simulator: keyed by record
 * and attempt, so that a run that is repeated meets the same ones.
 */
import type { Lab } from './lab.ts';
import { type DrawKey, streams, uniform } from './random.ts';
import type { Outcome } from './worker.ts';

export type FaultSpec = Lab['faults'][number];
export type FaultKind = FaultSpec['kind'];

/** What a request is, as far as faults choose among them. */
export type FaultTarget = 'embeddings' | 'upsert' | 'openai' | 'qdrant';

/** A fault that strikes one request. */
export type Fault = {
  kind: FaultKind;
  /** Of kind `status`. */
  status: number;
  retryAfterSeconds: number | undefined;
  /** Virtual milliseconds that `latency` adds, or over which `dribble` spreads the body. */
  ms: number;
};

/** Kinds that answer instead of the service, so nothing is charged or stored. All others strike the answer of work that was done. */
export const isInstead = ({ kind }: Fault): boolean => kind === 'status';

/** What a client makes of the answer that a fault has struck. `stall` is a timeout, which the caller knows the length of. */
export function faultOutcome({ kind, status, retryAfterSeconds }: Fault): Outcome {
  switch (kind) {
    case 'status': {
      const hint = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
      return status === 408 || status === 409 || status === 429 || status >= 500
        ? { limited: hint }
        : 'refused';
    }
    case 'latency':
    case 'dribble':
      return 'ok';
    case 'reset-body':
    case 'short-body':
      return 'cut';
    case 'truncated-json':
      return 'garbled';
    default:
      return 'failed';
  }
}

export type Faults = {
  /** The fault of this request, if any. `target` is the request's own kind, `service` whose it is. */
  strike: (
    target: FaultTarget,
    service: 'openai' | 'qdrant',
    key: DrawKey,
    nowUs: number,
  ) => Fault | undefined;
};

/**
 * The faults of a run, the first that strikes winning. `beganUs` is the instant from which `fromSeconds`
 * and `untilSeconds` count: the run's begin, or when the faults were set.
 */
export function createFaults(seed: number, specs: FaultSpec[], beganUs = 0): Faults {
  if (specs.length === 0) return { strike: () => undefined };
  const seen = specs.map(() => 0);
  const strikes = (spec: FaultSpec, at: number, key: DrawKey, nowUs: number): boolean => {
    const seconds = (nowUs - beganUs) / 1e6;
    if (seconds < spec.fromSeconds || seconds >= (spec.untilSeconds ?? Infinity)) return false;
    if (seen[at]!++ >= (spec.first ?? Infinity)) return false;
    // Each spec draws for itself: two of 10 % strike different requests.
    const own = { ...key, draw: key.draw + at * 1_000_000 };
    return spec.probability >= 1 || uniform(seed, streams.fault, own) < spec.probability;
  };
  return {
    strike(target, service, key, nowUs) {
      for (const [at, spec] of specs.entries()) {
        if (spec.on !== target && spec.on !== service) continue;
        if (!strikes(spec, at, key, nowUs)) continue;
        const { kind, status, retryAfterSeconds, ms } = spec;
        return { kind, status, retryAfterSeconds, ms };
      }
      return undefined;
    },
  };
}
