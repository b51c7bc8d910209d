import type { Lab } from '../../model/lab.ts';
import { demandSeconds } from '../../model/services.ts';
import type { Cell, Harness, Observed, WorkerState } from '../../model/sweep.ts';
import { infeasibleCell, type RawCell } from '../../simulate/cell.ts';

/** A cell as it was seen from outside: of what workers did, only their requests are known. */
export type MeasuredCell = {
  workers: number;
  /** False where the workers would not fit into memory: nothing was run. */
  feasible: boolean;
  /**
   * From the first provider request to the last answer, and with `withFirstClaims` what workers do before
   * that first request. 0 where none was made.
   */
  seconds: number;
  /** Longest time between those two without any request under way. */
  longestGapSeconds?: number;
  openai: Cell['openai'];
  qdrant: Omit<Cell['qdrant'], 'pointsPerSecond'>;
  /** Worker-seconds that requests took, and the waits after refusals. */
  spentSeconds: { embed: number; qdrant: number; backoff: number };
  /** MiB of all its processes at their most. */
  peakMb: number;
  /** Mean number of database connections in use; undefined where it was not looked at. */
  connectionsInUse?: number | undefined;
  completeness: Cell['completeness'];
  /** Chunks of a whole record. */
  pointsPerRecord: number;
  /** Payload fields that there are, where none is the one that was given. */
  fieldsSeen?: string[];
  /** Absent where nothing was run. */
  harness?: Harness;
  observed: Observed;
};

/** What is observed of a command before anything is. */
export const nothingObserved: Observed = {
  usable: true,
  wholeSeconds: 0,
  startUpSeconds: 0,
  exitCode: null,
  cpuSeconds: 0,
  waits: { obeyed: 0, early: 0, meanEarlyMs: 0, unknown: 0 },
  memory: { source: 'pss', peakProcesses: 0, samples: [] },
  leftBehind: 0,
  duplicatePoints: 0,
  lostRecords: [],
  log: '',
};

/** What one worker and the program around it hold, in MiB: a straight line through the cells' peaks. */
export type MemoryFit = { perWorkerMb: number; baseMb: number };

/** Least squares of peak memory over workers. A single count can't tell the two apart: all is the workers'. Undefined without any cell. */
export function fitMemory(cells: { workers: number; peakMb: number }[]): MemoryFit | undefined {
  const measured = cells.filter(({ peakMb }) => peakMb > 0);
  if (measured.length === 0) return undefined;
  const mean = (value: (cell: (typeof measured)[number]) => number) =>
    measured.reduce((sum, cell) => sum + value(cell), 0) / measured.length;
  const [workers, peak] = [mean((cell) => cell.workers), mean((cell) => cell.peakMb)];
  const spread = mean((cell) => (cell.workers - workers) ** 2);
  if (spread === 0) return { perWorkerMb: peak / workers, baseMb: 0 };
  const slope = mean((cell) => (cell.workers - workers) * (cell.peakMb - peak)) / spread;
  const perWorkerMb = Math.max(0, slope);
  return { perWorkerMb, baseMb: Math.max(0, peak - perWorkerMb * workers) };
}

/** Seconds of one worker for one record, by the cell with the fewest workers: nothing makes it wait there. */
export type Demand = { embed: number; qdrant: number; own: number; cpu: number };

/**
 * Records' worth of chunks that arrived. A record that lacks one chunk of eight took nearly the work of a
 * whole one: counting it as nothing would make the others look eight times as slow where many do.
 */
function doneIn({ completeness, observed }: MeasuredCell): number {
  const { records, pointsExpected, pointsStored } = completeness;
  const arrived = pointsStored - observed.duplicatePoints;
  return pointsExpected > 0 ? records * Math.min(1, Math.max(0, arrived / pointsExpected)) : 0;
}

/** Workers that have something to do: never more than there are claims. */
const unaccounted = ({ workers, seconds, spentSeconds }: MeasuredCell): number =>
  Math.max(
    0,
    workers - (spentSeconds.embed + spentSeconds.qdrant + spentSeconds.backoff) / seconds,
  );

/** Undefined where no cell got a record through. */
export function demandIn(cells: MeasuredCell[]): Demand | undefined {
  const base = cells.find((cell) => doneIn(cell) > 0 && cell.seconds > 0);
  if (!base) return undefined;
  const records = doneIn(base);
  return {
    embed: base.spentSeconds.embed / records,
    qdrant: base.spentSeconds.qdrant / records,
    own: (unaccounted(base) * base.seconds) / records,
    cpu: base.observed.cpuSeconds / records,
  };
}

/** Whole milliseconds of a share of a second. */
const ms = (seconds: number) => Number((seconds * 1_000).toFixed(3));

/**
 * The lab with what was measured in place of what it assumed: memory, the workers' own time, and the
 * size of a record. Services keep the lab's rules; with real services, whose rules nobody knows, their
 * mean latencies are taken too.
 */
