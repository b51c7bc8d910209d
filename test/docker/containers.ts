import { setTimeout as sleep } from 'node:timers/promises';
import { describe, inject } from 'vitest';
import { dockerClient } from '../../src/services/containers/runtime.ts';

const problem = inject('noDocker');

/** A suite that needs Docker; its name says why where it is skipped. */
export const withDocker = (name: string, suite: () => void): void =>
  void (problem === ''
    ? describe(name, suite)
    : describe.skip(`${name} (skipped: ${problem})`, suite));

/** What Docker knows of a container. */
export const inspect = async (id: string) => (await dockerClient()).container.getById(id).inspect();

/** The ids of all containers of ours, running or not. */
export const ourContainers = async (): Promise<string[]> => {
  const all = await (await dockerClient()).container.list();
  return all.filter(({ Labels }) => Labels?.kneepoint === 'true').map(({ Id }) => Id);
};

/** Runs a program in a container. */
export async function execIn(id: string, command: string[]) {
  const { container } = await dockerClient();
  return container.exec(container.getById(id), command);
}

/** Asks until the answer is yes. Rejects when the test's own time is over. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(200);
}
