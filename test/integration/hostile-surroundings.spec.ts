import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Scope } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { Observable } from 'rxjs';
import {
  currentTick,
  inProcessEngine,
  ProviderScopeFactory,
  ScopedInterval,
  ScopedWorker,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
  type ScopedWorkerModuleOptions,
  type Tick,
} from '../../lib/index.js';
import { contexts } from '../../lib/scope/work-context.js';
import { closeApps, compileApp, startApp } from '../support/app.js';
import { advance, NOON, useFakeClock } from '../support/fake-clock.js';
import { gate, quietFor, turn } from '../support/gate.js';
import { RequestScoped, worker } from '../support/probes.js';
import { runningTick } from '../support/running-tick.js';

/** A value that cannot be turned into text: `String()` of it throws. */
const unprintable = (): unknown => Object.create(null);
const options = { shutdownTimeoutMs: 50 };
const request = { scope: Scope.REQUEST };

/** What a promise comes to, or 'hangs'. */
function within<T>(promise: Promise<T>, ms = 500): Promise<unknown> {
  const late = new Promise((resolve) => setTimeout(() => resolve('hangs'), ms));
  return Promise.race([promise.catch((error: unknown) => ({ rejectedWith: error })), late]);
}

/** A tick, what it leaves open, and the outcome of the tick after it. */
async function twoTicks(registry: ScopedWorkerRegistry): Promise<unknown[]> {
  const first = await within(registry.run('Worker.run'));
  const { openScopes, runningTicks } = registry.stats();
  return [first, { openScopes, runningTicks }, await within(registry.run('Worker.run'))];
}

const allFailed = [
  { outcome: 'failed' },
  { openScopes: 0, runningTicks: 0 },
  { outcome: 'failed' },
];
const allSucceeded = allFailed.map((part) => ('outcome' in part ? { outcome: 'succeeded' } : part));

describe('A value that cannot be turned into text', () => {
  afterEach(closeApps);

  it('thrown by two disposers fails the tick, and the next is tried', async () => {
    @RequestScoped()
    class Probe {
      [Symbol.dispose](): void {
        throw unprintable();
      }
    }
    const handler = (tick: Tick): void =>
      tick.scope.defer(() => {
        throw unprintable();
      });
    const { registry } = await startApp({
      options,
      providers: [Probe, worker([Probe], handler, { overlap: 'skip' })],
    });

    expect(await twoTicks(registry)).toMatchObject(allFailed);
  });

  it('given twice to waitFor fails the tick, and its scope is closed', async () => {
    const handler = ({ scope }: Tick): void => {
      scope.waitFor(Promise.reject(unprintable()));
      scope.waitFor(Promise.reject(unprintable()));
    };
    const { registry } = await startApp({
      options,
      providers: [worker([], handler, { overlap: 'skip' })],
    });

    expect(await twoTicks(registry)).toMatchObject(allFailed);
  });

  it('thrown after a cancellation fails the tick, and its scope is closed', async () => {
    const hostile = {
      get name(): string {
        throw new Error('not readable');
      },
    };
    const { registry, report } = await runningTick(async ({ signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      throw hostile;
    }, options);

    registry.cancel('Worker.run');

    expect(await within(report)).toMatchObject({ outcome: 'failed' });
    expect(registry.stats()).toMatchObject({ openScopes: 0, runningTicks: 0 });
  });

  it('thrown by the handler is logged with schedule and tick id', async () => {
    const handler = (): never => {
      throw unprintable();
    };
    const { registry, log } = await startApp({ providers: [worker([], handler)] });

    const { tickId } = await registry.run('Worker.run');

    expect(log.of('error')).toEqual([
      expect.stringContaining(`Worker.run failed (${tickId}, phase handler)`),
    ]);
  });

  it.each(['tick:started', 'tick:finished', 'scope:opened', 'scope:closed'] as const)(
    'thrown by a listener for %s harms nobody',
    async (event) => {
      const { registry, events } = await startApp({
        options,
        providers: [worker([], () => undefined, { overlap: 'skip' })],
      });
      events.on(event, () => {
        throw unprintable();
      });

      expect(await twoTicks(registry)).toMatchObject(allSucceeded);
    },
  );

  it('thrown by a listener for tick:skipped harms nobody', async () => {
    const { registry, events } = await startApp({
      options,
      providers: [worker([], () => undefined, { overlap: 'skip' })],
    });
    events.on('tick:skipped', () => {
      throw unprintable();
    });

    const reports = Promise.all([registry.run('Worker.run'), registry.run('Worker.run')]);

    expect(await within(reports)).toMatchObject([{ outcome: 'succeeded' }, { outcome: 'skipped' }]);
  });
});

/** An error behind a proxy that was revoked: every operation on it throws, `instanceof` too. */
function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable(new Error('boom'), {});
  revoke();
  return proxy;
}