export function calibrated(
  lab: Lab,
  cells: MeasuredCell[],
  { realServices }: { realServices: boolean },
): Lab {
  const usable = cells.filter(({ feasible, observed }) => feasible && observed.usable);
  const demand = demandIn(usable);
  const memory = fitMemory(usable);
  const base = usable[0];
  if (!demand || !memory || !base) return lab;
  const { workload, worker, host, openai, qdrant } = lab;
  const chunksPerRecord = base.pointsPerRecord;
  const perClaim = Math.min(workload.recordsPerClaim, workload.records);
  const readMs = Math.min(worker.readMs, ms(demand.own * perClaim));
  const computeMs = Math.max(0, ms(demand.own - readMs / 1_000 / perClaim));
  // The model's compute fills cores. A worker that merely waits fills none, so it has more of them.
  const cores = Math.max(1, Math.round((host.cores * demand.own) / Math.max(demand.cpu, 1e-6)));
  const tokensPerRecord =
    base.openai.succeeded > 0 ? base.openai.chargedTokens / Math.max(1, doneIn(base)) : 0;
  const latencyOf = (seconds: number, requests: number) => ({
    fixed: ms(seconds / Math.max(1, requests)),
  });
  return {
    ...lab,
    workload: {
      ...workload,
      chunksPerRecord,
      bytesPerChunk: Math.max(1, Math.round((4 * tokensPerRecord) / chunksPerRecord)),
    },
    worker: {
      ...worker,
      readMs,
      computeMs,
      memoryMb: memory.perWorkerMb,
      baseMemoryMb: memory.baseMb,
    },
    host: { ...host, cores },
    ...(realServices && {
      openai: { ...openai, latency: latencyOf(base.spentSeconds.embed, base.openai.succeeded) },
      qdrant: { ...qdrant, latency: latencyOf(base.spentSeconds.qdrant, base.qdrant.succeeded) },
    }),
  };
}

/** Share of a pool or of the machine's cores from which on it counts as full. */
const full = 0.85;

/**
 * Measured cells in the form that every engine fills. What workers did between their requests is not
 * seen: as much of it as one lone worker needed is their own work; the rest is waiting, for the pool
 * where its connections were all in use, for the machine where its cores were, and else for work.
 */
export function rawCells(
  lab: Lab,
  cells: MeasuredCell[],
  machineCores: number,
): (RawCell & { command: Observed })[] {
  const usable = cells.filter(({ feasible, observed }) => feasible && observed.usable);
  const demand = demandIn(usable);
  const memory = fitMemory(usable);
  const model = demandSeconds(lab);
  const readShare = model.read + model.compute > 0 ? model.read / (model.read + model.compute) : 0;
  return cells.map((cell) => {
    const { workers, seconds, spentSeconds, completeness, observed } = cell;
    const hostMb = lab.host.memoryGb * 1_024;
    if (!cell.feasible) {
      // What ended at its limit was measured, up to there; what was not run is known by the fit.
      const measured = cell.peakMb > 0;
      const fitted = memory ? memory.baseMb + workers * memory.perWorkerMb : 0;
      const megabytes = measured ? cell.peakMb : fitted;
      return {
        ...infeasibleCell(lab, workers),
        ...(megabytes > 0 && {
          memory: { megabytes, shareOfHost: megabytes / hostMb, measured },
        }),
        command: observed,
      };
    }
    const recordsPerSecond = seconds > 0 ? doneIn(cell) / seconds : 0;
    const mean = (spent: number) => (seconds > 0 ? spent / seconds : 0);
    const rest = seconds > 0 ? unaccounted(cell) : workers;
    const own = Math.min(rest, recordsPerSecond * (demand?.own ?? 0));
    const waiting = rest - own;
    const absorbed: Record<WorkerState, number> = {
      read: own * readShare,
      compute: own * (1 - readShare),
      embed: mean(spentSeconds.embed),
      qdrant: mean(spentSeconds.qdrant),
      backoff: mean(spentSeconds.backoff),
      idle: 0,
    };
    const poolIsFull = (cell.connectionsInUse ?? 0) >= full * lab.mysql.poolSize;
    const coresAreFull = mean(observed.cpuSeconds) >= full * machineCores;
    absorbed[poolIsFull ? 'read' : coresAreFull ? 'compute' : 'idle'] += waiting;
    return {
      workers,
      feasible: true,
      seconds,
      recordsPerSecond,
      openai: cell.openai,
      qdrant: {
        ...cell.qdrant,
        pointsPerSecond: seconds > 0 ? completeness.pointsStored / seconds : 0,
      },
      // Waits for a connection happen within the command, where nobody sees how long each takes.
      mysql: { poolWaitMs: { p50: 0, p95: 0, p99: 0 } },
      memory: {
        megabytes: cell.peakMb,
        shareOfHost: cell.peakMb / hostMb,
        measured: cell.peakMb > 0,
      },
      absorbed,
      completeness,
      ...(cell.harness && { harness: cell.harness }),
      command: observed,
    };
  });
}
