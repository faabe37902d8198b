import { UseFilters, UseInterceptors, type ExecutionContext } from '@nestjs/common';
import { EMPTY, from, NEVER, Observable, of } from 'rxjs';
import { ScopedCron, ScopedWorker } from '../../lib/index.js';
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
    it('[XA6] an abort ends it, and the handler is not called', async () => {
      const waiting = gate();
      let called = false;
      @ScopedWorker()
      class Worker {
        @ScopedCron(YEARLY)
        @UseInterceptors({
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
