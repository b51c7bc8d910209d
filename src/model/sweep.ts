import type { Lab } from './lab.ts';

/** Nearest-rank percentiles in milliseconds of virtual (true) time. Zero where nothing was seen. */
export type Percentiles = { p50: number; p95: number; p99: number };

/** Where workers spend their time. `backoff` holds rejected attempts and the waits after them. */
export type WorkerState = 'read' | 'compute' | 'embed' | 'qdrant' | 'backoff' | 'idle';

/** What `exec` saw of the command from outside, beside the figures that every engine has. */
export type Observed = {
  /** Why the cell is not whole, in one line; absent where it is. */
  problem?: string;
  /** Whether the cell's times may be judged: false where the command did not get through its work. */
  usable: boolean;
  /** From the command's start to its end; `Cell.seconds` is from its first provider request to its last answer. */
  wholeSeconds: number;
  /** From the command's start to its first provider request. */
  startUpSeconds: number;
  exitCode: number | null;
  /** Of all its processes. */
  cpuSeconds: number;
  /** Waits that 429s asked for. */
  waits: { obeyed: number; early: number; meanEarlyMs: number; unknown: number };
  /** `pss` counts pages that processes share once, `rss` in each; `cgroup` is the kernel's own peak. */
  memory: {
    source: 'pss' | 'rss';
    peakProcesses: number;
    cgroupPeakMb?: number;
    limitMb?: number;
    samples: { seconds: number; megabytes: number }[];
  };
  /** Processes that outlived the command and were ended. */
  leftBehind: number;
  /** Points beyond one for each chunk. */
  duplicatePoints: number;
  /** Payload field that names a point's record; absent where none was found. */
  recordField?: string;
  /** Ids of records of which points are missing, the first ones. */
  lostRecords: string[];
  /** The command's output, a file beside the sweep. */
  log: string;
};

/**
 * One of several runs of a cell: what varies from run to run and is compared. The first has the lab's
 * seed, each further one a seed one higher. 429s are of all limits together, times in virtual seconds.
 */
export type Repeat = {
  seconds: number;
  rateLimited: number;
  timeouts: number;
  recordsFailed: number;
  pointsStored: number;
  chargedTokens: number;
};

/**
 * How well mocks and load generator kept time while a cell ran. Milliseconds are of real time, which at
 * ten times speed are ten virtual ones each.
 */
export type Harness = {
  /** Virtual seconds per real second. */
  speed: number;
  /** How long the mocks' event loop would have kept a request waiting that came at any instant. */
  eventLoopDelayMs: Percentiles & { mean: number };
  /** What the mocks themselves worked on a request. */
  mockWorkMs: Percentiles;
  /** Of k6: by how much answers came later than the mocks meant them to. */
  answersLateMs?: Percentiles;
  /** Of k6: by how much workers woke later than they wanted to. */
  timersLateMs?: Percentiles;
  /** Of k6: share of the workers' time that is the harness's slowness and could not be taken off. */
  slowShare?: number;
  /**
   * Mean number of workers with a claim, by the begin and the end of each (k6), or of requests in flight,
   * by the services' sight (exec): throughput times residence, as Little's law has it.
   */
  concurrency: number;
  /** Share of the machine's cores in use; absent where nobody looked. */
  cpuShare?: number;
};

/** One worker count of a sweep: what happened, whichever engine ran it. Times are virtual. */
export type Cell = {
  workers: number;
  /** False where the workers do not fit into the host's memory: then nothing was run. */
  feasible: boolean;
  /** Of a cell that was run several times, the geometric mean: ratios of times are what is compared. */
  seconds: number;
  /** Records that arrived completely, per second. */
  recordsPerSecond: number;
  /** Throughput relative to one worker. */
  speedup: number;
  /** Speedup per worker: 1 is linear scaling. */
  efficiency: number;
  /** What the simulator says for the same cell. */
  predictedSeconds: number;
  openai: {
    requests: number;
    succeeded: number;
    rateLimited: { rpm: number; tpm: number; rpd: number };
    errors: number;
    chargedTokens: number;
    attemptsPerSuccess: number;
    /** Of admitted requests only: a 429 is quick and would flatter the service. */
    latencyMs: Percentiles;
  };
  qdrant: {
    requests: number;
    succeeded: number;
    timeouts: number;
    errors: number;
    pointsPerSecond: number;
    latencyMs: Percentiles;
  };
  mysql: { poolWaitMs: Percentiles };
  /** In MiB, as resident memory is counted. */
  memory: { megabytes: number; shareOfHost: number; measured: boolean };
  /** Mean number of workers in each state. Sums to `workers`. */
  absorbed: Record<WorkerState, number>;
  completeness: {
    records: number;
    pointsExpected: number;
    pointsStored: number;
    recordsFailed: number;
  };
  /** Absent from `simulate`, whose time is exact. */
  harness?: Harness;
  /** Of `exec` only. */
  command?: Observed;
  /**
   * Present where the cell was run more than once, all runs in order. Figures of the cell other than
   * its time and rate are then those of one whole run: of the runs that lost most records (and, of
   * those, had most timeouts), the one with the time in the middle.
   */
  repeats?: Repeat[];
};

export type Bottleneck =
  | 'openai-rpm'
  | 'openai-tpm'
  | 'openai-rpd'
  | 'qdrant'
  | 'mysql-pool'
  | 'memory'
  | 'work-units'
  | 'client-cpu'
  | 'none'
  | 'undetermined';

export type Verdict = {
  bottleneck: Bottleneck;
  /** Workers at which the first resource is exactly full; null where nothing binds in the matrix. */
  knee: number | null;
  kneeInterval: [number, number] | null;
  recommendedWorkers: number;
  nextBottleneck: Bottleneck;
  action: string;
  evidence: string[];
  env: { MAX_WORKERS: number; BATCH_SIZE: number; MYSQL_POOL_SIZE: number };
};

export type Warning = { code: string; message: string; remedy: string };

export type Provenance = {
  kneepoint: string;
  node: string;
  k6?: string;
  /** ISO 8601. Absent from what must be reproducible. */
  startedAt?: string;
  /** A real Qdrant that took part instead of the mock: its version and address. */
  qdrant?: string;
  /** The MySQL or MariaDB that records came from: its version and whose it is. */
  mysql?: string;
  /** Real services that took the mocks' place: their hosts. */
  services?: string;
  /** The user's own command, as it was given. */
  command?: string;
  labHash: string;
};

/** A whole run: the contract of `sweep.json` (schema/sweep.schema.json). */
export type Sweep = {
  schema: 'kneepoint.sweep/1';
  engine: 'simulate' | 'k6' | 'exec';
  lab: Lab;
  provenance: Provenance;
  cells: Cell[];
  verdict: Verdict;
  warnings: Warning[];
  valid: boolean;
};
