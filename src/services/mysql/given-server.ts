import { setTimeout as sleep } from 'node:timers/promises';
import { MissingPartError } from '../missing-part.ts';
import { parseAddress } from './address.ts';
import { databaseProblem, versionAt } from './connect.ts';
import type { MysqlServer } from './server.ts';

const waysOut: Record<string, (database: string) => string> = {
  ER_ACCESS_DENIED_ERROR: () => 'correct user and password',
  ER_DBACCESS_DENIED_ERROR: (database) => `let the user use ${database}`,
  ER_BAD_DB_ERROR: (database) => `create it: CREATE DATABASE ${database}`,
};

/** A server that is started again answers within this time. */
const usualPatienceMs = 30_000;
const betweenLooksMs = 500;

export type GivenServerOptions = {
  /** Told once where it stops answering later, and is waited for. */
  say?: (line: string) => void;
  patienceMs?: number;
  signal?: AbortSignal | undefined;
};

/**
 * A server that somebody else runs. Throws a UsageError where the address is none, and a
 * MissingPartError where nothing answers, the password is refused or the database does not exist;
 * the password is in none of them.
 */
export async function givenServer(
  url: string,
  option: string,
  { say = () => {}, patienceMs = usualPatienceMs, signal }: GivenServerOptions = {},
): Promise<MysqlServer> {
  const { shown, database } = parseAddress(url, option);
  const look = async (): Promise<string> => {
    try {
      return await versionAt(url);
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      throw new MissingPartError(`${option}: ${shown}: ${databaseProblem(error)}`, [
        waysOut[code]?.(database) ?? 'start it',
        option === '--mysql'
          ? 'leave the address out to have one found'
          : option === 'MYSQL_URL'
            ? 'unset MYSQL_URL, or give another address'
            : 'give another address',
      ]);
    }
  };
  return {
    url,
    kind: 'given',
    version: await look(),
    async ensure() {
      const endMs = performance.now() + patienceMs;
      for (let told = false; ; await sleep(betweenLooksMs, undefined, { signal })) {
        try {
          await look();
          return;
        } catch (error) {
          signal?.throwIfAborted();
          if (performance.now() > endMs) throw error;
          if (!told)
            say(
              `${shown} does not answer; waiting up to ${Math.round(patienceMs / 1_000)} s for it`,
            );
          told = true;
        }
      }
    },
    async close() {},
  };
}
