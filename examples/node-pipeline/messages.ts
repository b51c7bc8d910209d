/** What the pipeline and its worker processes say to each other. */
import type { ClientProfile } from '../../src/model/retry.ts';
import type { Settings } from './settings.ts';
import type { Run } from './source.ts';

export type Job = {
  number: number;
  settings: Settings;
  run: Run;
  client: ClientProfile;
  claimSize: number;
  residentMb: number;
  /** Whether each worker may keep its connection open. */
  keepOpen: boolean;
};

export type ToWorker =
  | { kind: 'job'; job: Job }
  | { kind: 'start' }
  /** The answer to `take` (so many records at most) and to `connect`. */
  | { kind: 'granted'; records: number }
  | { kind: 'stop' };

export type FromWorker =
  | { kind: 'ready' }
  | { kind: 'take' }
  | { kind: 'claimed'; granted: number; records: number }
  | { kind: 'migrated'; records: number; chunks: number }
  | { kind: 'refused' }
  | { kind: 'connect' }
  | { kind: 'disconnect' };
