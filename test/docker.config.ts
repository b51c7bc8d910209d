import { defineConfig } from 'vitest/config';

/** Real containers: one file after the other, because each presses the machine by itself. */
export default defineConfig({
  test: {
    include: ['test/docker/**/*.test.ts'],
    globalSetup: ['test/docker/set-up.ts'],
    fileParallelism: false,
    // Real time on a shared machine: what fails once by a neighbour's doing passes the second time.
    retry: 1,
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
});
