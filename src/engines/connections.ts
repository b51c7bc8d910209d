import { type Connection, createConnection } from 'mysql2/promise';

/** Milliseconds between two looks: a query of its own each time, so not too often. */
const everyMs = 200;

// A connection is in use while it has a transaction open or works on a query.
const inUse = `SELECT COUNT(*) AS n FROM information_schema.processlist p
  LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id
  WHERE p.db = DATABASE() AND p.id <> CONNECTION_ID() AND (p.command <> 'Sleep' OR t.trx_id IS NOT NULL)`;

/** Watches how many connections to a database are in use. `stop` gives the mean since the first use; undefined where none was seen, or the server can't be asked. */
export function watchConnections(url: string): { stop: () => Promise<number | undefined> } {
  let [sum, looks, stopped] = [0, 0, false];
  const watching = (async () => {
    let connection: Connection | undefined;
    try {
      connection = await createConnection(url);
      while (!stopped) {
        const [rows] = await connection.query(inUse);
        const { n } = (rows as { n: number }[])[0]!;
        // Before the first use the command is still starting.
        if (n > 0 || looks > 0) {
          sum += Number(n);
          looks++;
        }
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
    } catch {
      // Without the privilege, or with the server gone, nothing is known; the command's own errors tell more.
    } finally {
      await connection?.end().catch(() => {});
    }
  })();
  let answer: number | undefined;
  return {
    async stop() {
      if (stopped) return answer;
      stopped = true;
      await watching;
      answer = looks > 0 ? sum / looks : undefined;
      return answer;
    },
  };
}
