import { defineConfig } from 'vitest/config';

/** Real servers: MySQL 8.0.15 and the machine's MariaDB, one file after the other. */
export default defineConfig({
  test: {
    include: ['test/mysql/*.test.ts'],
    globalSetup: ['test/mysql/set-up.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    fileParallelism: false,
  },
});
