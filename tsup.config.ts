import { defineConfig } from 'tsup'

// Declarations come from tsc (tsconfig.build.json): tsup's own `dts` needs a compiler API that
// TypeScript 7 no longer has.
export default defineConfig({
  entry: {
    index: 'src/index.ts',
    'control-plane': 'src/control-plane/index.ts',
    decorators: 'decorators/index.ts',
    cli: 'src/cli/main.ts',
    'manifest-worker': 'src/loader/manifest-worker.ts',
    'process-main': 'src/executors/process/process-main.ts',
    'thread-main': 'src/executors/thread/thread-main.ts',
    'watchdog-thread': 'src/runtime/workers/watchdog-thread.ts',
  },
  format: 'esm',
  target: 'node24',
  platform: 'node',
  splitting: true,
  sourcemap: true,
  clean: true,
  dts: false,
  // Inlined so that a start resolves a handful of files instead of hundreds (docs/decisions/0003).
  noExternal: ['zod', 'commander', 'find-my-way', 'pino', 'reflect-metadata'],
  external: [
    'esbuild',
    'prom-client',
    'pino-pretty',
    'etcd3',
    'consul',
    '@grpc/grpc-js',
    'protobufjs',
    'undici',
    'dockerode',
  ],
  // The inlined CommonJS packages call require() for node: modules.
  banner: {
    js: "import { createRequire as __fezzCreateRequire } from 'node:module'; const require = __fezzCreateRequire(import.meta.url);",
  },
})
