import { Injectable, Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  inspectScopes,
  ScopedCron,
  ScopedWorker,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
} from '../../lib/index.js';
import { appsOnFakeClock, closeApps, RecordingLogger, startApp } from '../support/app.js';
import { advance } from '../support/fake-clock.js';
import { YEARLY } from '../support/probes.js';

const namesOf = (registry: ScopedWorkerRegistry): string[] =>
  registry.list().map(({ name }) => name);

describe('The provision of a worker', () => {
  const ran: string[] = [];

  appsOnFakeClock();
  beforeEach(() => void (ran.length = 0));

  describe('when something is there twice', () => {
    @ScopedWorker()
    class Counting {
      @ScopedCron('0 * * * * *')
      tick(): void {
        ran.push('tick');
      }
    }

    @Module({ providers: [Counting] })
    class First {}

    @Module({ providers: [Counting], exports: [Counting] })
    class Second {}

    @Module({ imports: [First, Second] })
    class Third {}

    @Module({})
    class Dynamic {
      static register(id: string): DynamicModule {
        return { module: Dynamic, providers: [Counting, { provide: 'id', useValue: id }] };
      }
    }

    it.each([
      ['a worker that two modules provide', { imports: [First, Second] }],
      ['a module that is imported twice', { imports: [First, Third, Second] }],
      ['a dynamic module that is registered twice', { imports: ['a', 'b'].map(Dynamic.register) }],
      [
        'a worker under two tokens',
        { providers: [Counting, { provide: 'x', useClass: Counting }] },
      ],
      [
        'a worker with an alias',
        { providers: [Counting, { provide: 'x', useExisting: Counting }] },
      ],
      ['a provider that is a controller too', { providers: [Counting], controllers: [Counting] }],
      ['a worker that is listed twice', { providers: [Counting, Counting] }],
      [
        'forRoot() with the same options',
        { imports: [ScopedWorkerModule.forRoot(), First, ScopedWorkerModule.forRoot({})] },
      ],
      ['the module without forRoot()', { imports: [ScopedWorkerModule, First] }],
    ])('[D24] %s runs once per slot', async (_what, metadata) => {
      const { registry } = await startApp(metadata);
      expect(namesOf(registry)).toEqual(['Counting.tick']);
      await advance(120_000);
      expect(ran).toEqual(['tick', 'tick']);
    });

    it('[D24] in two applications of one process it runs once in each', async () => {
      await startApp({ imports: [First] });
      await startApp({ imports: [First] });
      await advance(60_000);
      expect(ran).toEqual(['tick', 'tick']);
    });
  });

  describe('when a worker class is provided nowhere', () => {
    @ScopedWorker()
    class Forgotten {
      @ScopedCron(YEARLY)
      tick(): void {}
    }

    @Injectable()
    class Other {}

    /** An application as `main.ts` starts it. */
    async function started(): Promise<RecordingLogger> {
      @Module({
        imports: [ScopedWorkerModule.forRoot({ scopeValidation: 'strict' })],
        providers: [Other],
      })
      class AppModule {}
      const logger = new RecordingLogger();
      const app = await NestFactory.createApplicationContext(AppModule, { logger });
      expect(namesOf(app.get(ScopedWorkerRegistry))).toEqual([]);
      await app.close();
      return logger;
    }

    it('is only logged, also under strict validation', async () => {
      const lines = (await started()).of('log').filter((message) => message.includes('Forgotten'));
      expect(lines).toEqual([expect.stringMatching(/^\[SW104\] .*no module/)]);
    });

    it('is one line with the first names, however many there are', async () => {
      const many = Array.from({ length: 30 }, (_, index) => {
        class Many {}
        Object.defineProperty(Many, 'name', { value: `Many${index}` });
        ScopedWorker()(Many);
        return Many;
      });
      const lines = (await started()).of('log').filter((message) => message.includes('[SW104]'));
      expect(lines).toEqual([
        expect.stringMatching(/ The same applies to (\w+, ){7}\w+ and \d+ more\.$/),
      ]);
      expect(many).toHaveLength(30);
    });

    it('is not mentioned in a test, whose module is a part of the application', async () => {
      const { app, log } = await startApp({ providers: [Other] });
      expect(log.of('log').join()).not.toContain('Forgotten');
      expect(inspectScopes(app).findings).toEqual([]);
    });

    it('is named when an override means it', async () => {
      const options = { overrides: { 'Forgotten.tick': { disabled: true } } };
      await expect(startApp({ providers: [Other], options })).rejects.toThrow(
        /overrides\["Forgotten.tick"\].*Forgotten is marked @ScopedWorker\(\), but no module provides it/,
      );
      await closeApps();
      const { registry } = await startApp({ providers: [Forgotten], options });
      expect(registry.get('Forgotten.tick').state).toBe('disabled');
    });
  });
});
