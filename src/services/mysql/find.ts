import { MissingPartError } from '../missing-part.ts';
import { isLoopback, parseAddress } from './address.ts';
import { findBinary } from './binary.ts';
import { givenServer } from './given-server.ts';
import { startOwnServer } from './own-server.ts';
import type { MysqlServer } from './server.ts';

export type FindMysqlOptions = {
  /** True, or nothing, where the flag came without an address. */
  flag: string | true | undefined;
  env: Record<string, string | undefined>;
  /** Told which server was taken, and what is slow. */
  say: (line: string) => void;
  signal?: AbortSignal | undefined;
  /** What the flag is called in messages. */
  option?: string;
};

/**
 * The address to use: the flag's, or else MYSQL_URL where it leads to this machine. An address of
 * another host that merely lies in the environment may be production, and load is sent there only by
 * a flag that says so.
 */
export function givenAddress({ flag, env, say, option = '--mysql' }: FindMysqlOptions) {
  if (typeof flag === 'string') return { url: flag, origin: option };
  const url = env.MYSQL_URL;
  if (!url) return undefined;
  const address = parseAddress(url, 'MYSQL_URL');
  if (isLoopback(address)) return { url, origin: 'MYSQL_URL' };
  say(
    `MYSQL_URL leads to ${address.host}, which may be production: it takes ${option} URL to use it`,
  );
  return undefined;
}

/**
 * A MySQL or MariaDB for a run: the one at the given address; else one in Docker; else one started
 * from `mysqld` or `mariadbd` on this machine. Rejects with MissingPartError, which lists the ways and
 * why each failed, and with the signal's reason where it was aborted.
 */
export async function findMysql(options: FindMysqlOptions): Promise<MysqlServer> {
  const { env, say, signal, option = '--mysql' } = options;
  const given = givenAddress(options);
  if (given) {
    const server = await givenServer(given.url, given.origin, { say, signal });
    say(`${server.version} at ${parseAddress(given.url, given.origin).shown}`);
    return server;
  }

  let dockerTrouble: string | undefined = 'KNEEPOINT_SKIP_DOCKER is set';
  if (env.KNEEPOINT_SKIP_DOCKER !== '1') {
    // A run without MySQL has no use for what it takes to drive Docker.
    const { dockerProblem, startMysqlContainer } = await import('../containers.ts');
    dockerTrouble = await dockerProblem();
    if (dockerTrouble === undefined) {
      try {
        const server = await startMysqlContainer({ say, signal });
        say(`${server.version} in a container`);
        return server;
      } catch (error) {
        signal?.throwIfAborted();
        dockerTrouble = (error as Error).message.split('\n')[0]!;
        say(`not in Docker: ${dockerTrouble}`);
      }
    }
  }
  const binary = await findBinary(env);
  if ('path' in binary) {
    say(`starting ${binary.version} by ${binary.name} on this machine`);
    const server = await startOwnServer({ binary, env, signal });
    say(`${server.version} by ${binary.name} on this machine`);
    return server;
  }
  throw new MissingPartError('there is no MySQL', [
    `give one: ${option} mysql://user:password@127.0.0.1:3306/database, or MYSQL_URL on this machine`,
    `start Docker (${dockerTrouble})`,
    `install mysqld or mariadbd (${binary.reason})`,
  ]);
}

/** What was taken, for a result: the version, and how it came. */
export const describeServer = ({ version, kind, url }: MysqlServer): string =>
  kind === 'given'
    ? `${version} at ${parseAddress(url, '--mysql').shown}`
    : `${version} ${kind === 'container' ? 'in a container' : 'on this machine'}`;
