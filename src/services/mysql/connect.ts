import { type Connection, createConnection } from 'mysql2/promise';
import { MissingPartError } from '../missing-part.ts';

/** What a database or the way to it complained of, in one line; a password is never in it. */
export function databaseProblem(error: unknown): string {
  const { code, message = '' } = error as NodeJS.ErrnoException;
  const line = message.split('\n')[0]!.trim();
  if (!code) return line || String(error);
  return line && !line.includes(code) ? `${line} (${code})` : line || code;
}

/** Opens one connection. Rejects as mysql2 does. */
export async function connect(url: string, timeoutMs = 5_000): Promise<Connection> {
  const connection = await createConnection({ uri: url, connectTimeout: timeoutMs });
  // A connection that breaks while it is idle is noticed by its next query.
  connection.on('error', () => {});
  return connection;
}

/** Runs something with a connection of its own. */
export async function withConnection<T>(
  url: string,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connect(url);
  try {
    return await use(connection);
  } finally {
    // Without waiting for a server that may be gone.
    connection.destroy();
  }
}

/**
 * The error of a database as what a user can act on: a MissingPartError of one line that begins with
 * `where`. Anything else is passed through.
 */
export function explained(error: unknown, where: string): unknown {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (!/^(ER_|PROTOCOL_|E[A-Z]+$)/.test(code)) return error;
  return new MissingPartError(`${where}: ${databaseProblem(error)}`, [
    'see to the database and do it again',
    'take another database',
  ]);
}

/** As the server calls itself: `MySQL 8.0.15`, `MariaDB 10.11.19`. Rejects where it does not answer. */
export const versionAt = (url: string): Promise<string> =>
  withConnection(url, async (connection) => {
    // A server that hangs takes connections all the same.
    const sql = 'SELECT VERSION() AS version';
    const [rows] = await connection.query({ sql, timeout: 5_000 });
    return versionIn((rows as { version: string }[])[0]!.version);
  });

/** `10.11.19-MariaDB-0+deb12u1` is `MariaDB 10.11.19`. */
export function versionIn(text: string): string {
  const number = /\d+\.\d+\.\d+/.exec(text)?.[0] ?? text;
  return `${/mariadb/i.test(text) ? 'MariaDB' : 'MySQL'} ${number}`;
}
