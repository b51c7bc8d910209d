import type { TestProject } from 'vitest/node';
import { ownImage } from '../../src/services/containers/image.ts';
import { dockerProblem } from '../../src/services/containers/runtime.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Why there is no Docker; empty where there is. */
    noDocker: string;
  }
}

/** Asks for Docker once, says loudly where there is none, and builds the image that all tests share. */
export default async function setUp({ provide }: TestProject): Promise<void> {
  const problem = await dockerProblem();
  provide('noDocker', problem ?? '');
  if (problem !== undefined) {
    if (process.env.KNEEPOINT_REQUIRE_DOCKER === '1')
      throw new Error(`KNEEPOINT_REQUIRE_DOCKER is set, and there is no Docker: ${problem}`);
    process.stderr.write(`\n  CONTAINER TESTS ARE SKIPPED: ${problem}\n\n`);
    return;
  }
  const say = (line: string) => void process.stderr.write(`  ${line}\n`);
  process.env.KNEEPOINT_IMAGE = await ownImage({ say });
}
