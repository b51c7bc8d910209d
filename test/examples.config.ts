import { defineConfig } from 'vitest/config';

/** The examples as their READMEs say to run them: real processes against real servers, one after the other. */
export default defineConfig({
  test: {
    include: ['test/examples/*.test.ts'],
    globalSetup: ['test/mysql/set-up.ts'],
    testTimeout: 180_000,
    hookTimeout: 300_000,
    fileParallelism: false,
  },
});
