import { defineConfig } from 'vitest/config';

/** What takes minutes or presses hard: `npm run test:stress`. One file after the other, so that none disturbs another. */
export default defineConfig({
  test: {
    include: ['test/stress/*.test.ts'],
    testTimeout: 300_000,
    fileParallelism: false,
    reporters: ['default'],
  },
});