describe('A proxy that was revoked', () => {
  afterEach(closeApps);

  it('thrown after the abort of the shutdown fails the tick, and its scope is disposed before the application', async () => {
    const disposed = jest.fn();
    const { app, report, log } = await runningTick(async ({ scope, signal }) => {
      scope.defer(disposed);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      throw revoked();
    }, options);
    await app.close();
    expect(disposed).toHaveBeenCalledTimes(1);
    expect(await within(report)).toMatchObject({ outcome: 'failed', phase: 'handler' });
    expect(log.of('fatal').concat(log.of('warn'))).toEqual([]);
  });

  it('thrown by the work of a standalone scope and by its disposer is part of what the scope throws', async () => {
    const { scopes } = await startApp({ providers: [worker([])] });
    const [thrown, inDisposal] = [revoked(), revoked()];
    const run = scopes.run(
      (scope) => {
        scope.defer(() => {
          throw inDisposal;
        });
        throw thrown;
      },
      { name: 'work' },
    );
    const error = (await run.catch((reason: unknown) => reason)) as AggregateError;
    expect(error).toBeInstanceOf(AggregateError);
    expect([error.errors[0] === thrown, error.errors[1] === inDisposal]).toEqual([true, true]);
  });
});

it('A logger that throws fails no caller of registry.run()', async () => {
  const handler = (): never => {
    throw new Error('no luck');
  };
  const { registry, log } = await startApp({ options, providers: [worker([], handler)] });
  log.error = () => {
    throw new Error('log stream closed');
  };

  expect(await twoTicks(registry)).toMatchObject(allFailed);
  await closeApps();
});

