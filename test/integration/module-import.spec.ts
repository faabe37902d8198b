import { Global, Injectable, Module, type DynamicModule, type OnModuleInit } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  InvalidOptionsError,
  ScopedCron,
  ScopedWorker,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
  type ScheduleInfo,
  type ScopedWorkerModuleOptions,
} from '../../lib/index.js';
import { closeApps, RecordingLogger, startApp } from '../support/app.js';
import { YEARLY } from '../support/probes.js';
import { refusal } from '../support/refusal.js';

@ScopedWorker()
class Job {
  @ScopedCron(YEARLY)
  run(): void {}
}

const options = (bad: object): ScopedWorkerModuleOptions => bad;

describe('The import of the module', () => {
  afterEach(closeApps);

  describe('when the module is imported twice', () => {
    const onOpen = (): void => undefined;

    it.each<[string, object, object]>([
      ['another timeout', { drainTimeoutMs: 1 }, { drainTimeoutMs: 2 }],
      ['another hook', { onOpen }, { onOpen: () => undefined }],
      ['another override', { overrides: { 'Job.run': { disabled: true } } }, { overrides: {} }],
    ])('[D24] refuses %s, and says where to import it', async (_what, first, second) => {
      const error = await refusal({
        providers: [Job],
        imports: [ScopedWorkerModule.forRoot(second)],
        options: options(first),
      });
      expect(error).toBeInstanceOf(InvalidOptionsError);
      expect(error.message).toMatch(/more than once with different options.*root module/);
    });

    it.each<[string, () => object]>([
      ['the same timeouts', () => ({ drainTimeoutMs: 1, shutdownTimeoutMs: 2 })],
      ['the same hook', () => ({ onOpen })],
      ['the same overrides', () => ({ overrides: { 'Job.run': { disabled: true } } })],
      ['options left out and options undefined', () => ({ drainTimeoutMs: undefined })],
    ])('[D24] starts with %s', async (_what, same) => {
      const { registry } = await startApp({
        providers: [Job],
        imports: [ScopedWorkerModule.forRoot(same())],
        options: options(same()),
      });
      expect(registry.list()).toHaveLength(1);
    });
  });

  describe('when its options come later', () => {
    /** Starts an application whose only import of the module is this one, and returns its schedules. */
    async function start(
      async: Parameters<typeof ScopedWorkerModule.forRootAsync>[0],
    ): Promise<ScheduleInfo[]> {
      const app = await Test.createTestingModule({
        imports: [ScopedWorkerModule.forRootAsync(async)],
        providers: [Job],
      })
        .setLogger(new RecordingLogger())
        .compile();
      try {
        await app.init();
        return app.get(ScopedWorkerRegistry).list();
      } finally {
        await app.close();
      }
    }

    @Injectable()
    class Configuration {
      create(): ScopedWorkerModuleOptions {
        return { overrides: { 'Job.run': { cron: '-' } } };
      }
    }

    @Module({ providers: [Configuration], exports: [Configuration] })
    class ConfigurationModule {}

    const imports = [ConfigurationModule];

    it.each<[string, Parameters<typeof ScopedWorkerModule.forRootAsync>[0]]>([
      [
        'useFactory',
        {
          imports,
          inject: [Configuration],
          useFactory: async (configuration: Configuration) => configuration.create(),
        },
      ],
      ['useClass', { useClass: Configuration }],
      ['useExisting', { imports, useExisting: Configuration }],
    ])('[C17] %s configures the schedules', async (_way, async) => {
      expect(await start(async)).toMatchObject([{ name: 'Job.run', state: 'disabled' }]);
    });

    it('[C13] refuses what a factory should not return, and starts its neighbor', async () => {
      await expect(start({ useFactory: async () => ({ drainTimeoutMs: -1 }) })).rejects.toThrow(
        InvalidOptionsError,
      );
      await expect(start({ useFactory: () => 'text' as never })).rejects.toThrow(
        /an options object, not "text"/,
      );
      expect(await start({ useFactory: async () => ({ drainTimeoutMs: 1 }) })).toHaveLength(1);
    });
  });

  describe('when its options cannot be had', () => {
    const from = (given: unknown): Promise<string> =>
      starting(() => ScopedWorkerModule.forRootAsync(given as never));
    const starting = async (module: () => DynamicModule): Promise<string> => {
      try {
        const app = await Test.createTestingModule({ imports: [module()], providers: [Job] })
          .setLogger(new RecordingLogger())
          .compile();
        await app.init();
        await app.close();
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidOptionsError);
        return (error as Error).message;
      }
      return 'started';
    };
    const made = (value: unknown): DynamicModule => ({
      module: class Elsewhere {},
      providers: [{ provide: 'made', useValue: value }],
      exports: ['made'],
    });
    const useFactory = (): object => ({});
    class WithoutCreate {}
    class Creates {
      readonly create = (): object => ({});
    }

    it.each<[string, unknown, string]>([
      ['undefined', undefined, 'options must be an object such as { useFactory }, not undefined'],
      ['a list', [], 'options must be an object such as { useFactory }, not an array'],
      ['nothing in it', {}, 'needs one of useFactory, useClass, useExisting'],
      [
        'two ways',
        {
          useFactory: () => ({}),
          useClass: class {
            create = (): object => ({});
          },
        },
        'has useFactory and useClass; keep one of them',
      ],
      [
        'an unknown option',
        { useFactory, isGlobal: true },
        "isGlobal isn't an option; the options",
      ],
      ['no function', { useFactory: {} }, 'useFactory must be a function, not an object'],
      ['no class', { useClass: {} }, 'useClass must be a class with a create() method, not an'],
      [
        'a class without create()',
        { useClass: WithoutCreate },
        'WithoutCreate has no create() method',
      ],
      [
        'an existing one without create()',
        { useExisting: 'made', imports: [made(5)] },
        'Number has no create() method',
      ],
    ])('[C13] one sentence refuses %s', async (_, given, words) => {
      const message = await from(given);
      expect(message).toMatch(/^ScopedWorkerModule\.forRootAsync\(\): [^\n]*\.$/);
      expect(message).toContain(words);
    });

    it.each<[string, unknown]>([
      ['undefined', { useFactory: () => undefined }],
      ['a promise of undefined', { useFactory: async () => undefined }],
      ['null', { useFactory: () => null }],
      [
        'undefined from create()',
        {
          useClass: class {
            create(): void {}
          },
        },
      ],
    ])('[C13] one sentence refuses %s in their place', async (_, given) => {
      expect(await from(given)).toBe(
        'ScopedWorkerModule.forRoot() and forRootAsync() take an options object, not null or undefined; pass {} for the defaults.',
      );
    });

    it.each<[string, unknown]>([
      ['a function', { useFactory }],
      ['a promise', { useFactory: async () => ({}), inject: [], imports: [] }],
      ['a class whose create() is a field', { useClass: Creates }],
      ['an existing token', { useExisting: 'made', imports: [made(new Creates())] }],
    ])('accepts %s', async (_, given) => {
      expect(await from(given)).toBe('started');
    });

    it('[C13] forRoot() refuses a list', async () => {
      expect(await starting(() => ScopedWorkerModule.forRoot([] as never))).toBe(
        'ScopedWorkerModule.forRoot() and forRootAsync() take an options object, not an array.',
      );
    });
  });

  describe('when another global module is imported first', () => {
    const reached: string[] = [];

    @Injectable()
    class Early implements OnModuleInit {
      onModuleInit(): void {
        reached.push('Early');
      }
    }
    @Global()
    @Module({ providers: [Early] })
    class EarlyModule {}

    it.each([
      ['refused before its onModuleInit', { drainTimeoutMs: -1 }, []],
      ['started with it', { drainTimeoutMs: 1 }, ['Early']],
    ])('[C13] the application is %s', async (_what, given, expected) => {
      reached.length = 0;
      const app = await Test.createTestingModule({
        imports: [EarlyModule, ScopedWorkerModule.forRoot(given)],
        providers: [Job],
      })
        .setLogger(new RecordingLogger())
        .compile();
      const isRefused = await app.init().then(
        () => false,
        () => true,
      );
      expect(reached).toEqual(expected);
      if (!isRefused) await app.close();
    });
  });
});
