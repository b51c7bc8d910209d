/** MySQL in a container of our own. */
import { randomBytes } from 'node:crypto';
import { type AddressInfo, createServer } from 'node:net';
import type { StartedNetwork } from 'testcontainers';
import { dockerProblem as problem } from './containers/runtime.ts';
import { loopback, type RunningContainer, startContainer } from './containers/start.ts';
import { versionAt } from './mysql/connect.ts';
import type { MysqlServer } from './mysql/server.ts';

const port = 3306;
const database = 'kneepoint';
// The official image initialises its data first, which takes a slow disk its time.
const timeoutMs = 180_000;

/** Why there is no Docker, in a few words; nothing where there is. Asked once in a process, and quick. */
export const dockerProblem = (): Promise<string | undefined> => problem();

/** The image of MySQL: KNEEPOINT_MYSQL_IMAGE, or the pinned one. */
export const mysqlImage = (): string => process.env.KNEEPOINT_MYSQL_IMAGE || 'mysql:8.4.11';

export type MysqlContainerOptions = {
  /** Told what takes long. */
  say: (line: string) => void;
  signal?: AbortSignal | undefined;
  /** Others on this network find it as `mysql`. */
  network?: StartedNetwork | undefined;
};

/** A MySQL in a container, and its address on the network that it was started on. */
export type MysqlContainer = MysqlServer & { urlInside: string };

/**
 * Starts MySQL with a random password, published on loopback only. `ensure` starts it again where it has
 * ended, at the same address and with its data, or empty where somebody has removed it. Rejects with
 * MissingPartError where it can't be had, and with the signal's reason where that is aborted.
 */
export async function startMysqlContainer(options: MysqlContainerOptions): Promise<MysqlContainer> {
  const { say, signal, network } = options;
  const password = randomBytes(18).toString('base64url');
  const image = mysqlImage();
  const urlOn = (host: string): string => `mysql://kneepoint:${password}@${host}/${database}`;
  // Of our own choice, so that it is the same after a restart.
  const hostPort = await freePort();
  const url = urlOn(`${loopback}:${hostPort}`);
  let version = '';

  const start = (): Promise<RunningContainer> =>
    startContainer({
      image,
      imageVariable: 'KNEEPOINT_MYSQL_IMAGE',
      environment: {
        MYSQL_ROOT_PASSWORD: randomBytes(18).toString('base64url'),
        MYSQL_DATABASE: database,
        MYSQL_USER: 'kneepoint',
        MYSQL_PASSWORD: password,
      },
      command: ['--skip-log-bin', '--max-connections=500'],
      ports: [{ container: port, host: hostPort }],
      network,
      alias: 'mysql',
      timeoutMs,
      say,
      signal,
      // An open port says nothing: Docker opens it, and the image runs a server for its own set-up first.
      ready: async () => {
        try {
          version = await versionAt(url);
          return true;
        } catch {
          return false;
        }
      },
    });

  say(`starting MySQL in a container of ${image}`);
  let container = await start();
  let closed = false;
  return {
    url,
    urlInside: urlOn(`mysql:${port}`),
    kind: 'container',
    version,
    async ensure() {
      if (closed || (await container.running().catch(() => false))) return;
      say('MySQL has ended; starting it again');
      // With its data, unless somebody has removed it.
      await container.restart().catch(async () => {
        await container.remove();
        container = await start();
      });
    },
    async close() {
      closed = true;
      await container.remove();
    },
  };
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, loopback, () => {
      const { port: free } = server.address() as AddressInfo;
      server.close(() => resolve(free));
    });
  });
