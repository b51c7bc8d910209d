import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'src/**/*.test.ts',
      'mocks/**/*.test.ts',
      'test/*.test.ts',
      'test/truth/*.test.ts',
      'test/contract/*.test.ts',
    ],
    // Real processes that load the machine: npm run test:commands.
    exclude: ['src/engines/process/**'],
    testTimeout: 60_000,
    // By default one core is left out, which of two is half.
    maxWorkers: '100%',
  },
});
