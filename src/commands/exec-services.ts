import type { Stage } from '../engines/stage.ts';
import type { Lab } from '../model/lab.ts';
import type { PlacingOptions } from './placing.ts';

export type ExecOptions = PlacingOptions & {
  json?: boolean;
  out?: string;
  timeout?: string;
  memoryLimit?: string;
  /** True where the flag came without an address. */
  mysqlUrl?: string | true;
  /** False for `--no-mysql`. */
  mysql?: boolean;
  recordField?: string;
  real?: boolean;
  yes?: boolean;
  maxCost?: string;
};

/** What a command runs against, and what of it belongs into the provenance. */
export type Prepared = {
  open: () => Promise<Stage>;
  provenance: { mysql?: string; services?: string };
  /** The lab with what is known of the services by now. */
  asSeen: (lab: Lab) => Lab;
};
