/** A MySQL or MariaDB that a run may read from. */
export type MysqlServer = {
  /** `mysql://user:password@127.0.0.1:3306/database`: the database exists. */
  url: string;
  /** Where it comes from: given by address, a container of ours, or a process of ours. */
  kind: 'given' | 'container' | 'process';
  /** As the server calls itself: `MySQL 8.4.3`, `MariaDB 10.11.19`. */
  version: string;
  /** Starts it again where it has died and is ours; rejects with MissingPartError where it can't be had. */
  ensure: () => Promise<void>;
  /** Ends it where it is ours, and leaves nothing behind. Idempotent. */
  close: () => Promise<void>;
};
