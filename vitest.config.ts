import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/build.ts', 'test/services/programs.ts', 'test/services/broker.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Most of the long ones wait for real servers; by default two cores have one worker.
    maxWorkers: 3,
    coverage: { provider: 'v8', include: ['src/**', 'decorators/**'] },
  },
})
