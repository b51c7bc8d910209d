import type { Connection } from 'mysql2/promise';
import { type RecordShape, recordMaker } from '../../../mocks/records/record.ts';
import { UsageError } from '../../usage-error.ts';
import { parseAddress } from './address.ts';
import { explained, withConnection } from './connect.ts';
import { createRecords, lookAtRecords, sameShape } from './marked-table.ts';
import type { MysqlServer } from './server.ts';

export type SeedOptions = {
  url: string;
  /** Seed, chunks per record and bytes per chunk decide the texts. */
  lab: RecordShape;
  /** Rows that the table is to have. */
  records: number;
  /** Told after each insert. */
  progress?: (done: number, all: number) => void;
  signal?: AbortSignal | undefined;
  /** What the address is called in messages. */
  option?: string;
};

/** Large enough that round trips don't matter, and small enough for Ctrl-C and any server's packets. */
const mostInsertBytes = 4 * 2 ** 20;
const mostInsertRows = 5_000;

/** Rows of one INSERT: servers refuse what is over their `max_allowed_packet`, 16 MiB by default at least. */
async function rowsAtOnce(connection: Connection, lab: RecordShape, option: string) {
  const rowBytes = lab.workload.chunksPerRecord * lab.workload.bytesPerChunk + 100;
  const [rows] = await connection.query('SELECT @@max_allowed_packet AS bytes');
  const packetBytes = (rows as { bytes: number }[])[0]!.bytes;
  if (rowBytes + 1_000 > packetBytes)
    throw new UsageError(
      `${option}: a record of ${rowBytes} bytes is over the server's max_allowed_packet of ${packetBytes}; raise it, or lower workload.bytesPerChunk`,
    );
  const most = Math.floor(Math.min(mostInsertBytes, packetBytes - 1_000) / rowBytes);
  return Math.max(1, Math.min(mostInsertRows, most));
}

/** Throws the UsageError for a table that is not ours, or ours for other texts. */
function refuse(url: string, option: string, problem: string): never {
  const { shown } = parseAddress(url, option);
  throw new UsageError(`${option}: the table records of ${shown} ${problem}`);
}

const described = ({ seed, workload }: RecordShape) =>
  `seed ${seed} and ${workload.chunksPerRecord} chunks of ${workload.bytesPerChunk} bytes`;

/** Runs something on the database at an address; what the database complains of becomes a MissingPartError. */
const onDatabase = <T>(url: string, option: string, use: (connection: Connection) => Promise<T>) =>
  withConnection(url, use).catch((error: unknown) => {
    throw explained(error, `${option}: ${parseAddress(url, option).shown}`);
  });

/** Two that seed at once would insert the same ids. */
async function locked<T>(connection: Connection, option: string, work: () => Promise<T>) {
  const name = "CONCAT('kneepoint ', LEFT(DATABASE(), 50))";
  const [rows] = await connection.query(`SELECT GET_LOCK(${name}, 2) AS taken`);
  if ((rows as { taken: number }[])[0]!.taken !== 1)
    throw new UsageError(`${option}: another kneepoint is filling this database; wait for it`);
  try {
    return await work();
  } finally {
    // Not heard by a server that is gone, which has let the lock go already.
    await connection.query(`DO RELEASE_LOCK(${name})`).catch(() => {});
  }
}

/**
 * Fills the table `records` up to so many rows, with the very texts that the mocks generate for the
 * same lab, and makes it where there is none. It goes on after the highest id, so what was interrupted
 * is continued by the same call. Returns the rows that were added. Throws a UsageError, and touches
 * nothing, where the table is not Kneepoint's or was made for other texts; rejects with the signal's
 * reason after the insert in progress where it was aborted, and with MissingPartError where the
 * database fails.
 */
export async function seedRecords(options: SeedOptions): Promise<number> {
  const { url, lab, records, progress, signal, option = '--mysql-url' } = options;
  signal?.throwIfAborted();
  return onDatabase(url, option, (connection) =>
    locked(connection, option, async () => {
      const table = await lookAtRecords(connection);
      if (table.kind === 'foreign')
        refuse(url, option, 'was not made by kneepoint; take a database without such a table');
      if (table.kind === 'ours' && !sameShape(table.shape, lab))
        refuse(
          url,
          option,
          `was made for ${described(table.shape)}, and this lab has ${described(lab)}; take another database, or DROP TABLE records`,
        );
      if (table.kind === 'none') await createRecords(connection, lab);
      const { rows, lastId } = table.kind === 'ours' ? table : { rows: 0, lastId: 0 };
      const added = Math.max(0, records - rows);
      const atOnce = added > 0 ? await rowsAtOnce(connection, lab, option) : 1;
      const recordOf = recordMaker(lab);
      const statementFor = (from: number): string => {
        const values = Array.from({ length: Math.min(atOnce, lastId + added - from) }, (_, at) => {
          const { id, title, body } = recordOf(from + at);
          return `(${id},'${title}',${connection.escape(body)})`;
        });
        return `INSERT INTO records (id, title, body) VALUES ${values.join(',')}`;
      };
      let statement = added > 0 ? statementFor(lastId) : '';
      for (let from = lastId; from < lastId + added; from += atOnce) {
        signal?.throwIfAborted();
        const inserted = connection.query(statement);
        // The next one is made while the server is busy with this one. An insert that fails
        // meanwhile is reported by the await below.
        inserted.catch(() => {});
        const next = from + atOnce;
        if (next < lastId + added) statement = statementFor(next);
        await inserted;
        progress?.(rows + Math.min(next, lastId + added) - lastId, Math.max(rows, records));
      }
      return added;
    }),
  );
}

/** Marks all records as not migrated. Throws a UsageError where the table is not ours. */
export async function resetRecords(url: string, option = '--mysql-url'): Promise<number> {
  return onDatabase(url, option, async (connection) => {
    const { kind } = await lookAtRecords(connection);
    if (kind === 'none') refuse(url, option, 'does not exist; `kneepoint seed` makes it');
    if (kind === 'foreign') refuse(url, option, 'was not made by kneepoint');
    const [result] = await connection.query(
      'UPDATE records SET migrated_at = NULL WHERE migrated_at IS NOT NULL',
    );
    return (result as { affectedRows: number }).affectedRows;
  });
}

/**
 * Sees to it that a server has the records of a lab. Where the server is ours, a table for other
 * texts makes way; in a given one nothing of value is ever dropped.
 */
export async function prepareRecords(
  { url, kind }: Pick<MysqlServer, 'url' | 'kind'>,
  options: Omit<SeedOptions, 'url'>,
): Promise<number> {
  if (kind !== 'given')
    await onDatabase(url, options.option ?? '--mysql-url', async (connection) => {
      const table = await lookAtRecords(connection);
      if (table.kind === 'ours' && !sameShape(table.shape, options.lab))
        await connection.query('DROP TABLE records');
    });
  return seedRecords({ ...options, url });
}
