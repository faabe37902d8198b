import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Scope, type Provider, type Type } from '@nestjs/common';
import {
  ScopedCron,
  ScopedWorker,
  type ScopedWorkerModuleOptions,
  type Tick,
  type TickReport,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { turn } from '../support/gate.js';
import { OnDemand, probes, RequestScoped, worker, YEARLY } from '../support/probes.js';

describe('A tick in which something fails', () => {
  const { journal, Probe } = probes();

  @RequestScoped()
  class First extends Probe {}
  @RequestScoped()
  class Last extends Probe {
    constructor(readonly first: First) {
      super();
    }
  }

  /** A provider whose disposer fails with the error, between `First` and `Last` in the order of building. */
  const failing = (provide: string, error: unknown): Provider => ({
    provide,
    scope: Scope.REQUEST,
    inject: [First],
    useFactory: () => ({
      [Symbol.asyncDispose]: async () => {
        journal.note(`disposed ${provide}`);
        await turn();
        throw error;
      },
    }),
  });

  beforeEach(() => void (journal.lines.length = 0));
  afterEach(closeApps);

  async function run(
    inject: Parameters<typeof worker>[0],
    providers: Provider[],
    handler?: (tick: Tick) => unknown,
  ) {
    const test = await startApp({
      providers: [worker(inject, handler), First, Last, ...providers],
    });
    const finished: TickReport[] = [];
    test.events.on('tick:finished', (report) => finished.push(report));
    return { ...test, finished, report: await test.registry.run('Worker.run') };
  }

  describe('when its worker has no handler', () => {
    it.each<[string, (Worker: Type) => Provider]>([
      [
        'a factory',
        (Worker) => ({ provide: Worker, scope: Scope.REQUEST, useFactory: () => ({}) }),
      ],
      ['a value', (Worker) => ({ provide: Worker, useValue: {} })],
    ])('says so of what %s provides', async (_what, provider) => {
      @ScopedWorker()
      class Worker {
        @ScopedCron(YEARLY)
        run(): void {}
      }
      const options: ScopedWorkerModuleOptions = { scopeValidation: 'off' };
      const { registry } = await startApp({ providers: [provider(Worker)], options });
      const { outcome, error } = await registry.run('Worker.run');
      expect(outcome).toBe('failed');
      expect(String(error)).toBe(
        'TypeError: Worker.run: the provider of Worker is an object without the method run. Provide an instance of the class.',
      );
    });
  });

  describe('when its construction fails', () => {
    const broken = (isBroken: () => boolean, error: Error): Provider => ({
      provide: 'DATABASE',
      inject: [Last],
      useFactory: async () => {
        await turn();
        if (isBroken()) throw error;
        return {};
      },
    });

    it('[B26] is failed with the error itself after what was built is disposed', async () => {
      const error = new Error('database down');
      const { report } = await run(['DATABASE'], [broken(() => true, error)], () =>
        journal.note('called handler'),
      );

      expect(report).toMatchObject({ outcome: 'failed', phase: 'resolve', built: 2, disposed: 2 });
      expect(report.error).toBe(error);
      expect(journal.lines).toEqual([
        'built First',
        'built Last',
        'disposed Last',
        'disposed First',
      ]);
    });

    it('[B26] fails alike when the constructor of the worker throws', async () => {
      @ScopedWorker()
      class Broken {
        constructor(readonly last: Last) {
          throw new Error('no worker');
        }
        @OnDemand()
        run(): void {
          journal.note('called handler');
        }
      }
      const { registry } = await startApp({ providers: [Broken, First, Last] });
      const report = await registry.run('Broken.run');

      expect(report).toMatchObject({ outcome: 'failed', phase: 'resolve' });
      expect(journal.lines.slice(2)).toEqual(['disposed Last', 'disposed First']);
    });

    it('[B26] fails alike when an onScopeInit fails, whose instance is disposed too', async () => {
      @RequestScoped()
      class Unprepared extends Probe {
        async onScopeInit(): Promise<void> {
          throw new Error('cannot prepare');
        }
      }
      const { report } = await run([Last, Unprepared], [Unprepared]);

      expect(report).toMatchObject({ outcome: 'failed', phase: 'resolve' });
      expect(report.error).toEqual(new Error('cannot prepare'));
      expect(journal.of('disposed').sort()).toEqual(['First', 'Last', 'Unprepared']);
    });

    it('[B33] is followed by another attempt on the next tick', async () => {
      let isBroken = true;
      const { registry, report } = await run(
        ['DATABASE'],
        [broken(() => isBroken, new Error('database down'))],
      );
      const again = await registry.run('Worker.run');
      isBroken = false;
      const last = await registry.run('Worker.run');

      expect([report, again, last].map(({ outcome }) => outcome)).toEqual([
        'failed',
        'failed',
        'succeeded',
      ]);
      expect(journal.of('disposed')).toHaveLength(6);
    });
  });

  describe('when one disposer fails', () => {
    it('[B13, B30] disposes the others, and is failed with the error itself in the phase dispose', async () => {
      const error = new Error('cannot release');
      const { report } = await run(['BROKEN', Last], [failing('BROKEN', error)]);

      expect(journal.of('disposed').sort()).toEqual(['BROKEN', 'First', 'Last']);
      expect(report).toMatchObject({ outcome: 'failed', phase: 'dispose' });
      expect(report.error).toBe(error);
      expect(report.disposeErrors).toHaveLength(1);
      expect(report.disposeErrors[0]).toBe(error);
    });

    it.each([[undefined], [null], ['a string'], [0]])(
      '[B13] keeps what was thrown as it is: %p',
      async (thrown) => {
        const { report } = await run(['BROKEN'], [failing('BROKEN', thrown)]);

        expect(report).toMatchObject({ outcome: 'failed', phase: 'dispose' });
        expect(report.error).toBe(thrown);
        expect(report.disposeErrors).toEqual([thrown]);
      },
    );

    it('[B13] treats a synchronous disposer alike', async () => {
      const error = new Error('cannot release');
      const broken: Provider = {
        provide: 'BROKEN',
        inject: [First],
        useFactory: () => ({
          [Symbol.dispose]: () => {
            throw error;
          },
        }),
      };
      const { report } = await run(['BROKEN'], [broken]);

      expect(report.error).toBe(error);
      expect(journal.of('disposed')).toEqual(['First']);
    });
  });

  it('[B14] gathers several failing disposers in one AggregateError, in the order of disposal', async () => {
    const errors = [new Error('newest'), new AggregateError([new Error('inner')], 'nested')];
    const { report } = await run(
      [],
      [failing('OLDEST', errors[1]), failing('NEWEST', errors[0])],
      async (tick) => {
        await tick.scope.resolve('OLDEST');
        await tick.scope.resolve('NEWEST');
      },
    );

    expect(journal.of('disposed')).toEqual(['NEWEST', 'OLDEST', 'First']);
    expect(report.error).toBeInstanceOf(AggregateError);
    const gathered = (report.error as AggregateError).errors;
    expect(gathered).toHaveLength(2);
    expect(gathered[0]).toBe(errors[0]);
    expect(gathered[1]).toBe(errors[1]);
    expect(report.disposeErrors).toEqual(errors);
  });

  describe('when the handler throws', () => {
    it('[B24] disposes everything, and reports the error once', async () => {
      const error = new Error('handler down');
      const { report, finished, log } = await run([Last], [], () => {
        throw error;
      });

      expect(journal.of('disposed')).toEqual(['Last', 'First']);
      expect(report).toMatchObject({ outcome: 'failed', phase: 'handler', disposeErrors: [] });
      expect(report.error).toBe(error);
      expect(finished).toEqual([report]);
      expect(log.of('error').filter((line) => line.includes('handler down'))).toHaveLength(1);
    });

    it('[B30] keeps the errors of disposal beside it, and is failed by the handler', async () => {
      const handlerError = new Error('handler down');
      const disposeError = new Error('cannot release');
      const { report, log } = await run(
        ['BROKEN', Last],
        [failing('BROKEN', disposeError)],
        async () => {
          throw handlerError;
        },
      );

      expect(report).toMatchObject({ outcome: 'failed', phase: 'handler' });
      expect(report.error).toBe(handlerError);
      expect(report.disposeErrors).toEqual([disposeError]);
      const [logged, ...more] = log.of('error');
      expect(more).toEqual([]);
      expect(logged).toMatch(/handler down.*cannot release/s);
    });
  });

  it('[B25] disposes the rest when the disposer of the worker itself throws', async () => {
    const error = new Error('worker cannot stop');
    @ScopedWorker()
    class Broken {
      constructor(readonly last: Last) {}
      @OnDemand()
      run(): void {}
      onModuleDestroy(): void {
        throw error;
      }
    }
    const { registry, log } = await startApp({ providers: [Broken, First, Last] });
    const report = await registry.run('Broken.run');

    expect(journal.of('disposed')).toEqual(['Last', 'First']);
    expect(report).toMatchObject({ outcome: 'failed', phase: 'dispose' });
    expect(report.error).toBe(error);
    expect(log.of('error')).toHaveLength(1);
  });
});
