import { setTimeout as sleep } from 'node:timers/promises';
import type { StartedNetwork, StartedTestContainer, WaitStrategy } from 'testcontainers';
import { MissingPartError } from '../missing-part.ts';
import { dockerClient } from './runtime.ts';

/** The only address that ports are published on. */
export const loopback = '127.0.0.1';

export type ContainerSpec = {
  image: string;
  /** The environment variable by which a user names another image. */
  imageVariable: string;
  command?: string[];
  environment?: Record<string, string>;
  /** Ports of the container; each gets a free one of the host, or the one that is named, on loopback. */
  ports?: (number | { container: number; host: number })[];
  network?: StartedNetwork | undefined;
  /** What others on the network call it. */
  alias?: string;
  mounts?: { source: string; target: string; mode: 'ro' | 'rw' }[];
  /** `uid:gid`; the image's own where absent. */
  user?: string | undefined;
  /** Nothing but /tmp can be written, and no capabilities are held. */
  locked?: boolean;
  /** Resolves to true once the container does its work; asked again and again. */
  ready?: (hostPort: (port: number) => number) => Promise<boolean>;
  /** How long it may take to get ready. */
  timeoutMs?: number;
  say: (line: string) => void;
  signal?: AbortSignal | undefined;
};

/** A container that runs. */
export type RunningContainer = {
  id: string;
  hostPort: (port: number) => number;
  /** What it has written so far; both streams where none is named. */
  logs: (stream?: 'stdout' | 'stderr') => Promise<string>;
  running: () => Promise<boolean>;
  /** Resolves to its exit code when it has ended. */
  ended: () => Promise<number>;
  kill: () => Promise<void>;
  /** Starts it again after it has ended, and waits until it is ready. Free ports become others. */
  restart: () => Promise<void>;
  /** Stops and removes it with its volumes. Idempotent. */
  remove: () => Promise<void>;
};

/** Fetches an image that is not there yet. Rejects with MissingPartError where it can't be had. */
export async function ensureImage({
  image,
  imageVariable,
  say,
  signal,
}: Pick<ContainerSpec, 'image' | 'imageVariable'> &
  Pick<ContainerSpec, 'say' | 'signal'>): Promise<void> {
  const client = await dockerClient();
  const { ImageName } = await import('testcontainers');
  const name = ImageName.fromString(image);
  if (await client.image.exists(name)) return;
  say(`fetching the image ${image}`);
  try {
    await unlessAborted(client.image.pull(name), signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw new MissingPartError(`the image ${image} can't be had (${reasonIn(error)})`, [
      `try \`docker pull ${image}\``,
      `name one that is here or that your registry has: ${imageVariable}`,
      'put your mirror of Docker Hub before all names: TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX',
    ]);
  }
}

/**
 * Starts a container labelled `kneepoint` and waits until it is ready. Rejects with MissingPartError
 * where the image can't be had or never gets ready, with the signal's reason where it is aborted, and
 * leaves nothing behind then.
 */
export async function startContainer(spec: ContainerSpec): Promise<RunningContainer> {
  const { image, imageVariable, environment = {}, ports = [], signal } = spec;
  await ensureImage(spec);
  signal?.throwIfAborted();
  const client = await dockerClient();
  const { GenericContainer } = await import('testcontainers');

  // What testcontainers has no method for: the address to publish on, and a root that can't be written.
  class Contained extends GenericContainer {
    protected override async beforeContainerCreated(): Promise<void> {
      const bindings: Record<string, object[]> = this.hostConfig.PortBindings ?? {};
      for (const binding of Object.values(bindings).flat())
        Object.assign(binding, { HostIp: loopback });
      this.hostConfig.ReadonlyRootfs = spec.locked ?? false;
    }
  }
  const container = new Contained(image)
    .withLabels({ kneepoint: 'true' })
    .withEnvironment(environment)
    .withExposedPorts(...ports)
    .withSecurityOpt('no-new-privileges')
    .withBindMounts(spec.mounts ?? [])
    .withWaitStrategy(atOnce);
  if (spec.locked) container.withDroppedCapabilities('ALL').withTmpFs({ '/tmp': 'rw,mode=1777' });
  if (spec.command) container.withCommand(spec.command);
  if (spec.user) container.withUser(spec.user);
  if (spec.network) {
    container.withNetwork(spec.network);
    if (spec.alias) container.withNetworkAliases(spec.alias);
  }

  let started: StartedTestContainer;
  try {
    started = await container.start();
  } catch (error) {
    throw new MissingPartError(`a container of ${image} does not start (${reasonIn(error)})`, [
      `name another image: ${imageVariable}`,
      'set TESTCONTAINERS_RYUK_DISABLED=true where the image testcontainers/ryuk is what is missing',
    ]);
  }
  const handle = client.container.getById(started.getId());
  let removed: Promise<void> | undefined;
  const running: RunningContainer = {
    id: started.getId(),
    hostPort: (port) => started.getMappedPort(port),
    async logs(stream) {
      const wanted = { stdout: stream !== 'stderr', stderr: stream !== 'stdout' };
      return plainText((await handle.logs(wanted)) as Buffer);
    },
    running: async () => (await handle.inspect()).State.Running,
    ended: async () => ((await handle.wait()) as { StatusCode: number }).StatusCode,
    kill: () => handle.kill().catch(() => {}),
    async restart() {
      await handle.start();
      await untilReady(spec, running);
    },
    remove() {
      removed ??= handle.remove({ force: true, v: true }).catch((error) => {
        // 404: somebody else removed it, 409: is about to.
        if (![404, 409].includes((error as { statusCode?: number }).statusCode ?? 0)) throw error;
      });
      return removed;
    },
  };
  try {
    await untilReady(spec, running);
  } catch (error) {
    await running.remove();
    throw error;
  }
  return running;
}

/** Our own waiting can be aborted, and ends early where the container does. */
const atOnce: WaitStrategy = {
  waitUntilReady: async () => {},
  withStartupTimeout: () => atOnce,
  isStartupTimeoutSet: () => true,
  getStartupTimeout: () => 0,
};

async function untilReady(spec: ContainerSpec, container: RunningContainer): Promise<void> {
  const { image, imageVariable, ready, timeoutMs = 60_000, signal } = spec;
  if (!ready) return;
  const deadline = performance.now() + timeoutMs;
  while (!(await ready(container.hostPort))) {
    signal?.throwIfAborted();
    const ended = !(await container.running());
    if (ended || performance.now() > deadline) {
      const lastLine = (await container.logs()).trim().split('\n').at(-1) ?? '';
      const why = ended ? 'ended' : `was not ready within ${timeoutMs / 1_000} s`;
      throw new MissingPartError(`the container of ${image} ${why} (${lastLine.slice(0, 300)})`, [
        `name another image: ${imageVariable}`,
        'give Docker more memory or time',
      ]);
    }
    await sleep(100, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
  }
}

/** Docker's logs come in frames: eight bytes, of which the last four are the length of the text. */
export function plainText(frames: Buffer): string {
  const texts: Buffer[] = [];
  for (let at = 0; at + 8 <= frames.length; ) {
    const length = frames.readUInt32BE(at + 4);
    texts.push(frames.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(texts).toString();
}

/** What Docker said, without the codes around it. */
export const reasonIn = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error))
    .replace(/^\(HTTP code (\d+)\) [^-]*- /, '')
    .split('\n')[0]!
    .trim()
    .slice(0, 300);

/** What is under way goes on in the daemon; only the waiting ends. */
export async function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (!signal) return work;
  signal.throwIfAborted();
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
