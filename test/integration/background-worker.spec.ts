import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import { BackgroundWorker, inProcessEngine, type BackgroundFailure } from '../../lib/index.js';
import { appsOnFakeClock, closeApps, compileApp, startApp, type TestApp } from '../support/app.js';
import { background, begin, heard, runningBackground } from '../support/background.js';
import { advance, useFakeClock } from '../support/fake-clock.js';
import { gate, quietFor, type Gate } from '../support/gate.js';
import { startHttpApp } from '../support/http-app.js';
import { turns } from '../support/running-tick.js';

function burn(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** Notes failures and ends, as `Sync boom 1000` and `Sync ended`. */
function journalOf({ events }: TestApp): string[] {
  const lines: string[] = [];
  events.on('background:failed', ({ worker, error, restartInMs }) =>
    lines.push(`${worker} ${(error as Error).message} ${restartInMs}`),
  );
  events.on('background:ended', ({ worker }) => lines.push(`${worker} ended`));
  return lines;
}

describe('The start of a background worker', () => {
  afterEach(closeApps);

  it('[D1] app.init() resolves although it waits', async () => {
    const begun = gate();
    const held = gate();
    const execute = (): Promise<void> => {
      begun.open();
      return held.opened;
    };
    await startApp({ providers: [background('Sync', execute)] });
    await expect(begun.opened).resolves.toBeUndefined();
    held.open();
  });

  it('[D2] one that burns 300 ms of CPU begins after app.listen() has resolved', async () => {
    const order: string[] = [];
    const burnt = gate();
    const execute = (): void => {
      order.push('burning');
      burn(300);
      burnt.open();
    };
    const { http } = await startHttpApp({ providers: [background('Sync', execute)] });
    order.push('listening');
    await burnt.opened;
    await http.close();
    expect(order).toEqual(['listening', 'burning']);
  });

  it('[D2] it begins in an HTTP application that does not listen', async () => {
    const begun = gate();
    const providers = [background('Sync', () => begun.open())];
    const { app } = await compileApp({ providers });
    const http = app.createNestApplication({ logger: false });
    await http.init();
    await expect(begun.opened).resolves.toBeUndefined();
    await http.close();
  });

  it('[D18] one that blocks, throws or rejects at once does not keep the others from starting', async () => {
    const begun: string[] = [];
    const last = gate();
    const { app } = await startApp({
      providers: [
        background('Blocking', () => {
          burn(100);
          begun.push('Blocking');
        }),
        background('Throwing', () => {
          begun.push('Throwing');
          throw new Error('at once');
        }),
        background('Rejecting', () => {
          begun.push('Rejecting');
          return Promise.reject(new Error('at once'));
        }),
        background('Fine', (stopping) => {
          begun.push('Fine');
          last.open();
          return heard(stopping);
        }),
      ],
    });
    await last.opened;
    expect(begun).toEqual(['Blocking', 'Throwing', 'Rejecting', 'Fine']);
    await app.close();
  });

  describe.each(['onModuleInit', 'onApplicationBootstrap'] as const)(
    'while %s of the application runs',
    (hook) => {
      function slow(held: Gate) {
        const reached = gate();
        const wait = (of: string): Promise<void> | undefined => {
          if (of !== hook) return undefined;
          reached.open();
          return held.opened;
        };
        @Injectable()
        class Slow implements OnModuleInit, OnApplicationBootstrap {
          onModuleInit = () => wait('onModuleInit');
          onApplicationBootstrap = () => wait('onApplicationBootstrap');
        }
        return { Slow, reached };
      }

      it('[D23] it does not begin before the hook is done', async () => {
        const held = gate();
        const { Slow, reached } = slow(held);
        const begun = gate();
        let isDone = false;
        const seen: boolean[] = [];
        const execute = (): void => {
          seen.push(isDone);
          begun.open();
        };
        const { app } = await compileApp({ providers: [Slow, background('Sync', execute)] });
        const starting = app.init();
        await reached.opened;
        await quietFor(30);
        isDone = true;
        held.open();
        await starting;
        await begun.opened;
        expect(seen).toEqual([true]);
      });

      it('[D3] app.close(): it never begins', async () => {
        const held = gate();
        const { Slow, reached } = slow(held);
        let runs = 0;
        const { app } = await compileApp({
          providers: [Slow, background('Sync', () => (runs += 1))],
        });
        const starting = app.init();
        await reached.opened;
        const closing = app.close();
        held.open();
        await Promise.allSettled([starting, closing]);
        await quietFor(150);
        expect(runs).toBe(0);
      });
    },
  );

  it('[D3] app.close() right after app.init(): it never begins', async () => {
    let runs = 0;
    const { app } = await startApp({ providers: [background('Sync', () => (runs += 1))] });
    await app.close();
    await quietFor(150);
    expect(runs).toBe(0);
  });

  it('[D3] app.close() just before it would begin: it never begins', async () => {
    useFakeClock();
    let runs = 0;
    const { app } = await startApp({ providers: [background('Sync', () => (runs += 1))] });
    jest.advanceTimersByTime(0); // start-up has settled; the worker begins in the next turn
    await app.close();
    await turns();
    jest.useRealTimers();
    expect(runs).toBe(0);
  });

  it.each(['context', 'HTTP'])(
    '[D3] app.close() while the engine of a %s application starts: it never begins',
    async (kind) => {
      const reached = gate();
      const held = gate();
      let runs = 0;
      const engine = inProcessEngine();
      const startEngine = engine.start.bind(engine);
      engine.start = async (...args) => {
        reached.open();
        await held.opened;
        await startEngine(...args);
      };
      const test = await compileApp({
        options: { engine },
        providers: [background('Sync', () => (runs += 1))],
      });
      const app = kind === 'HTTP' ? test.app.createNestApplication({ logger: false }) : test.app;
      const starting = app.init();
      await reached.opened;
      await quietFor(150); // an HTTP application that does not listen counts as started by then
      const closing = app.close();
      await turns();
      held.open();
      await Promise.allSettled([starting, closing]);
      await quietFor(50);
      expect(runs).toBe(0);
    },
  );

  it('[D4] compile() then close() without init(): no error, and it never begins', async () => {
    let runs = 0;
    const { app, log } = await compileApp({ providers: [background('Sync', () => (runs += 1))] });
    await app.close();
    await quietFor(30);
    expect([runs, log.of('error')]).toEqual([0, []]);
  });
});

describe('A background worker', () => {
  const traces = new AsyncLocalStorage<string>();

  appsOnFakeClock();

  it('[A20] never sees the store of the code that started the application, nor of an earlier run', async () => {
    const seen: unknown[] = [];
    const execute = async (): Promise<never> => {
      seen.push(traces.getStore());
      traces.enterWith('entered');
      await turns();
      seen.push(traces.getStore());
      throw new Error('again');
    };
    const { events } = await traces.run('starter', () =>
      startApp({ providers: [background('Sync', execute)] }),
    );
    events.on('background:failed', () => {
      seen.push(`listener: ${traces.getStore()}`);
      traces.enterWith('listener');
    });
    await traces.run('advancer', begin);
    await advance(1_000);
    await turns();
    const run = [undefined, 'entered', 'listener: undefined'];
    expect(seen).toEqual([...run, ...run]);
  });

  describe('when it returns', () => {
    it.each<[string, () => unknown]>([
      ['a promise', () => Promise.resolve()],
      ['nothing', () => undefined],
    ])('is reported and logged as done, and not called again: %s', async (_, execute) => {
      let runs = 0;
      const test = await startApp({
        providers: [
          background('Sync', () => {
            runs += 1;
            return execute();
          }),
        ],
      });
      const journal = journalOf(test);
      await begin();
      await advance(600_000);
      expect(runs).toBe(1);
      expect(journal).toEqual(['Sync ended']);
      expect(test.log.of('log').filter((line) => line.includes('Sync.execute'))).toHaveLength(1);
      expect(test.log.of('error')).toEqual([]);
    });

    it('its signal lives on, and is aborted by the shutdown', async () => {
      const { app, stopping } = await runningBackground(() => undefined);
      await turns();
      expect(stopping.aborted).toBe(false);
      await app.close();
      expect(stopping.aborted).toBe(true);
    });
  });

  describe('when it fails', () => {
    const boom = (): Error => new Error('boom');

    it.each<[string, () => unknown]>([
      ['rejects', () => Promise.reject(boom())],
      [
        'throws synchronously',
        () => {
          throw boom();
        },
      ],
      [
        'throws later',
        async () => {
          await turns();
          throw boom();
        },
      ],
    ])('[D18] it is restarted after a second, and logged once: %s', async (_, fail) => {
      let other = 0;
      let runs = 0;
      const test = await startApp({
        providers: [
          background('Sync', (stopping, run) => {
            runs = run;
            return run === 1 ? fail() : heard(stopping);
          }),
          background('Other', (stopping, run) => {
            other = run;
            return heard(stopping);
          }),
        ],
      });
      const journal = journalOf(test);
      await begin();
      expect([runs, other]).toEqual([1, 1]);
      await advance(999);
      expect(runs).toBe(1);
      await advance(1);
      await turns();
      expect([runs, other]).toEqual([2, 1]);
      expect(journal).toEqual(['Sync boom 1000']);
      expect(test.log.of('error')).toEqual(['Sync.execute failed (restart in 1000 ms): boom']);
    });

    it('the very error reaches the event', async () => {
      const error = Object.freeze({ any: 'thing' });
      const test = await startApp({
        providers: [background('Sync', () => Promise.reject(error as unknown as Error))],
      });
      const failed: Promise<BackgroundFailure> = test.next('background:failed');
      await begin();
      expect((await failed).error).toBe(error);
    });

    it('the waits double up to a minute', async () => {
      const test = await startApp({
        providers: [background('Sync', () => Promise.reject(boom()))],
      });
      const waits: (number | undefined)[] = [];
      test.events.on('background:failed', ({ restartInMs }) => waits.push(restartInMs));
      await begin();
      for (let failure = 0; failure < 8; failure += 1) {
        await advance(waits.at(-1)!);
        await turns();
      }
      const seconds = waits.map((wait) => wait! / 1_000);
      expect(seconds).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    });

    it('the waits begin afresh after a run of more than a minute, not after a shorter one', async () => {
      const waits: (number | undefined)[] = [];
      const runsFor = [0, 0, 60_000, 60_001, 0];
      const execute = async (_: AbortSignal, run: number): Promise<never> => {
        await new Promise((resolve) => setTimeout(resolve, runsFor[run - 1]));
        throw boom();
      };
      const test = await startApp({ providers: [background('Sync', execute)] });
      test.events.on('background:failed', ({ restartInMs }) => waits.push(restartInMs));
      await begin();
      for (let second = 0; second < 135; second += 1) {
        await advance(1_000);
        await turns();
      }
      expect(waits.slice(0, 5)).toEqual([1_000, 2_000, 4_000, 1_000, 2_000]);
    });

    it('each run has its own signal, and that of the failed run is aborted', async () => {
      const signals: AbortSignal[] = [];
      await startApp({
        providers: [
          background('Sync', (stopping, run) => {
            signals.push(stopping);
            return run === 1 ? Promise.reject(boom()) : heard(stopping);
          }),
        ],
      });
      await begin();
      expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
      expect(signals[0]!.reason).toMatchObject({ name: 'AbortError' });
      await advance(1_000);
      await turns();
      expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    });

    it.each([
      ['an AbortError', () => new DOMException('the peer hung up', 'AbortError')],
      ['an error with the code ABORT_ERR', () => Object.assign(boom(), { code: 'ABORT_ERR' })],
    ])('[D12] without a shutdown %s is a failure, and logged', async (_, errorOf) => {
      const test = await startApp({
        providers: [background('Sync', () => Promise.reject(errorOf()))],
      });
      const journal = journalOf(test);
      await begin();
      expect(journal).toHaveLength(1);
      expect(test.log.of('error')).toHaveLength(1);
    });

    it("with 'ignore' it is reported, and not restarted", async () => {
      let runs = 0;
      const execute = (_: AbortSignal, run: number): Promise<never> => {
        runs = run;
        return Promise.reject(boom());
      };
      const test = await startApp({ providers: [background('Sync', execute, 'ignore')] });
      const journal = journalOf(test);
      await begin();
      await advance(600_000);
      expect(runs).toBe(1);
      expect(journal).toEqual(['Sync boom undefined']);
      expect(test.log.of('error')).toEqual(['Sync.execute failed (not restarted): boom']);
    });

    it('a listener of its events that throws changes nothing', async () => {
      let runs = 0;
      const execute = (stopping: AbortSignal, run: number): Promise<void> => {
        runs = run;
        return run === 1 ? Promise.reject(boom()) : heard(stopping);
      };
      const { events } = await startApp({ providers: [background('Sync', execute)] });
      events.on('background:failed', () => {
        throw new Error('listener');
      });
      await begin();
      await advance(1_000);
      await turns();
      expect(runs).toBe(2);
    });
  });

  it('is a plain singleton: Nest injects into it, and its hooks are called', async () => {
    const seen: string[] = [];
    @Injectable()
    class Greeting {
      readonly text = 'injected';
    }
    @Injectable()
    class Sync extends BackgroundWorker implements OnModuleInit {
      constructor(private readonly greeting: Greeting) {
        super();
      }
      onModuleInit(): void {
        seen.push('onModuleInit');
      }
      async execute(stopping: AbortSignal): Promise<void> {
        seen.push(this.greeting.text, this.onFailure);
        await heard(stopping);
        seen.push('stopped');
      }
      onModuleDestroy(): void {
        seen.push('onModuleDestroy');
      }
    }
    const { app } = await startApp({ providers: [Sync, Greeting] });
    await begin();
    await app.close();
    expect(seen).toEqual(['onModuleInit', 'injected', 'restart', 'stopped', 'onModuleDestroy']);
  });
});
