/**
 * The table of records, and which worker has which of them.
 *
 * A claim is a row of a table of its own rather than a lock that is held: a worker then needs a
 * connection only while it reads or writes, so few connections serve many workers.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import mysql, { type Connection, type RowDataPacket } from 'mysql2/promise';
import { type Settings, SettingsError } from './settings.ts';

export type SourceRecord = { id: number; title: string; body: string };

/** One start of the pipeline: its claims carry its name. `locking` ends a claiming SELECT. */
export type Run = { id: string; locking: string };

const openRecords =
  'FROM records WHERE migrated_at IS NULL AND id NOT IN (SELECT record_id FROM node_pipeline_claims)';

/** Another worker was faster, which is no error: there are more records. */
const lostRaces = ['ER_DUP_ENTRY', 'ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT'];
const codeOf = (error: unknown): string => (error as { code?: string }).code ?? '';

/** What a database said, in one line; undefined for errors of others. */
export function databaseProblem(error: unknown): string | undefined {
  const {
    code = '',
    fatal,
    message,
  } = error as { code?: string; fatal?: boolean; message: string };
  const itsOwn = fatal !== undefined || /^(ER|PROTOCOL)_/.test(code);
  return itsOwn ? `MySQL: ${message}` : undefined;
}

async function connect(address: Settings['mysql']): Promise<Connection> {
  try {
    const connection = await mysql.createConnection({ ...address, charset: 'utf8mb4' });
    // A server that goes while nobody asks it anything is told by the next query.
    connection.on('error', () => {});
    // A claim then locks the rows that it takes, and not the gaps between them.
    await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    return connection;
  } catch (error) {
    throw new SettingsError(`MYSQL_URL: ${(error as Error).message || codeOf(error)}`);
  }
}

/** Gives claims back; another run at the same table may be in the way for a moment. */
async function deleteClaims(connection: Connection, condition: string, ...values: string[]) {
  for (;;) {
    try {
      await connection.query(`DELETE FROM node_pipeline_claims WHERE ${condition}`, values);
      return;
    } catch (error) {
      if (!lostRaces.includes(codeOf(error))) throw error;
    }
  }
}

/**
 * Begins a run; `end` gives its claims back.
 *
 * The run holds a named lock by its connection. Claims whose lock is free are those of a run that
 * died, and void. So nothing has to expire, and a slow worker keeps what it has claimed.
 */
export async function openRun(address: Settings['mysql']): Promise<{
  run: Run;
  keepAlive: () => Promise<void>;
  end: () => Promise<void>;
}> {
  const id = randomUUID();
  const connection = await connect(address);
  let locking = 'FOR UPDATE SKIP LOCKED';
  try {
    await connection.query(
      'CREATE TABLE IF NOT EXISTS node_pipeline_claims (record_id BIGINT PRIMARY KEY, run_id CHAR(36) NOT NULL)',
    );
    await connection.query('SELECT GET_LOCK(?, 0)', [id]);
    await deleteClaims(connection, 'IS_FREE_LOCK(run_id) = 1');
    await connection.query(`SELECT id FROM records WHERE id < 0 ${locking}`);
  } catch (error) {
    if (codeOf(error) !== 'ER_PARSE_ERROR') {
      await connection.end();
      throw new SettingsError(`records: ${(error as Error).message}; \`kneepoint seed\` makes it`);
    }
    // MySQL before 8.0 and MariaDB before 10.6: claims then wait for each other.
    locking = 'FOR UPDATE';
  }
  return {
    run: { id, locking },
    keepAlive: () => connection.ping(),
    async end() {
      await deleteClaims(connection, 'run_id = ?', id);
      await connection.end();
    },
  };
}

export type Source = {
  /** Connects before the clock starts, where each worker may keep a connection. */
  open: () => Promise<void>;
  /** Takes up to so many records that nobody has; none where all are done or taken. */
  claim: (run: Run, most: number) => Promise<SourceRecord[]>;
  /** Marks records as migrated. A record that failed keeps its claim until the run ends. */
  finish: (ids: number[]) => Promise<void>;
  close: () => Promise<void>;
};

/** One worker's way to the records. `permit` waits until it may connect and says how to give that back. */
export function createSource(
  address: Settings['mysql'],
  keepOpen: boolean,
  permit: () => Promise<() => void>,
): Source {
  let kept: Connection | undefined;
  const close = async () => {
    await kept?.end();
    kept = undefined;
  };
  /** Does work in a transaction; undefined where another worker was faster. */
  const transaction = async <T>(work: (connection: Connection) => Promise<T>) => {
    const giveBack = await permit();
    try {
      kept ??= await connect(address);
      await kept.beginTransaction();
      const result = await work(kept);
      await kept.commit();
      return result;
    } catch (error) {
      await kept?.rollback();
      if (!lostRaces.includes(codeOf(error))) throw error;
      return undefined;
    } finally {
      if (!keepOpen) await close();
      giveBack();
    }
  };
  const tryClaim = (run: Run, most: number) =>
    transaction(async (connection) => {
      const [rows] = await connection.query<RowDataPacket[]>(
        `SELECT id, title, body ${openRecords} ORDER BY id LIMIT ? ${run.locking}`,
        [most],
      );
      if (rows.length > 0) {
        // The primary key decides who has a record; the lock only keeps others away.
        const claims = rows.map(({ id }) => [id, run.id]);
        await connection.query('INSERT INTO node_pipeline_claims (record_id, run_id) VALUES ?', [
          claims,
        ]);
        return rows as unknown as SourceRecord[];
      }
      // Rows that were skipped may just have been looked at by another worker.
      const [[left]] = await connection.query<RowDataPacket[]>(
        `SELECT EXISTS (SELECT 1 ${openRecords}) AS some`,
      );
      return left!.some ? undefined : [];
    });

  return {
    close,
    async open() {
      if (keepOpen) await transaction(async () => true);
    },
    async claim(run, most) {
      for (;;) {
        const records = await tryClaim(run, most);
        if (records) return records;
        await sleep(1 + 9 * Math.random());
      }
    },
    async finish(ids) {
      if (ids.length === 0) return;
      let done: boolean | undefined;
      while (!done)
        done = await transaction(async (connection) => {
          await connection.query('UPDATE records SET migrated_at = NOW() WHERE id IN (?)', [ids]);
          await connection.query('DELETE FROM node_pipeline_claims WHERE record_id IN (?)', [ids]);
          return true;
        });
    },
  };
}
