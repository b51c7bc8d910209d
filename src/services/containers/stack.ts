/** `kneepoint run --docker`: mocks, k6 and, if asked, MySQL in containers on a network of their own. */
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { StartedNetwork } from 'testcontainers';
import { packageRoot } from '../../package-root.ts';
import { type MysqlContainer, mysqlImage, startMysqlContainer } from '../containers.ts';
import { ownImage } from './image.ts';
import { dockerClient } from './runtime.ts';
import {
  type ContainerSpec,
  ensureImage,
  loopback,
  type RunningContainer,
  startContainer,
} from './start.ts';

/** Addresses of the mocks, as one side of the network sees them. */
export type StackUrls = { openai: string; qdrant: string; records: string; admin: string };

export type K6Cell = {
  /** For the script, beside the addresses: WORKERS, KNEEPOINT_CELL and the like. */
  env: Record<string, string>;
  /** The lab as JSON: a file in the folder of the summary or below. */
  labPath: string;
  /** Where k6 writes its summary. Its folder is all that k6 can write to. */
  summaryPath: string;
  signal?: AbortSignal | undefined;
};

export type Stack = {
  /** `inside` for containers on the network, `host` for this process. */
  urls: { inside: StackUrls; host: StackUrls };
  /** Of the admin port. */
  token: string;
  mysql: MysqlContainer | undefined;
  /** Images by what they are for, and what k6 says of itself. */
  versions: { images: Record<string, string>; k6: string };
  /** Runs one cell to its end. An abort kills it; the exit code is 137 then. */
  runK6: (cell: K6Cell) => Promise<{ exitCode: number; stderr: string }>;
  /** Removes every container, then the network. Idempotent. */
  close: () => Promise<void>;
};

export type StackOptions = {
  /** Virtual seconds per real second of keys that register none of their own. */
  speed?: number;
  /** Starts MySQL too, fills it with the records of this lab and lets the mocks read them from there. */
  mysql?: { labPath: string } | undefined;
  say: (line: string) => void;
  signal?: AbortSignal | undefined;
};

/** The image of k6: KNEEPOINT_K6_IMAGE, or the pinned one. */
export const k6Image = (): string => process.env.KNEEPOINT_K6_IMAGE || 'grafana/k6:2.2.0';

const ports = { openai: 4610, records: 4611, admin: 4612, qdrant: 4633 };
const folderInside = '/results';
const packageInside = '/kneepoint';

