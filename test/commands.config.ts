import { defineConfig } from 'vitest/config';

/** The commands as processes, with k6 and pipelines under them: `npm run test:commands`. One file after the other. */
export default defineConfig({
  test: {
    include: ['test/commands/**/*.test.ts', 'src/engines/process/*.test.ts'],
    // Real time on a shared machine: what fails once by a neighbour's doing passes the second time.
    retry: 1,
    testTimeout: 120_000,
    fileParallelism: false,
  },
});
