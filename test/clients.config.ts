import { defineConfig } from 'vitest/config';

/** The official clients, unmodified: they mostly wait, so all that can wait does so at once. */
export default defineConfig({
  test: {
    include: ['test/clients/**/*.test.ts'],
    globalSetup: ['test/clients/python/set-up.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxConcurrency: 40,
  },
});
