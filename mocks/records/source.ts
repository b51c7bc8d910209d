/** One record as the table has it. */
export type SourceRecord = { id: number; title: string; body: string };

/**
 * What a read cost, in milliseconds of real time: waiting for a connection of the pool, and holding
 * it. The records may be here before `heldMs` is over.
 */
export type SourceRead = { records: SourceRecord[]; poolWaitMs: number; heldMs: number };

/** Where a run's records come from, where they are not generated: a pool of connections of the run's own. */
export type RecordSource = {
  /** Opens the connections that the workers will use, so that no read has to. Rejects where the database does not answer. */
  warm: () => Promise<void>;
  /**
   * Reads the records from the one numbered `firstRecord` (from 0, in the order of their ids) on.
   * Rejects where the database does not answer, or has too few.
   */
  read: (firstRecord: number, records: number) => Promise<SourceRead>;
  close: () => Promise<void>;
};

export type SourceOptions = {
  /** Connections at most. */
  poolSize: number;
  /** Workers at most: so many connections can be in use. */
  workers: number;
  /** Real time for which a read holds its connection at least: it stands for a slower database. */
  leastHeldMs: number;
};

/** Opens the source of a run. Nothing is connected before it is warmed or read from. */
export type OpenSource = (options: SourceOptions) => RecordSource;
