import { defineConfig } from 'vitest/config';

/** The examples as their READMEs say to run them: real processes against real servers, one after the other. */
export default defineConfig({
  test: {
    include: ['test/examples/*.test.ts'],
    globalSetup: ['test/mysql/set-up.ts'],
    // Real time on a shared machine: what fails once by a neighbour's doing passes the second time.
    retry: 1,
    testTimeout: 180_000,
    hookTimeout: 300_000,
    fileParallelism: false,
  },
});
