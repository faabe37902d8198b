import { describe, expect, it, jest } from '@jest/globals';
import { Injectable, Scope, type OnModuleDestroy } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import {
  currentTick,
  ScopedInterval,
  ScopedWorker,
  type AroundHook,
  type Tick,
  type TickOverrun,
} from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { OnDemand, probes, RequestScoped, worker } from '../support/probes.js';
import { turns, untilAborted } from '../support/running-tick.js';

appsOnFakeClock();

describe('app.close() inside a handler', () => {
  it('[D28] does not wait for its own tick, whose signal is aborted', async () => {
    let app: TestingModule | undefined;
    const seen: unknown[] = [];
    const handler = async ({ signal }: Tick): Promise<void> => {
      await app!.close();
      seen.push(signal.aborted);
    };
    const test = await startApp({ providers: [worker([], handler)] });
    ({ app } = test);
    const ended = test.next('shutdown:finished');
    const report = await test.registry.run('Worker.run');
    expect(report.outcome).toBe('succeeded');
    expect(seen).toEqual([true]);
    expect((await ended).abandoned).toEqual([]);
    expect(performance.now()).toBe(0);
  });

  it('[D28] waits for the other ticks, and their scopes are disposed first', async () => {
    const { journal, Probe } = probes();
    @RequestScoped()
    class Connection extends Probe {}
    let app: TestingModule | undefined;
    const begun = gate();
    const held = gate();
    @ScopedWorker()
    class Pair {
      constructor(readonly connection: Connection) {}

      @OnDemand()
      async other(): Promise<void> {
        begun.open();
        await held.opened;
        journal.note('other ended');
      }

      @OnDemand()
      async closer(): Promise<void> {
        await app!.close();
        journal.note('closed');
      }
    }
    const test = await startApp({ providers: [Pair, Connection] });
    ({ app } = test);
    const other = test.registry.run('Pair.other');
    await begun.opened;
    const closer = test.registry.run('Pair.closer');
    await turns();
    expect(journal.lines).not.toContain('closed');
    held.open();
    await Promise.all([other, closer]);
    expect(journal.lines.slice(2)).toEqual([
      'other ended',
      'disposed Connection',
      'closed',
      'disposed Connection',
    ]);
  });

  it('waits no longer than shutdownTimeoutMs for a second handler that closes too', async () => {
    let app: TestingModule | undefined;
    let begun = 0;
    const both = gate();
    const handler = async (): Promise<void> => {
      begun += 1;
      if (begun === 2) both.open();
      await both.opened;
      await app!.close();
    };
    const test = await startApp({
      providers: [worker([], handler)],
      options: { shutdownTimeoutMs: 1_000 },
    });
    ({ app } = test);
    const reports = [test.registry.run('Worker.run'), test.registry.run('Worker.run')];
    await both.opened;
    await advance(1_000);
    await Promise.all(reports);
    expect(performance.now()).toBe(1_000);
  });

  it('[D28] applies to a tick that another tick runs and waits for', async () => {
    let app: TestingModule | undefined;
    const test = await startApp({
      providers: [
        worker([], async ({ payload }) => {
          if (payload === 'inner') return app!.close();
          return test.registry.run('Worker.run', { payload: 'inner' });
        }),
      ],
    });
    ({ app } = test);
    const report = await test.registry.run('Worker.run');
    expect(report).toMatchObject({ outcome: 'succeeded', value: { outcome: 'succeeded' } });
    expect(performance.now()).toBe(0);
  });

  it('[D28] applies to work in a standalone scope', async () => {
    let app: TestingModule | undefined;
    const test = await startApp({ providers: [worker([])] });
    ({ app } = test);
    const ended = test.next('shutdown:finished');
    await test.scopes.run(() => app!.close());
    expect((await ended).abandoned).toEqual([]);
    expect(performance.now()).toBe(0);
  });

  it('[D6] names nothing that ends while it closes: a listener for scope:closed began it', async () => {
    const { app, events, registry, next } = await startApp({
      options: { drainTimeoutMs: 1_000 },
      providers: [worker([])],
    });
    events.once('scope:closed', () => app.close());
    const [ended, closed] = [next('shutdown:finished'), next('shutdown:closed')];
    expect((await registry.run('Worker.run')).outcome).toBe('succeeded');
    expect([(await ended).abandoned, (await closed).abandoned]).toEqual([[], []]);
  });

  it('[D28] applies to a tick that a timer fired', async () => {
    let app: TestingModule | undefined;
    const closed = gate();
    @ScopedWorker()
    class Worker {
      @ScopedInterval(1_000)
      async run(): Promise<void> {
        await app!.close();
        closed.open();
      }
    }
    ({ app } = await startApp({ providers: [Worker] }));
    await advance(1_000);
    await closed.opened;
    expect(performance.now()).toBe(1_000);
  });
});

