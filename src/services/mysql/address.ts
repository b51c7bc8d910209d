import { UsageError } from '../../usage-error.ts';

/** Where a database is, apart from who may use it. */
export type MysqlAddress = {
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
  /** For messages: host, port and database, and never the password. */
  shown: string;
};

const example = 'mysql://user:password@127.0.0.1:3306/database';

/** A part of an address as it is meant. Throws a UsageError where a `%` in it stands for nothing. */
function decodedPart(part: string, option: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new UsageError(
      `${option}: a % that is part of a name or password must be written as %25 in the address`,
    );
  }
}

/**
 * Takes the address of a database apart. Throws a UsageError that names `option` and does not repeat
 * the address, because a password may be in it.
 */
export function parseAddress(url: string, option: string): MysqlAddress {
  const parsed = URL.parse(url);
  if (!parsed || !/^(mysql|mariadb):$/.test(parsed.protocol) || parsed.hostname === '')
    throw new UsageError(
      `${option}: ${url.includes('://') ? '' : `"${url.slice(0, 40)}" is `}no address such as ${example}${url.includes('://') ? '' : '; a LAB goes before the option'}`,
    );
  const decoded = (part: string) => decodedPart(part, option);
  const database = decoded(parsed.pathname.slice(1));
  const port = Number(parsed.port || 3306);
  if (database === '')
    throw new UsageError(
      `${option}: name the database: mysql://…@${parsed.hostname}:${port}/database`,
    );
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port,
    user: decoded(parsed.username),
    password: decoded(parsed.password),
    database,
    shown: `${parsed.hostname}:${port}/${database}`,
  };
}

/** Whether an address leads to this machine only. */
export const isLoopback = ({ host }: Pick<MysqlAddress, 'host'>): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
