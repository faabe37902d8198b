import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('.', import.meta.url));

/**
 * NEST=nest11-oldest or NEST=nest11-newest runs the integration project on the Nest 11 that
 * test/nest11/oldest or test/nest11/newest installs. Without it everything runs on Nest 12.
 */
function nestMapper(name) {
  if (!name) return {};
  const match = /^nest11-(oldest|newest)$/.exec(name);
  if (!match) throw new Error(`NEST must be nest11-oldest or nest11-newest, not "${name}".`);
  const modules = `${root}test/nest11/${match[1]}/node_modules`;
  // Nest 11 comes with older releases of these two; where npm could share one copy, it did.
  const shared = ['typeorm', 'cron'].filter((dependency) => existsSync(`${modules}/${dependency}`));
  return {
    '^@nestjs/(common|core|testing|platform-express|schedule|typeorm)(/.*)?$': `${modules}/@nestjs/$1$2`,
    ...Object.fromEntries(
      shared.map((dependency) => [`^${dependency}(/.*)?$`, `${modules}/${dependency}$1`]),
    ),
  };
}

const base = {
  rootDir: root,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node'],
  modulePathIgnorePatterns: ['<rootDir>/dist'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        sourceMaps: 'inline',
        module: { type: 'es6' },
        jsc: {
          target: 'es2022',
          keepClassNames: true,
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
      },
    ],
  },
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^nestjs-scoped-worker$': '<rootDir>/lib/index.ts',
    '^nestjs-scoped-worker/typeorm$': '<rootDir>/lib/typeorm/index.ts',
    ...nestMapper(process.env.NEST),
  },
};

export default {
  // A worker that has grown is replaced: collecting the garbage of a hundred suites would outlast a test's time.
  maxWorkers: 2,
  workerIdleMemoryLimit: '600MB',
  // A guard against hangs, far above what any test needs on a busy machine.
  testTimeout: 120_000,
  projects: [
    { ...base, displayName: 'unit', testMatch: ['<rootDir>/test/unit/**/*.spec.ts'] },
    {
      ...base,
      displayName: 'integration',
      // PLANS=rehearsed: plans build everything from the first scope on, not only from the third. Without it, most tests see what
      // Nest builds, because they need fewer ticks.
      setupFiles:
        process.env.PLANS === 'rehearsed' ? ['<rootDir>/test/support/rehearse-plans.ts'] : [],
      testMatch: [
        '<rootDir>/test/integration/**/*.spec.ts',
        '<rootDir>/test/contract/**/*.spec.ts',
        '<rootDir>/sample-app/**/*.spec.ts',
      ],
      // Jest runs these two only when a test of this project is selected.
      globalSetup: '<rootDir>/test/support/postgres-setup.mjs',
      globalTeardown: '<rootDir>/test/support/postgres-teardown.mjs',
    },
  ],
};