describe('app.close() in a listener', () => {
  /** A connection of the application, which Nest closes after the drain, and the lines of the test. */
  function connection() {
    const lines: string[] = [];
    @Injectable()
    class Connection implements OnModuleDestroy {
      onModuleDestroy(): void {
        lines.push('disconnected');
      }
    }
    return { lines, Connection };
  }

  const slowHook: AroundHook = async (_, next) => {
    await next();
    await turns();
  };

  it.each([
    'scope:opened',
    'tick:started',
    'tick:retrying',
    'failure:stray',
    'scope:closed',
  ] as const)('[XD2] waits for the tick that emitted the event: %s', async (event) => {
    const { lines, Connection } = connection();
    const handler = async ({ attempt, scope }: Tick): Promise<void> => {
      lines.push(`began ${attempt}`);
      scope.defer(turns);
      if (event === 'failure:stray') scope.waitFor(Promise.reject(new Error('stray')));
      if (event === 'failure:stray' || event === 'tick:retrying') throw new Error('boom');
    };
    const retry = { attempts: event === 'tick:retrying' ? 2 : 1 };
    const { app, events, registry, next } = await startApp({
      providers: [Connection, worker([], handler, { retry })],
      options: { around: [slowHook] },
    });
    const closed = gate();
    events.once(event, () => void app.close().then(closed.open));
    events.on('tick:finished', () => lines.push('finished'));
    const ended = next('shutdown:finished');
    await registry.run('Worker.run');
    await closed.opened;
    expect(lines.slice(-2)).toEqual(['finished', 'disconnected']);
    expect((await ended).abandoned).toEqual([]);
  });

  it.each(['registry.run()', 'scopes.run()'])(
    '[XD2] waits for the outer tick of the tick that finished, which ran by %s',
    async (way) => {
      const { lines, Connection } = connection();
      const test = await startApp({
        providers: [
          Connection,
          worker([], async ({ payload }) => {
            if (payload === 'inner') return;
            if (way === 'registry.run()')
              await test.registry.run('Worker.run', { payload: 'inner' });
            else await test.scopes.run(() => undefined, { name: 'inner' });
            await turns();
            lines.push('outer handler returned');
          }),
        ],
      });
      const closed = gate();
      test.events.once('tick:finished', () => void test.app.close().then(closed.open));
      await test.registry.run('Worker.run');
      await closed.opened;
      expect(lines).toEqual(['outer handler returned', 'disconnected']);
    },
  );

  it('[XD2] waits for the commit of the tick whose handler has added it, although another tick finishes first', async () => {
    const { lines, Connection } = connection();
    const held = gate();
    const { app, events, registry } = await startApp({
      providers: [
        Connection,
        worker([], async ({ payload, scope }) => {
          if (payload === 'other') return;
          scope.onCommit(async () => {
            await held.opened;
            lines.push('committed');
          });
          events.once('tick:finished', () => void app.close().then(closed.open));
        }),
      ],
    });
    const closed = gate();
    const report = registry.run('Worker.run');
    await turns();
    await registry.run('Worker.run', { payload: 'other' });
    await turns();
    expect(lines).toEqual([]);
    held.open();
    expect((await report).outcome).toBe('succeeded');
    await closed.opened;
    expect(lines).toEqual(['committed', 'disconnected']);
  });

  it('[XD2] waits for work that the listener of a running tick starts', async () => {
    const { lines, Connection } = connection();
    const held = gate();
    const test = await startApp({
      providers: [Connection, worker([], untilAborted)],
    });
    test.events.on('scope:closed', ({ tickId }) => {
      if (tickId !== undefined)
        void test.scopes.run(() => held.opened).then(() => lines.push('audited'));
    });
    const report = test.registry.run('Worker.run');
    await turns();
    const closed = test.app.close();
    await report;
    await turns();
    expect(lines).toEqual([]);
    held.open();
    await closed;
    expect(lines).toEqual(['audited', 'disconnected']);
  });

  it('is outside of the tick: currentTick() returns undefined', async () => {
    const seen: unknown[] = [];
    const { events, registry } = await startApp({ providers: [worker([])] });
    for (const event of ['scope:opened', 'tick:started', 'scope:closed', 'tick:finished'] as const)
      events.on(event, () => seen.push(currentTick()));
    await registry.run('Worker.run');
    expect(seen).toEqual([undefined, undefined, undefined, undefined]);
  });
});

