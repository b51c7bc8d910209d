import { MissingPartError } from '../missing-part.ts';
import { parseAddress } from './address.ts';
import { databaseProblem, versionAt } from './connect.ts';
import type { MysqlServer } from './server.ts';

const waysOut: Record<string, (database: string) => string> = {
  ER_ACCESS_DENIED_ERROR: () => 'correct user and password',
  ER_DBACCESS_DENIED_ERROR: (database) => `let the user use ${database}`,
  ER_BAD_DB_ERROR: (database) => `create it: CREATE DATABASE ${database}`,
};

/**
 * A server that somebody else runs. Throws a UsageError where the address is none, and a
 * MissingPartError where nothing answers, the password is refused or the database does not exist;
 * the password is in none of them.
 */
export async function givenServer(url: string, option: string): Promise<MysqlServer> {
  const { shown, database } = parseAddress(url, option);
  const look = async (): Promise<string> => {
    try {
      return await versionAt(url);
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      throw new MissingPartError(`${option}: ${shown}: ${databaseProblem(error)}`, [
        waysOut[code]?.(database) ?? 'start it',
        option === '--mysql' ? 'leave the address out to have one found' : 'give another address',
      ]);
    }
  };
  return {
    url,
    kind: 'given',
    version: await look(),
    async ensure() {
      await look();
    },
    async close() {},
  };
}
