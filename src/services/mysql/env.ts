import { parseAddress } from './address.ts';

/** How a MySQL address is told to a command: whole, and in the parts that most clients want. */
export function mysqlEnv(url: string): Record<string, string> {
  const { host, port, user, password, database } = parseAddress(url, 'MYSQL_URL');
  return {
    MYSQL_URL: url,
    MYSQL_HOST: host,
    MYSQL_PORT: String(port),
    MYSQL_USER: user,
    MYSQL_PASSWORD: password,
    MYSQL_DATABASE: database,
  };
}
