/** The way to the Docker of this machine, and whether there is one. */
import { createServer } from 'node:net';
import type { ContainerRuntimeClient } from 'testcontainers';
import { MissingPartError } from '../missing-part.ts';

// A daemon that is there answers at once; one behind a dead address never does.
const patienceMs = 5_000;

type Found = { client: ContainerRuntimeClient } | { problem: string };

async function look(): Promise<Found> {
  let testcontainers: typeof import('testcontainers');
  try {
    testcontainers = await import('testcontainers');
  } catch {
    return { problem: 'the optional package testcontainers is not installed' };
  }
  const address = process.env.DOCKER_HOST;
  const asked = address ? `DOCKER_HOST=${address}` : 'its usual sockets';
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('late')), patienceMs);
  });
  try {
    const client = await Promise.race([testcontainers.getContainerRuntimeClient(), late]);
    const { host } = client.info.containerRuntime;
    // Ports are published on loopback, which of another machine nobody here can reach.
    if (!(await isHere(host)))
      return { problem: `Docker runs on another machine (${host}), whose ports are not ours` };
    return { client };
  } catch {
    return { problem: `no Docker answers at ${asked}` };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Whether an address is one of this machine's, as that of Docker's bridge is where Docker runs here. Only
 * a machine's own can be listened on; a list of interfaces leaves out a bridge without containers.
 */
const isHere = (host: string): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen(0, host, () => server.close(() => resolve(true)));
  });

let found: Promise<Found> | undefined;

/** Why containers can't be had here, in a few words; nothing where they can. Asked once in a process. */
export async function dockerProblem(): Promise<string | undefined> {
  found ??= look();
  const result = await found;
  return 'problem' in result ? result.problem : undefined;
}

/** The client of testcontainers. Rejects with MissingPartError where there is no Docker. */
export async function dockerClient(): Promise<ContainerRuntimeClient> {
  found ??= look();
  const result = await found;
  if ('client' in result) return result.client;
  throw new MissingPartError(`containers need Docker: ${result.problem}`, [
    'start Docker and try `docker version`',
    'name its socket in DOCKER_HOST, as in unix:///run/user/1000/docker.sock',
    'leave out --docker: mocks and k6 run without it',
  ]);
}
