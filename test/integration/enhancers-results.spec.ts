import { UseFilters, UseInterceptors, type ExecutionContext } from '@nestjs/common';
import { EMPTY, from, lastValueFrom, merge, NEVER, Observable, of } from 'rxjs';
import { catchError, map, retry } from 'rxjs/operators';
import { ScopedCron, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate } from '../support/gate.js';
import { thenable, YEARLY } from '../support/probes.js';

interface Next {
  handle(): Observable<unknown>;
}

const THROUGH = { intercept: (_: ExecutionContext, next: Next) => next.handle() };
const PASS_ON = { catch: () => undefined };

describe('What a handler with enhancers returns', () => {
  afterEach(closeApps);

  describe.each<[string, MethodDecorator]>([
    ['an interceptor', UseInterceptors(THROUGH)],
    ['a filter', UseFilters(PASS_ON)],
  ])('when it has %s', (_, decorate) => {
    async function start(work: () => unknown) {
      @ScopedWorker()
      class Worker {
        @ScopedCron(YEARLY)
        @decorate
        run(): unknown {
          return work();
        }
      }
      return startApp({ providers: [Worker] });
    }

    it.each<[string, () => unknown, unknown]>([
      ['a value', () => 1, 1],
      ['nothing', () => undefined, undefined],
      ['a promise', () => Promise.resolve(2), 2],
      ['a thenable', () => thenable(Promise.resolve(3)), 3],
      ['an Observable, whose last value counts', () => of(3, 4), 4],
      ['a promise of an Observable', () => Promise.resolve(from([5, 6])), 6],
      ['an empty Observable', () => EMPTY, undefined],
      ['an Observable that emits later', () => from(Promise.resolve(7)), 7],
    ])('[XA6] %s is the value of the report', async (__, work, value) => {
      const { registry } = await start(work);
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ outcome: 'succeeded' });
      expect(report.value).toEqual(value);
    });

    it('[XA6] an error, thrown or emitted, fails the tick as it is', async () => {
      const error = new Error('bad');
      for (const work of [
        (): never => {
          throw error;
        },
        () => Promise.reject(error),
        () => new Observable((subscriber) => subscriber.error(error)),
      ]) {
        const { registry } = await start(work);
        expect((await registry.run('Worker.run')).error).toBe(error);
      }
    });

    it('[XA6] an abort unsubscribes from an Observable', async () => {
      const subscribed = gate();
      let tornDown = 0;
      const { registry } = await start(
        () =>
          new Observable(() => {
            subscribed.open();
            return () => void (tornDown += 1);
          }),
      );
      const report = registry.run('Worker.run');
      await subscribed.opened;
      registry.cancel('Worker.run');
      expect(await report).toMatchObject({ outcome: 'cancelled' });
      expect(tornDown).toBe(1);
    });
  });

  describe('when an interceptor waits before it calls the handler', () => {
    const awaiting = {
      intercept: async (_: ExecutionContext, next: Next) => of(await lastValueFrom(next.handle())),
    };
    it.each([
      ['alone', []],
      ['awaited by another one', [awaiting]],
    ])('[XA6] an abort ends it, and the handler is not called: %s', async (_, outer) => {
      const waiting = gate();
      let called = false;
      @ScopedWorker()
      class Worker {
        @ScopedCron(YEARLY)
        @UseInterceptors(...outer, {
          intercept: () => {
            waiting.open();
            return NEVER;
          },
        })
        run(): void {
          called = true;
        }
      }
      const { registry } = await startApp({ providers: [Worker] });
      const report = registry.run('Worker.run');
      await waiting.opened;
      registry.cancel('Worker.run');
      expect(await report).toMatchObject({ outcome: 'cancelled' });
      expect(called).toBe(false);
    });
  });

  describe('when its tick is aborted while the promise of the handler is pending', () => {
    type Intercept = (_: ExecutionContext, next: Next) => unknown;

    const passing: [string, Intercept][] = [
      ['passes it on', (_, next) => next.handle()],
      ['maps it', (_, next) => next.handle().pipe(map((value) => value))],
      ['returns a promise', async (_, next) => next.handle()],
      ['awaits it', async (_, next) => of(await lastValueFrom(next.handle()))],
    ];

    async function aborted(
      intercepts: readonly Intercept[],
      finish: (tick: Tick) => unknown,
      abort: 'cancel' | 'close' = 'cancel',
    ) {
      const [begun, held] = [gate<AbortSignal>(), gate()];
      const lines: string[] = [];
      @ScopedWorker()
      class Worker {
        @ScopedCron(YEARLY)
        @UseInterceptors(...intercepts.map((intercept) => ({ intercept }) as never))
        async run(tick: Tick): Promise<unknown> {
          tick.scope.onCommit(() => lines.push('committed'));
          begun.open(tick.signal);
          await held.opened;
          return finish(tick);
        }
      }
      const { app, registry } = await startApp({ providers: [Worker] });
      const running = registry.run('Worker.run');
      const signal = await begun.opened;
      signal.addEventListener('abort', () => held.open());
      const closed = abort === 'close' ? app.close() : void registry.cancel('Worker.run');
      const report = await running;
      await closed;
      return { report, lines };
    }

    for (const abort of ['cancel', 'close'] as const)
      it.each(passing)(
        `[XA6] its result counts behind an interceptor that %s: ${abort}`,
        async (_, intercept) => {
          const { report, lines } = await aborted([intercept], () => 'done', abort);
          expect(report).toMatchObject({ outcome: 'succeeded', value: 'done' });
          expect(lines).toEqual(['committed']);
        },
      );

    it.each(passing)(
      '[XA6] its result counts if it is passing through an interceptor that %s at that moment',
      async (_, intercept) => {
        for (let turns = 0; turns < 10; turns += 1) {
          @ScopedWorker()
          class Worker {
            @ScopedCron(YEARLY)
            @UseInterceptors({ intercept } as never)
            async run(): Promise<string> {
              void cancelAfter(turns);
              return 'done';
            }
          }
          const { registry } = await startApp({ providers: [Worker] });
          const cancelAfter = async (left: number): Promise<void> => {
            for (; left > 0; left -= 1) await Promise.resolve();
            registry.cancel('Worker.run');
          };
          expect(await registry.run('Worker.run')).toMatchObject({ value: 'done' });
        }
      },
    );

    it('[XA6] its error passes through the interceptors', async () => {
      const mapped = new Error('mapped');
      const mapError: Intercept = (_, next) =>
        next.handle().pipe(
          catchError(() => {
            throw mapped;
          }),
        );
      const { report } = await aborted([mapError], () => Promise.reject(new Error('bad')));
      expect(report).toMatchObject({ outcome: 'failed', error: mapped });
    });

    const hiding: [string, Intercept][] = [
      ['catches errors', (_, next) => next.handle().pipe(catchError(() => of('caught')))],
      ['retries', (_, next) => next.handle().pipe(retry())],
    ];
    it.each<[string, Intercept]>([...passing, ...hiding])(
      '[XA6] an abort error cancels the tick, although an interceptor %s',
      async (_, intercept) => {
        const { report, lines } = await aborted([intercept], ({ signal }) =>
          signal.throwIfAborted(),
        );
        expect(report).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
        expect(lines).toEqual([]);
      },
    );

    const endless: Intercept = (_, next) => merge(next.handle(), NEVER);
    it.each<[string, Intercept[]]>([
      ['never completes', [endless]],
      ['awaits one that never completes', [passing[3]![1], endless]],
    ])('[XA6] an interceptor that %s does not keep the tick open', async (_, intercepts) => {
      const { report, lines } = await aborted(intercepts, () => 'done');
      expect(report).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
      expect(lines).toEqual([]);
    });

    it.each<[string, Intercept]>([...passing, ...hiding])(
      '[XA6] an Observable that it resolves with is not subscribed to behind an interceptor that %s',
      async (_, intercept) => {
        let subscriptions = 0;
        const observable = new Observable(() => void (subscriptions += 1));
        const { report } = await aborted([intercept], () => observable);
        expect([report.outcome, subscriptions]).toEqual(['cancelled', 0]);
      },
    );
  });

  describe('when an interceptor does not call the handler', () => {
    it('[XA6] its value is the result', async () => {
      let called = false;
      @ScopedWorker()
      class Worker {
        @ScopedCron(YEARLY)
        @UseInterceptors({ intercept: () => of('from the cache') })
        run(): void {
          called = true;
        }
      }
      const { registry } = await startApp({ providers: [Worker] });
      expect(await registry.run('Worker.run')).toMatchObject({ value: 'from the cache' });
      expect(called).toBe(false);
    });
  });
});
