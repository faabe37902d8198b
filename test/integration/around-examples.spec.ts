import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { ConsoleLogger, Injectable, Logger, Module, Scope } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  ScopedWorker,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
  type Tick,
  type AroundHook,
} from '../../lib/index.js';
import { closeApps } from '../support/app.js';
import { aroundApp } from '../support/around.js';
import { gate, turn } from '../support/gate.js';
import { OnDemand } from '../support/probes.js';
import { untilAborted } from '../support/running-tick.js';

afterEach(async () => {
  await closeApps();
  jest.restoreAllMocks();
});

/** The part of `ClsService` of nestjs-cls that the example uses. */
@Injectable()
class ClsService {
  readonly #storage = new AsyncLocalStorage<Map<string, unknown>>();

  run<T>(work: () => T): T {
    return this.#storage.run(new Map(), work);
  }

  set(key: string, value: unknown): void {
    this.#storage.getStore()!.set(key, value);
  }

  get(key: string): unknown {
    return this.#storage.getStore()?.get(key);
  }
}

@Module({})
class ClsModule {
  static forRoot({ global }: { global: boolean }) {
    return { module: ClsModule, global, providers: [ClsService], exports: [ClsService] };
  }
}

describe('The examples of the page on `around`', () => {
  describe('nestjs-cls', () => {
    const seen: string[] = [];

    @Injectable({ scope: Scope.REQUEST })
    class Repository {
      constructor(private readonly cls: ClsService) {
        seen.push(String(cls.get('tickId')));
      }

      async [Symbol.asyncDispose](): Promise<void> {
        await turn();
        seen.push(String(this.cls.get('tickId')));
      }
    }

    @ScopedWorker()
    class ReportWorker {
      constructor(
        private readonly cls: ClsService,
        readonly repository: Repository,
      ) {}

      @OnDemand()
      async send(): Promise<unknown> {
        await turn();
        return this.cls.get('tickId');
      }
    }

    @Module({
      imports: [
        ClsModule.forRoot({ global: true }),
        ScopedWorkerModule.forRootAsync({
          inject: [ClsService],
          useFactory: (cls: ClsService) => ({
            around: [
              (tick, next) =>
                cls.run(() => {
                  cls.set('tickId', tick.id);
                  return next();
                }),
            ],
          }),
        }),
      ],
    })
    class AppModule {}

    @Module({ imports: [AppModule], providers: [ReportWorker, Repository] })
    class ReportModule {}

    it('[A17] the tick id is known in constructors, in the handler and in disposers', async () => {
      const app = await Test.createTestingModule({ imports: [ReportModule] }).compile();
      app.useLogger(false);
      await app.init();
      const registry = app.get(ScopedWorkerRegistry);
      const reports = await Promise.all([
        registry.run('ReportWorker.send'),
        registry.run('ReportWorker.send'),
      ]);
      const ids = reports.map(({ tickId }) => tickId);
      expect(reports.map(({ value }) => value)).toEqual(ids);
      expect(seen.sort()).toEqual([...ids, ...ids].sort());
      expect(app.get(ClsService).get('tickId')).toBeUndefined();
      await app.close();
    });
  });

  describe('check-ins of Sentry', () => {
    const sent: Record<string, unknown>[] = [];
    const Sentry = {
      captureCheckIn: (checkIn: Record<string, unknown>): string => {
        sent.push(checkIn);
        return 'id';
      },
    };

    const sentryCheckIn: AroundHook = async ({ schedule }, next) => {
      const monitorSlug = schedule.replace(/\W+/g, '-').toLowerCase();
      const checkInId = Sentry.captureCheckIn({ monitorSlug, status: 'in_progress' });
      try {
        await next();
        Sentry.captureCheckIn({ checkInId, monitorSlug, status: 'ok' });
      } catch (error) {
        Sentry.captureCheckIn({ checkInId, monitorSlug, status: 'error' });
        throw error;
      }
    };

    afterEach(() => void (sent.length = 0));

    /** The states that a tick is checked in with. */
    async function checkedIn(
      work: (tick: Tick) => unknown,
      more: Partial<Parameters<typeof aroundApp>[0]> = {},
    ) {
      const { registry } = await aroundApp({ around: [sentryCheckIn], ...more }, work);
      await registry.run('Worker.run');
      expect(sent[0]).toEqual({ monitorSlug: 'worker-run', status: 'in_progress' });
      expect(sent.slice(1).every(({ monitorSlug }) => monitorSlug === 'worker-run')).toBe(true);
      return sent.map(({ status }) => status);
    }

    @Injectable({ scope: Scope.REQUEST })
    class Uncommittable {
      onScopeCommit(): never {
        throw new Error('deadlock');
      }
    }

    it.each<[string, string, Parameters<typeof checkedIn>]>([
      ['ok', 'succeeds', [() => undefined]],
      ['error', 'fails', [() => Promise.reject(new Error('no paper'))]],
      [
        'error',
        'fails to commit',
        [() => undefined, { needs: [Uncommittable], providers: [Uncommittable] }],
      ],
      ['error', 'times out', [(tick) => untilAborted(tick), { handler: { timeoutMs: 5 } }]],
    ])('[B38] say %s when the tick %s', async (status, _, [work, more]) => {
      expect(await checkedIn(work, more)).toEqual(['in_progress', status]);
    });

    it('[A16] come for each attempt', async () => {
      const fail = ({ attempt }: Tick): unknown =>
        attempt === 1 ? Promise.reject(new Error('busy')) : undefined;
      expect(await checkedIn(fail, { handler: { retry: { attempts: 2 } } })).toEqual([
        'in_progress',
        'error',
        'in_progress',
        'ok',
      ]);
    });

    it('come once the last disposer has settled', async () => {
      const held = gate();
      const begun = gate();
      const { registry } = await aroundApp({ around: [sentryCheckIn] }, ({ scope }) => {
        scope.defer(() => (begun.open(), held.opened));
      });
      const run = registry.run('Worker.run');
      await begun.opened;
      expect(sent.map(({ status }) => status)).toEqual(['in_progress']);
      held.open();
      await run;
      expect(sent.map(({ status }) => status)).toEqual(['in_progress', 'ok']);
    });
  });

  describe('a log context', () => {
    const logContext = new AsyncLocalStorage<string>();

    const withLogContext: AroundHook = ({ schedule, id }, next) =>
      logContext.run(`${schedule} ${id}`, next);

    class EventLogger extends ConsoleLogger {
      protected override formatContext(context: string): string {
        const tick = logContext.getStore();
        return super.formatContext(tick === undefined ? context : `${context} | ${tick}`);
      }
    }

    it('[A17] each line says of which tick it is, also those of singletons and disposers', async () => {
      const lines: string[] = [];
      jest.spyOn(process.stdout, 'write').mockImplementation((line) => {
        lines.push(String(line));
        return true;
      });
      @Injectable()
      class Mailer {
        readonly #logger = new Logger('Mailer');

        async send(): Promise<void> {
          await turn();
          this.#logger.log('sent');
        }
      }
      const { app, registry } = await aroundApp(
        { around: [withLogContext], needs: [Mailer], providers: [Mailer] },
        async ({ scope }, mailer: Mailer) => {
          scope.defer(() => new Logger('Tick').log('disposed'));
          await mailer.send();
        },
      );
      app.useLogger(new EventLogger({ colors: false }));
      const { tickId } = await registry.run('Worker.run');
      await app.get(Mailer).send();
      expect(lines.map((line) => line.slice(line.indexOf('LOG') + 4).trim())).toEqual([
        `[Mailer | Worker.run ${tickId}] sent`,
        `[Tick | Worker.run ${tickId}] disposed`,
        '[Mailer] sent',
      ]);
    });
  });
});
