import { defineConfig } from 'vitest/config';

/** The commands as processes, with k6 and pipelines under them: `npm run test:commands`. One file after the other. */
export default defineConfig({
  test: {
    include: ['test/commands/**/*.test.ts', 'src/engines/process/*.test.ts'],
    testTimeout: 120_000,
    fileParallelism: false,
  },
});
