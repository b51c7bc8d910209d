import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'src/**/*.test.ts',
      'mocks/**/*.test.ts',
      'test/*.test.ts',
      'test/truth/*.test.ts',
      'test/contract/*.test.ts',
      'test/exec/*.test.ts',
    ],
    testTimeout: 60_000,
  },
});
