import { defineConfig } from 'vitest/config';

/** Real containers: one file after the other, because each presses the machine by itself. */
export default defineConfig({
  test: {
    include: ['test/docker/**/*.test.ts'],
    globalSetup: ['test/docker/set-up.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
});
