/**
 * Reads the table `records` straight from MySQL, with one connection for each virtual user: what the
 * database itself can deliver, without OpenAI and Qdrant. It tells whether a slow read is MySQL's or the
 * pool's.
 *
 * It needs a k6 with an extension, which k6 v2 fetches by itself where it may (or build one:
 * `xk6 build v2.2.0 --with github.com/grafana/xk6-sql@v1.2.0 --with
 * github.com/grafana/xk6-sql-driver-mysql@v0.4.0`). Neither can be had where this is tested, so it is
 * type-checked and not run.
 *
 *     kneepoint seed --mysql-url mysql://root:secret@127.0.0.1:3306/lab --records 10000
 *     k6 run -e MYSQL_DSN='root:secret@tcp(127.0.0.1:3306)/lab' -e VUS=20 -e SECONDS=30 k6/mysql-direct.ts
 */
import exec from 'k6/execution';
import { Counter, Trend } from 'k6/metrics';
import type { Options } from 'k6/options';
import sql from 'k6/x/sql';
import mysql from 'k6/x/sql/driver/mysql';

const vus = Number(__ENV.VUS ?? 10);
const rowsAtOnce = Number(__ENV.ROWS ?? 50);

export const options: Options = {
  scenarios: {
    read: { executor: 'constant-vus', vus, duration: `${Number(__ENV.SECONDS ?? 30)}s` },
  },
  // The extension measures nothing of its own.
  thresholds: { mysql_rows: ['count>0'], mysql_errors: ['count==0'] },
};

// Init code runs once for each virtual user, so this is a pool of one connection each.
const db = sql.open(mysql, __ENV.MYSQL_DSN ?? 'root@tcp(127.0.0.1:3306)/kneepoint', {
  max_open_conns: 1,
  max_idle_conns: 1,
});
const readMs = new Trend('mysql_read', true);
const rowsRead = new Counter('mysql_rows');
const errors = new Counter('mysql_errors');

/** The last id that this virtual user has read. */
let lastId = 0;
let begun = false;

const nowMs = () => exec.instance.currentTestRunDuration;

/** Each virtual user begins elsewhere, or all would read the rows that the one before has just warmed. */
function firstId(): number {
  const [row] = db.query('SELECT COALESCE(MAX(id), 0) AS most FROM records');
  return Math.floor((Number(row?.most) * (exec.vu.idInTest - 1)) / vus);
}

export default function read(): void {
  const beganMs = nowMs();
  errors.add(0);
  try {
    if (!begun) lastId = firstId();
    begun = true;
    const rows = db.query(
      'SELECT id, title, body FROM records WHERE id > ? ORDER BY id LIMIT ?',
      lastId,
      rowsAtOnce,
    );
    readMs.add(nowMs() - beganMs);
    rowsRead.add(rows.length);
    // From the first one again, after the last.
    lastId = rows.length < rowsAtOnce ? 0 : Number(rows[rows.length - 1]!.id);
  } catch (error) {
    errors.add(1);
    console.error(`mysql: ${error}`);
  }
}

export function teardown(): void {
  db.close();
}