describe('timeoutMs', () => {
  it('[D32] aborts the signal; the scope is disposed only after the handler has really ended', async () => {
    const { journal, Probe } = probes();
    @RequestScoped()
    class Connection extends Probe {}
    const begun = gate<Tick>();
    const held = gate();
    const handler = async (tick: Tick): Promise<void> => {
      begun.open(tick);
      await held.opened;
      journal.note('handler ended');
    };
    const providers = [Connection, worker([Connection], handler, { timeoutMs: 1_000 })];
    const { registry } = await startApp({ providers });
    const report = registry.run('Worker.run');
    const { signal } = await begun.opened;
    await advance(999);
    expect(signal.aborted).toBe(false);
    await advance(1);
    expect(signal.reason).toMatchObject({ code: 'TICK_TIMEOUT', timeoutMs: 1_000 });
    await advance(60_000);
    expect(journal.lines).toEqual(['built Connection']);
    expect(registry.stats().openScopes).toBe(1);
    held.open();
    expect(await report).toMatchObject({ outcome: 'timed-out', error: signal.reason });
    expect(journal.lines).toEqual(['built Connection', 'handler ended', 'disposed Connection']);
  });

  it('[D32] a handler that ends at its signal has timed out', async () => {
    const providers = [worker([], untilAborted, { timeoutMs: 1_000 })];
    const { registry } = await startApp({ providers });
    const report = registry.run('Worker.run');
    await advance(1_000);
    expect(await report).toMatchObject({ outcome: 'timed-out', phase: 'handler' });
  });

  it('[D32] reports waitFor work that outlasts the timeout, once', async () => {
    const held = gate();
    const handler = ({ scope }: Tick): void => scope.waitFor(held.opened);
    const options = { timeoutMs: 1_000 };
    const { registry, events, log } = await startApp({ providers: [worker([], handler, options)] });
    const seen: unknown[] = [];
    events.on('tick:overrun', (overrun) => void seen.push(overrun));
    const report = registry.run('Worker.run');
    await advance(5_999);
    expect(seen).toEqual([]);
    await advance(60_000);
    const { tickId } = seen[0] as TickOverrun;
    expect(seen).toEqual([
      { schedule: 'Worker.run', tickId, messageId: undefined, attempt: 1, timeoutMs: 1_000 },
    ]);
    expect(log.of('warn')).toEqual([
      `Worker.run (${tickId}) is still running 5 s after its timeoutMs of 1000 ms. Its scope stays open, and it is not retried, until its work has settled. Pass tick.signal to everything that this work waits for.`,
    ]);
    held.open();
    await advance(1);
    expect(await report).toMatchObject({ outcome: 'timed-out' });
    expect(jest.getTimerCount()).toBe(0);
  });

  it('[D32] aborts the signal where timers are numbers, as in jsdom', async () => {
    const { setTimeout } = globalThis;
    const numbered = ((...given: Parameters<typeof setTimeout>) =>
      Number(setTimeout(...given))) as unknown as typeof setTimeout;
    const providers = [worker([], untilAborted, { timeoutMs: 1_000 })];
    const { registry } = await startApp({ providers });
    const timers = jest.spyOn(globalThis, 'setTimeout').mockImplementation(numbered);
    const report = registry.run('Worker.run');
    await advance(1_000);
    timers.mockRestore();
    expect(await report).toMatchObject({ outcome: 'timed-out' });
  });

  it('[D32] reports no overrun of an attempt that a shutdown aborts after its time', async () => {
    const held = gate();
    const providers = [worker([], () => held.opened, { timeoutMs: 1_000 })];
    const options = { drainTimeoutMs: 1_000, shutdownTimeoutMs: 20_000 };
    const { app, registry, events } = await startApp({ providers, options });
    const seen: unknown[] = [];
    events.on('tick:overrun', (overrun) => void seen.push(overrun));
    const report = registry.run('Worker.run');
    await advance(1_500);
    const closed = app.close();
    await advance(10_000);
    held.open();
    await advance(1);
    await closed;
    expect(seen).toEqual([]);
    expect(await report).toMatchObject({ outcome: 'timed-out' });
  });

  it.each(['', ', even one that was cancelled before'])(
    '[D32, D41] leaves no timer when the shutdown has abandoned its tick%s',
    async (how) => {
      const held = gate();
      const providers = [worker([], () => held.opened, { timeoutMs: 600_000 })];
      const options = { drainTimeoutMs: 1_000, shutdownTimeoutMs: 2_000 };
      const { app, registry } = await startApp({ providers, options });
      const report = registry.run('Worker.run');
      await turns();
      if (how !== '') registry.cancel('Worker.run');
      const closed = app.close();
      await advance(3_000);
      await closed;
      expect(jest.getTimerCount()).toBe(0);
      held.open();
      await report;
    },
  );

  it('[D12] is cancelled if the shutdown refuses it a provider after it was cancelled for another reason', async () => {
    const held = gate();
    const token = 'LATE';
    const late = { provide: token, scope: Scope.REQUEST, useFactory: () => ({}) };
    const handler = async ({ scope }: Tick): Promise<void> => {
      await held.opened;
      await scope.resolve(token);
    };
    const { app, registry } = await startApp({ providers: [worker([], handler), late] });
    const report = registry.run('Worker.run');
    await turns();
    registry.cancel('Worker.run');
    const closed = app.close();
    await turns();
    held.open();
    await advance(1);
    expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
    await closed;
  });

  it('[D32] a handler that ends in time is left alone, and no timer stays', async () => {
    const providers = [worker([], () => 'done', { timeoutMs: 1_000 })];
    const { registry } = await startApp({ providers });
    await advance(1);
    expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded', value: 'done' });
    expect(jest.getTimerCount()).toBe(0);
  });
});
