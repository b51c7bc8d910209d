import { createPool, type PoolConnection } from 'mysql2/promise';
import { runAt } from '../../../mocks/deadline.ts';
import type { OpenSource, SourceRecord } from '../../../mocks/records/source.ts';
import { databaseProblem, withConnection } from './connect.ts';

/** A database that does not answer for so long is as good as gone. */
const queryTimeoutMs = 30_000;
const connectTimeoutMs = 5_000;
/** Connections that nobody used for so long are given back to the server. */
const idleTimeoutMs = 60_000;
/** Ids that are looked up at a time. */
const idsAtOnce = 10_000;
const closeTimeoutMs = 2_000;

/** One line for the users of the lab, whatever mysql2 throws. */
const explained = (error: unknown): Error => new Error(databaseProblem(error));

/**
 * Reads records from the table `records` of a database, in the order of their ids and by keyset:
 * `WHERE id > ? ORDER BY id LIMIT ?` costs the same for the first page and for the last.
 */
export const openMysqlSource =
  (url: string): OpenSource =>
  ({ poolSize, workers, leastHeldMs }) => {
    const pool = createPool({
      uri: url,
      connectionLimit: poolSize,
      connectTimeout: connectTimeoutMs,
      maxIdle: 0,
      idleTimeout: idleTimeoutMs,
    });
    const connections = new Set<{ destroy: () => void }>();
    pool.pool.on('connection', (connection) => connections.add(connection));

    // Ids may have gaps: a claim begins after the last id of the one before. They are looked up as far
    // as they are needed, beside the pool, whose waits are being measured.
    const ids: number[] = [];
    let looking: Promise<void> | undefined;
    const lookFurther = () =>
      withConnection(url, async (connection) => {
        const [rows] = await connection.query({
          sql: 'SELECT id FROM records WHERE id > ? ORDER BY id LIMIT ?',
          values: [ids.at(-1) ?? 0, idsAtOnce],
          rowsAsArray: true,
          timeout: queryTimeoutMs,
        });
        for (const [id] of rows as unknown as [number][]) ids.push(id);
      });
    const idBefore = async (record: number): Promise<number> => {
      while (ids.length < record) {
        const known = ids.length;
        looking ??= lookFurther().finally(() => {
          looking = undefined;
        });
        await looking;
        if (ids.length === known) throw new Error(tooFew(known, record + 1));
      }
      return record === 0 ? 0 : ids[record - 1]!;
    };
    const tooFew = (rows: number, needed: number) =>
      `the table records has ${rows} rows, and record ${needed} was asked for; \`kneepoint seed\` adds more`;

    const read = async (connection: PoolConnection, afterId: number, records: number) => {
      const [rows] = await connection.query({
        sql: 'SELECT id, title, body FROM records WHERE id > ? ORDER BY id LIMIT ?',
        values: [afterId, records],
        timeout: queryTimeoutMs,
      });
      return rows as SourceRecord[];
    };

    return {
      async warm() {
        try {
          const opened = await Promise.allSettled(
            Array.from({ length: Math.min(poolSize, workers) }, () => pool.getConnection()),
          );
          for (const one of opened) if (one.status === 'fulfilled') one.value.release();
          const refused = opened.find((one) => one.status === 'rejected');
          if (refused) throw refused.reason;
          await lookFurther();
        } catch (error) {
          throw explained(error);
        }
      },
      async read(firstRecord, records) {
        try {
          const afterId = await idBefore(firstRecord);
          const askedMs = performance.now();
          const connection = await pool.getConnection();
          const gotMs = performance.now();
          try {
            const found = await read(connection, afterId, records);
            const readMs = performance.now() - gotMs;
            if (found.length < records)
              throw new Error(tooFew(firstRecord + found.length, firstRecord + records));
            runAt(gotMs + leastHeldMs, () => connection.release());
            return {
              records: found,
              poolWaitMs: gotMs - askedMs,
              heldMs: Math.max(readMs, leastHeldMs),
            };
          } catch (error) {
            connection.destroy();
            throw error;
          }
        } catch (error) {
          throw explained(error);
        }
      },
      async close() {
        // A server that hangs never says goodbye.
        const impatient = setTimeout(() => {
          for (const connection of connections) connection.destroy();
        }, closeTimeoutMs);
        const waited = new Promise((resolve) => setTimeout(resolve, closeTimeoutMs + 100).unref());
        await Promise.race([pool.end().catch(() => {}), waited]);
        clearTimeout(impatient);
      },
    };
  };
