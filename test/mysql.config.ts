import { defineConfig } from 'vitest/config';

/** Real servers: MySQL 8.0.15 and the machine's MariaDB, one file after the other. */
export default defineConfig({
  test: {
    include: ['test/mysql/*.test.ts'],
    globalSetup: ['test/mysql/set-up.ts'],
    // Real time on a shared machine: what fails once by a neighbour's doing passes the second time.
    retry: 1,
    testTimeout: 180_000,
    hookTimeout: 180_000,
    fileParallelism: false,
  },
});
