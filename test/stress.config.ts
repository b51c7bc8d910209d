import { defineConfig } from 'vitest/config';

/** What takes minutes or presses hard: `npm run test:stress`. One file after the other, so that none disturbs another. */
export default defineConfig({
  test: {
    include: ['test/stress/*.test.ts'],
    // Real time on a shared machine: what fails once by a neighbour's doing passes the second time.
    retry: 1,
    testTimeout: 300_000,
    fileParallelism: false,
    reporters: ['default'],
  },
});
