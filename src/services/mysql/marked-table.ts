import type { Connection } from 'mysql2/promise';
import type { RecordShape } from '../../../mocks/records/record.ts';

/** What lies in the database under the name `records`. */
export type RecordsTable =
  | { kind: 'none' }
  /** Made by somebody else: it is neither read nor written. */
  | { kind: 'foreign' }
  | { kind: 'ours'; shape: RecordShape; rows: number; lastId: number };

const marker = 'made by kneepoint';

/** A table of ours is known by its comment, which says how its texts were made. */
const commentOf = ({ seed, workload }: RecordShape): string =>
  `${marker}: seed=${seed} chunksPerRecord=${workload.chunksPerRecord} bytesPerChunk=${workload.bytesPerChunk}`;

function shapeIn(comment: string): RecordShape | undefined {
  const found = /: seed=(\d+) chunksPerRecord=(\d+) bytesPerChunk=(\d+)$/.exec(comment);
  if (!found || !comment.startsWith(marker)) return undefined;
  const [seed, chunksPerRecord, bytesPerChunk] = found.slice(1).map(Number) as number[];
  return {
    seed: seed!,
    workload: { chunksPerRecord: chunksPerRecord!, bytesPerChunk: bytesPerChunk! },
  };
}

export const sameShape = (a: RecordShape, b: RecordShape): boolean => commentOf(a) === commentOf(b);

/** Looks without changing anything. */
export async function lookAtRecords(connection: Connection): Promise<RecordsTable> {
  const [tables] = await connection.query(
    "SELECT table_comment AS text FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'records'",
  );
  const [table] = tables as { text: string }[];
  if (!table) return { kind: 'none' };
  const shape = shapeIn(table.text);
  if (!shape) return { kind: 'foreign' };
  const [counted] = await connection.query(
    'SELECT COUNT(*) AS `rows`, COALESCE(MAX(id), 0) AS lastId FROM records',
  );
  const [{ rows, lastId }] = counted as [{ rows: number; lastId: number }];
  return { kind: 'ours', shape, rows, lastId };
}

/**
 * Makes the table, empty. The index is for pipelines that look for what they have yet to migrate; it
 * is also what makes counting a million rows quick.
 */
export async function createRecords(connection: Connection, shape: RecordShape): Promise<void> {
  await connection.query(
    `CREATE TABLE records (
      id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
      title VARCHAR(255) NOT NULL,
      body MEDIUMTEXT NOT NULL,
      updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
      migrated_at TIMESTAMP NULL DEFAULT NULL,
      KEY not_migrated (migrated_at, id)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT=${connection.escape(commentOf(shape))}`,
  );
}
