import {
  Catch,
  UseFilters,
  UseGuards,
  UseInterceptors,
  type ExceptionFilter,
  type ExecutionContext,
} from '@nestjs/common';
import { defer, EMPTY, of, Subject, throwError, type Observable } from 'rxjs';
import {
  currentTick,
  ScopedCron,
  ScopedWorker,
  type ScopedWorkerModuleOptions,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate } from '../support/gate.js';
import { Journal, YEARLY } from '../support/probes.js';

interface Next {
  handle(): Observable<unknown>;
}

class OddError extends Error {}

describe('An exception filter of a handler', () => {
  afterEach(closeApps);

  /** Runs a tick whose handler does what the test passes, inside a filter. */
  async function run(
    work: () => unknown,
    filter: ExceptionFilter['catch'],
    options: ScopedWorkerModuleOptions = {},
  ) {
    @ScopedWorker()
    @UseFilters({ catch: filter })
    class Worker {
      @ScopedCron(YEARLY)
      run(): unknown {
        return work();
      }
    }
    const { registry, log } = await startApp({ providers: [Worker], options });
    return { report: await registry.run('Worker.run'), log };
  }
  const failWith = (error: unknown) => (): never => {
    throw error;
  };

  describe('when it returns a value', () => {
    it.each<[string, () => unknown, unknown]>([
      ['a value', () => 'mended', 'mended'],
      ['a promise', () => Promise.resolve('mended'), 'mended'],
      ['an Observable', () => of(1, 2), 2],
      ['an Observable without a value', () => EMPTY, undefined],
      ['null', () => null, null],
      ['zero', () => 0, 0],
      ['false', () => Promise.resolve(false), false],
      ['an empty text', () => '', ''],
    ])('[XA3] %s: it is the result, and the tick succeeds', async (_, filter, value) => {
      const { report, log } = await run(failWith(new Error('bad')), filter);
      expect(report).toMatchObject({ outcome: 'succeeded' });
      expect(report.value).toEqual(value);
      expect(log.of('error')).toEqual([]);
    });
  });

  describe('when it returns undefined', () => {
    it.each<[string, () => unknown]>([
      ['at once', () => undefined],
      ['later', () => Promise.resolve()],
    ])(
      '[XA3] %s, the tick fails with the same error object, which is logged once',
      async (_, filter) => {
        const error = new Error('bad');
        const { report, log } = await run(failWith(error), filter);
        expect(report).toMatchObject({ outcome: 'failed', phase: 'handler' });
        expect(report.error).toBe(error);
        expect(log.of('error')).toHaveLength(1);
        expect(log.of('error')[0]).toContain('Worker.run');
      },
    );

    it('[XA3] what was thrown arrives as it is, even if it is not an Error', async () => {
      const { report } = await run(failWith('text'), () => undefined);
      expect(report.error).toBe('text');
    });
  });

  describe('when it throws', () => {
    it.each<[string, (error: Error) => unknown]>([
      [
        'at once',
        (error) => {
          throw error;
        },
      ],
      ['later', (error) => Promise.reject(error)],
      ['in an Observable', (error) => throwError(() => error)],
    ])(
      '[XA3] %s, its error replaces the one of the handler, and is logged once',
      async (_, fail) => {
        const other = new Error('other');
        const { report, log } = await run(failWith(new Error('bad')), () => fail(other));
        expect(report).toMatchObject({ outcome: 'failed' });
        expect(report.error).toBe(other);
        expect(log.of('error')).toHaveLength(1);
      },
    );
  });

  describe('when no filter catches the error', () => {
    it('[XA3] the tick fails with the error, which is logged once', async () => {
      const error = new Error('plain');
      @Catch(OddError)
      class OddFilter {
        catch(): string {
          return 'odd';
        }
      }
      @ScopedWorker()
      @UseFilters(OddFilter)
      class Worker {
        @ScopedCron(YEARLY)
        run(): never {
          throw error;
        }

        @ScopedCron(YEARLY)
        odd(): never {
          throw new OddError();
        }
      }
      const { registry, log } = await startApp({ providers: [Worker] });
      expect((await registry.run('Worker.run')).error).toBe(error);
      expect(log.of('error')).toHaveLength(1);
      expect(await registry.run('Worker.odd')).toMatchObject({ value: 'odd' });
    });

    it('[XA3] an error of a handler with other enhancers is logged once as well', async () => {
      @ScopedWorker()
      @UseGuards({ canActivate: () => true })
      @UseInterceptors({ intercept: (_: ExecutionContext, next: Next) => next.handle() })
      class Worker {
        @ScopedCron(YEARLY)
        run(): never {
          throw new Error('bad');
        }
      }
      const { registry, log } = await startApp({ providers: [Worker] });
      await registry.run('Worker.run');
      expect(log.of('error')).toHaveLength(1);
    });
  });

  describe('when several would do', () => {
    it('[XA3] one of the method goes before one of the class, the last before the first', async () => {
      const journal = new Journal();
      const noting = (name: string): ExceptionFilter => ({ catch: () => journal.note(name) });
      @ScopedWorker()
      @UseFilters(noting('class'))
      class Worker {
        @ScopedCron(YEARLY)
        @UseFilters(noting('first'), noting('last'))
        run(): never {
          throw new Error('bad');
        }
      }
      const { registry } = await startApp({ providers: [Worker] });
      expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'failed' });
      expect(journal.lines).toEqual(['last']);
    });
  });

  describe('when something other than the handler fails', () => {
    it.each<[string, MethodDecorator]>([
      ['a guard that throws', UseGuards({ canActivate: failWith(new OddError()) })],
      ['a guard that says no', UseGuards({ canActivate: () => false })],
      ['an interceptor', UseInterceptors({ intercept: failWith(new OddError()) })],
      [
        'an interceptor later',
        UseInterceptors({ intercept: () => throwError(() => new OddError()) }),
      ],
    ])('[XA3] it is asked about %s', async (_, decorate) => {
      @ScopedWorker()
      @UseFilters({ catch: (error: Error) => error.constructor.name })
      class Worker {
        @ScopedCron(YEARLY)
        @decorate
        run(): void {}
      }
      const { registry } = await startApp({ providers: [Worker] });
      const { value } = await registry.run('Worker.run');
      expect(['OddError', 'ForbiddenException']).toContain(value);
    });
  });

  describe('when the handler returns an Observable that fails', () => {
    it('[XA3] runs in the context of the tick, no matter what failed it, and its value is the result', async () => {
      const error = new Error('late');
      const source = new Subject<number>();
      const subscribed = gate();
      const asked: unknown[] = [];
      const running = run(
        () =>
          defer(() => {
            subscribed.open();
            return source;
          }),
        (thrown) => {
          asked.push([thrown, currentTick()?.schedule]);
          return of('mended', 'again');
        },
      );
      await subscribed.opened;
      source.next(1);
      source.error(error);
      const { report, log } = await running;
      expect(report).toMatchObject({ outcome: 'succeeded', value: 'again' });
      expect(asked).toEqual([[error, 'Worker.run']]);
      expect(log.of('error')).toEqual([]);
    });
  });
});