describe('In hostile surroundings, a schedule', () => {
  afterEach(async () => {
    jest.useRealTimers();
    await closeApps();
  });

  it('an Observable whose teardown throws does not hold its cancelled tick', async () => {
    const endless = new Observable(() => () => {
      throw new Error('teardown');
    });
    const { registry, report } = await runningTick(() => endless, options);
    await turn();

    registry.cancel('Worker.run');

    expect(await within(report)).toMatchObject({ outcome: 'cancelled' });
  });

  it('a refused second application leaves the schedules of the first alone', async () => {
    let runs = 0;
    @ScopedWorker()
    class Busy {
      @ScopedInterval(20)
      run(): void {
        runs += 1;
      }
    }
    const engine = inProcessEngine();
    await startApp({ providers: [Busy], options: { engine } });
    const second = await compileApp({ providers: [Busy], options: { engine } });
    await expect(second.app.init()).rejects.toThrow('in use by another application');
    // XC6: it stays refused, and nothing says that its schedules are due.
    await expect(second.app.init()).rejects.toThrow('in use by another application');
    expect(second.log.of('log').join()).not.toContain('scheduled, with the next run');
    await second.app.close().catch(() => undefined);

    const before = runs;
    await quietFor(120);

    expect(runs).toBeGreaterThan(before);
  });

  it('[D41] the engine of a closed application starts with another one, as in the next test of a root module', async () => {
    const engine = inProcessEngine();
    @ScopedWorker()
    class Busy {
      @ScopedInterval(20)
      run(): void {}
    }
    const first = await startApp({ providers: [Busy], options: { engine } });
    await first.app.close();
    const second = await startApp({ providers: [Busy], options: { engine } });
    await first.app.close();
    const { schedule, trigger } = await second.next('tick:finished');
    expect([schedule, trigger]).toEqual(['Busy.run', 'interval']);
  });

  it('a handler that runs its own schedule does not wait for itself, also not in its buffer', async () => {
    let depth = 0;
    const handler = (_tick: Tick, registry: ScopedWorkerRegistry): unknown =>
      (depth += 1) === 1 ? registry.run('Worker.run') : undefined;
    const { registry } = await startApp({
      options,
      providers: [worker([ScopedWorkerRegistry], handler, { overlap: 'buffer-one' })],
    });

    expect(await within(registry.run('Worker.run'))).toMatchObject({ outcome: 'succeeded' });
  });

  it('a listener for tick:started can cancel the tick', async () => {
    const { registry, events } = await startApp({ providers: [worker([])] });
    let told = 0;
    events.on('tick:started', ({ schedule }) => (told = registry.cancel(schedule)));

    expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'cancelled' });
    expect(told).toBe(1);
  });

  it('a loop that starts its next round by a timer does not grow', async () => {
    const links = (): number => [...contexts()].length;
    const { scopes } = await startApp({});
    const done = gate<number>();
    const loop = (round: number): void =>
      void scopes.run(() => {
        if (round === 20) done.open(links());
        else setTimeout(() => loop(round + 1), 1);
      });
    loop(1);

    expect(await done.opened).toBeLessThan(4);
  });

  it.each(['run', 'tick'])(
    'a loop whose rounds, each a %s, start the next one before they end does not grow',
    async (kind) => {
      const options = kind === 'tick' ? { name: 'round' } : undefined;
      const { scopes } = await startApp({});
      const done = gate<number>();
      const loop = (round: number): void =>
        void scopes.run(
          async () => {
            if (round === 50) return done.open([...contexts()].length);
            await turn();
            loop(round + 1);
          },
          options as { name: string },
        );
      // Inside work that goes on: what ended in between must not stay either.
      const links = await scopes.run(() => {
        loop(1);
        return done.opened;
      });
      expect(links).toBeLessThan(8);
    },
  );

  it('code of a tick that has ended is in no tick, even if others run around it', async () => {
    const { scopes } = await startApp({});
    const [ended, looked] = [gate(), gate<(Tick | undefined)[]>()];
    await scopes.run(
      async () => {
        await scopes.run(
          () =>
            void scopes.run(async () => {
              await ended.opened;
              // The second look follows work that has looked for its own tick.
              const first = currentTick();
              await scopes.run(() => undefined);
              looked.open([first, currentTick()]);
            }),
          { name: 'inner' },
        );
        ended.open();
        expect(await looked.opened).toEqual([undefined, undefined]);
        expect(currentTick()?.schedule).toBe('outer');
      },
      { name: 'outer' },
    );
  });

  it('an instance that arrives during disposal is disposed, and nothing else before its turn', async () => {
    const lines: string[] = [];
    const slowly = (name: string): AsyncDisposable => ({
      [Symbol.asyncDispose]: async () => {
        lines.push(`${name} begins`);
        await quietFor(80);
        lines.push(`${name} ends`);
      },
    });
    const late = async (): Promise<Disposable> => {
      await quietFor(140);
      return { [Symbol.dispose]: () => undefined };
    };
    const { registry } = await startApp({
      options: { disposeTimeoutMs: 100 },
      providers: [
        { provide: 'BASE', ...request, useFactory: () => slowly('BASE') },
        { provide: 'TOP', ...request, inject: ['BASE'], useFactory: () => slowly('TOP') },
        { provide: 'LATE', ...request, useFactory: late },
        worker(['TOP'], ({ scope }: Tick) => void scope.resolve('LATE')),
      ],
    });

    await registry.run('Worker.run');
    lines.push('report');
    await quietFor(100);

    expect(lines).toEqual(['TOP begins', 'TOP ends', 'BASE begins', 'BASE ends', 'report']);
  });

  it('a singleton that must not be touched fails no factory of a scope', async () => {
    const deny = (): never => {
      throw new Error('no context');
    };
    const untouchable = (): object => new Proxy({}, { getPrototypeOf: deny, ownKeys: deny });
    const { registry } = await startApp({
      providers: [
        { provide: 'UNTOUCHABLE', useFactory: untouchable },
        { provide: 'MADE', ...request, useFactory: () => ({}) },
        worker(['MADE']),
      ],
    });

    expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
  });

  it('a fixed delay counts from the end of the run at the start, too', async () => {
    useFakeClock();
    const begun: number[] = [];
    @ScopedWorker()
    class Slow {
      @ScopedInterval(1_000, { fixedDelay: true, runOnStart: true })
      async run(): Promise<void> {
        begun.push(Date.now() - NOON.getTime());
        await new Promise((resolve) => setTimeout(resolve, 3_000));
      }
    }
    const { registry } = await startApp({ providers: [Slow] });
    await advance(7_500);
    registry.pause('Slow.run');
    await advance(10_000);

    expect(begun).toEqual([0, 4_000]);
  });

  it('a manual run that waits for the one before it is run though the schedule is paused', async () => {
    const open = gate();
    const { registry } = await startApp({
      providers: [worker([], () => open.opened, { overlap: 'buffer-one' })],
    });
    const reports = Promise.all([registry.run('Worker.run'), registry.run('Worker.run')]);
    registry.pause('Worker.run');
    open.open();

    expect(await reports).toMatchObject([{ outcome: 'succeeded' }, { outcome: 'succeeded' }]);
  });

  it('a disposer whose thenable throws leaves no timer', async () => {
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const thenable = {};
    Reflect.set(thenable, 'then', () => {
      throw new Error('then');
    });
    const { registry } = await startApp({
      providers: [worker([], ({ scope }: Tick) => scope.defer(() => thenable))],
    });
    await quietFor(5);
    const before = timers();

    expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'failed' });
    expect(timers()).toBe(before);
  });

  it('a standalone scope in a tick leaves the scope of the tick open if a factory returns that scope', async () => {
    const handler = async (tick: Tick, scopes: ProviderScopeFactory): Promise<unknown> => {
      await scopes.run((inner) => inner.resolve('SCOPE'), { request: tick });
      return tick.scope.closed;
    };
    const { registry } = await startApp({
      providers: [
        { provide: 'SCOPE', ...request, inject: [REQUEST], useFactory: (tick: Tick) => tick.scope },
        worker([ProviderScopeFactory], handler),
      ],
    });

    expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded', value: false });
  });
});

describe('Options that cannot be had', () => {
  const starting = async (asynchronous: object): Promise<unknown> => {
    const app = await Test.createTestingModule({
      imports: [ScopedWorkerModule.forRootAsync(asynchronous as never)],
    }).compile();
    await app.init();
    return app.close();
  };

  it('are refused when they depend on a request', async () => {
    const useFactory = (): ScopedWorkerModuleOptions => ({ drainTimeoutMs: -1 });

    await expect(starting({ inject: [REQUEST], useFactory })).rejects.toThrow('ScopedWorkerModule');
  });

  it('are refused when the factory returns null', async () => {
    await expect(starting({ useFactory: () => null })).rejects.toThrow('an options object');
  });
});
