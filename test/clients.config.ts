import { defineConfig } from 'vitest/config';

/** The official clients, unmodified: they mostly wait, so all that can wait does so at once. */
export default defineConfig({
  test: {
    include: ['test/clients/**/*.test.ts'],
    globalSetup: ['test/clients/python/set-up.ts'],
    // Real time on a shared machine: what fails once by a neighbour's doing passes the second time.
    retry: 1,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxConcurrency: 40,
  },
});
