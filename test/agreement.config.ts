import { defineConfig } from 'vitest/config';

/** Measurements that load the machine: one file at a time, and with all the time they need. */
export default defineConfig({
  test: {
    include: ['test/agreement/**/*.test.ts'],
    // Real time on a shared machine: what fails once by a neighbour's doing passes the second time.
    retry: 1,
    testTimeout: 3_600_000,
    fileParallelism: false,
  },
});
