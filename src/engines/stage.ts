import type { StoredPoint } from './completeness.ts';
import type { Traffic } from './meter.ts';

/** What a command runs against for one worker count: where the services are, and what they saw of it. */
export type Stage = {
  /** Addresses and keys for the command. */
  env: Record<string, string>;
  /** Resolves when all requests of the command are told. */
  settled: () => Promise<void>;
  traffic: () => Traffic;
  progress: () => { records: number; rateLimited: number };
  /** What is stored now; undefined where it can't be looked at. */
  points: () => Iterable<StoredPoint> | undefined;
  /** Mean number of database connections in use while it ran; undefined where it was not looked at. */
  connectionsInUse: () => Promise<number | undefined>;
  /** Why what was measured can't be judged, whatever the command says of itself. */
  problem: () => Promise<string | undefined>;
  /** Forgets what was stored. */
  close: () => Promise<void>;
};