/** Starts everything but k6, whose containers live for one cell each. Rejects with MissingPartError. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { say, signal } = options;
  await dockerClient();
  const image = await ownImage({ say, signal });
  const k6 = { image: k6Image(), imageVariable: 'KNEEPOINT_K6_IMAGE', say };
  await ensureImage({ ...k6, signal });

  const { Network } = await import('testcontainers');
  const running = new Set<{ remove: () => Promise<void> }>();
  let network: StartedNetwork | undefined;
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= (async () => {
      await Promise.all([...running].map(({ remove }) => remove()));
      await network?.stop();
    })();
    return closed;
  };

  try {
    network = await new Network().start();
    const onNetwork = network;
    let mysql: MysqlContainer | undefined;
    if (options.mysql) {
      mysql = await startMysqlContainer({ say, signal, network });
      running.add({ remove: mysql.close });
    }
    const inside = urlsOf('mocks', (port) => port);
    const mocks = await startMocks(options, image, network, mysql);
    running.add(mocks);
    const host = urlsOf(loopback, mocks.hostPort);

    const k6Container = (spec: Partial<ContainerSpec>) =>
      startContainer({ ...k6, locked: true, user: callersUser(), ...spec });
    const version = await k6Container({ command: ['version'], signal });
    running.add(version);
    await version.ended();
    const k6Version = /v(\d\S+)/.exec(await version.logs('stdout'))?.[1] ?? 'unknown';
    await version.remove();

    const runK6 = async (cell: K6Cell) => {
      const folder = dirname(resolve(cell.summaryPath));
      const container = await k6Container({
        network: onNetwork,
        environment: {
          KNEEPOINT_OPENAI_URL: inside.openai,
          KNEEPOINT_QDRANT_URL: inside.qdrant,
          KNEEPOINT_RECORDS_URL: inside.records,
          ...cell.env,
          KNEEPOINT_LAB: pathInside(folder, cell.labPath),
          KNEEPOINT_SUMMARY: pathInside(folder, cell.summaryPath),
          HOME: '/tmp',
          K6_NO_USAGE_REPORT: 'true',
          K6_AUTO_EXTENSION_RESOLUTION: 'false',
          // Half the collections: a pause of 5 ms is 50 virtual ones.
          GOGC: '400',
        },
        command: ['run', '--quiet', '--include-system-env-vars=true', `${packageInside}/k6/lab.ts`],
        mounts: [
          { source: join(packageRoot, 'k6'), target: `${packageInside}/k6`, mode: 'ro' },
          { source: join(packageRoot, 'src'), target: `${packageInside}/src`, mode: 'ro' },
          { source: folder, target: folderInside, mode: 'rw' },
        ],
        signal: cell.signal,
      });
      running.add(container);
      // Nobody else would remove what was started while the others were.
      if (closed) await container.remove();
      const kill = () => void container.kill();
      cell.signal?.addEventListener('abort', kill, { once: true });
      if (cell.signal?.aborted) kill();
      try {
        const exitCode = await container.ended();
        return { exitCode, stderr: await container.logs('stderr') };
      } finally {
        cell.signal?.removeEventListener('abort', kill);
        await container.remove();
        running.delete(container);
      }
    };

    const token = /KNEEPOINT_ADMIN_TOKEN=(\S+)/.exec(await mocks.logs('stdout'))![1]!;
    const images = { mocks: image, k6: k6.image, ...(mysql && { mysql: mysqlImage() }) };
    return {
      urls: { inside, host },
      token,
      mysql,
      versions: { images, k6: k6Version },
      runK6,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The mocks, without a right that they don't need. */
function startMocks(
  { speed = 1, mysql: wanted, say, signal }: StackOptions,
  image: string,
  network: StartedNetwork,
  mysql: MysqlContainer | undefined,
): Promise<RunningContainer> {
  const source = wanted && mysql ? ['--mysql', mysql.urlInside] : [];
  const lab = wanted ? ['--lab', '/lab.json'] : [];
  const user = callersUser();
  return startContainer({
    image,
    imageVariable: 'KNEEPOINT_IMAGE',
    command: ['mocks', '--host', '0.0.0.0', '--speed', String(speed), ...lab, ...source],
    ports: Object.values(ports),
    network,
    alias: 'mocks',
    // The file by itself: the folders above it may be closed to others.
    mounts: wanted ? [{ source: resolve(wanted.labPath), target: '/lab.json', mode: 'ro' }] : [],
    // It may be readable for its owner only; but nothing here needs root.
    user: user?.startsWith('0:') ? undefined : user,
    locked: true,
    // Filling MySQL with the records of a large lab comes first.
    timeoutMs: wanted ? 15 * 60_000 : 60_000,
    say,
    signal,
    ready: (hostPort) => answers(`http://${loopback}:${hostPort(ports.admin)}/healthz`),
  });
}

const urlsOf = (host: string, portOf: (port: number) => number): StackUrls => ({
  openai: `http://${host}:${portOf(ports.openai)}/v1`,
  qdrant: `http://${host}:${portOf(ports.qdrant)}`,
  records: `http://${host}:${portOf(ports.records)}`,
  admin: `http://${host}:${portOf(ports.admin)}`,
});

const answers = (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    ({ ok }) => ok,
    () => false,
  );

/** Where a container finds a file of the folder. */
function pathInside(folder: string, path: string): string {
  const within = relative(folder, resolve(path));
  if (within.startsWith('..') || isAbsolute(within))
    throw new Error(`${path} is not in ${folder}, which is all that containers see`);
  return `${folderInside}/${within.split(sep).join('/')}`;
}

/** What k6 writes belongs to whoever started it. Windows has no such numbers. */
const callersUser = (): string | undefined =>
  process.getuid && process.getgid ? `${process.getuid()}:${process.getgid()}` : undefined;
