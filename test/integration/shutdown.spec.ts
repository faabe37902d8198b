import { describe, expect, it } from '@jest/globals';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { ScopedInterval, ScopedWorker, type Tick } from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance, afterNoon } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { probes, RequestScoped, worker } from '../support/probes.js';
import { closing, runningTick, turns, untilAborted } from '../support/running-tick.js';

appsOnFakeClock();

describe('app.close()', () => {
  it('[E5] resolves at once when no tick runs', async () => {
    const { app, registry } = await startApp({ providers: [worker([], () => undefined)] });
    await advance(1_000);
    await registry.run('Worker.run');
    await app.close();
    expect(performance.now()).toBe(1_000);
  });

  it('[D5] aborts the signal, waits for the tick, and resolves after its scope is disposed', async () => {
    const { journal, Probe } = probes();
    @RequestScoped()
    class Connection extends Probe {}
    const held = gate();
    const begun = gate<Tick>();
    const handler = async (tick: Tick): Promise<void> => {
      begun.open(tick);
      await held.opened;
      journal.note('handler ended');
    };
    const test = await startApp({ providers: [Connection, worker([Connection], handler)] });
    const report = test.registry.run('Worker.run');
    const { signal } = await begun.opened;
    expect(signal.aborted).toBe(false);

    const close = closing(test);
    await turns();
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toMatchObject({ name: 'AbortError' });
    expect([close.done, journal.of('disposed')]).toEqual([false, []]);

    held.open();
    await close.promise.then(() => journal.note('closed'));
    expect(journal.lines).toEqual([
      'built Connection',
      'handler ended',
      'disposed Connection',
      'closed',
    ]);
    expect((await report).outcome).toBe('succeeded');
  });

  it('[D6] abandons a tick that ignores its signal when shutdownTimeoutMs is over, and names it', async () => {
    const held = gate();
    const test = await runningTick(() => held.opened, { shutdownTimeoutMs: 5_000 });
    const ended = test.next('shutdown:finished');
    const close = closing(test);
    await advance(4_999);
    expect(close.done).toBe(false);
    await advance(1);
    await close.promise;
    const name = `Worker.run (${test.tick.id})`;
    expect((await ended).abandoned).toEqual([name]);
    expect(test.log.of('error')).toEqual([expect.stringContaining(name)]);
    held.open();
    await test.report;
  });

  it.each([
    ['fails', true],
    ['is cancelled', false],
  ])('[D6] a tick that was abandoned and %s says so in the log, once', async (_, isFailure) => {
    const held = gate();
    const test = await runningTick(
      async ({ signal, scope }) => {
        scope.defer(() => Promise.reject(new Error('the pool is closed')));
        scope.defer(() => Promise.reject(new Error('the pool is closed')));
        await held.opened;
        throw isFailure ? new Error('the pool is closed') : (signal.reason as Error);
      },
      { shutdownTimeoutMs: 5_000 },
    );
    const close = closing(test);
    await advance(5_000);
    await close.promise;
    held.open();
    const { tickId, outcome } = await test.report;

    expect(outcome).toBe(isFailure ? 'failed' : 'cancelled');
    const errors = isFailure
      ? 'the pool is closed'
      : 'DOMException [AbortError]: Worker.run was aborted: the application is shutting down. Also failed: the pool is closed';
    expect(test.log.of('error').slice(1)).toEqual([
      `Worker.run ${outcome} (${tickId}, phase handler) after the shutdown stopped waiting for it, so its connections may be closed: ${errors}`,
    ]);
  });

  it('[D6] abandons nothing that ends in time', async () => {
    const test = await runningTick(untilAborted, { shutdownTimeoutMs: 5_000 });
    const ended = test.next('shutdown:finished');
    await test.app.close();
    expect((await ended).abandoned).toEqual([]);
    expect(test.log.of('error')).toEqual([]);
    const name = `Worker.run (${test.tick.id})`;
    expect(test.log.of('log').filter((line) => line.startsWith('Shutting down'))).toEqual([
      `Shutting down: waiting for ${name}`,
      expect.stringMatching(
        /^Shutting down: all work finished after \d+ ms; cancelled: Worker\.run \(tick-.*\)$/,
      ),
    ]);
  });

  it('[D7] has one deadline for all ticks and scopes together, not a sum', async () => {
    const held = gate();
    const test = await runningTick(() => held.opened, { shutdownTimeoutMs: 5_000 });
    const more = [1, 2, 3].map(() => test.registry.run('Worker.run'));
    const byHand = test.scopes.run(() => held.opened);
    await turns();
    const ended = test.next('shutdown:finished');
    const close = closing(test);
    await advance(5_000);
    expect(close.done).toBe(true);
    const { waitedMs, abandoned } = await ended;
    expect(waitedMs).toBe(5_000);
    expect(abandoned).toHaveLength(5);
    held.open();
    await Promise.all([test.report, byHand, ...more]);
  });

  it('[D7] drainTimeoutMs is part of the deadline', async () => {
    const held = gate();
    const options = { drainTimeoutMs: 3_000, shutdownTimeoutMs: 5_000 };
    const test = await runningTick(() => held.opened, options);
    const close = closing(test);
    await advance(2_999);
    expect(test.tick.signal.aborted).toBe(false);
    await advance(1);
    expect(test.tick.signal.aborted).toBe(true);
    await advance(1_999);
    expect(close.done).toBe(false);
    await advance(1);
    expect(close.done).toBe(true);
    held.open();
    await test.report;
  });

  it('[D15] is harmless when it is called twice, at once and again', async () => {
    const held = gate();
    const test = await runningTick(() => held.opened);
    const events: string[] = [];
    for (const event of ['shutdown:started', 'shutdown:finished', 'tick:finished'] as const)
      test.events.on(event, () => events.push(event));
    const both = [closing(test), closing(test)];
    await turns();
    expect(both.map(({ done }) => done)).toEqual([false, false]);
    held.open();
    await Promise.all(both.map(({ promise }) => promise));
    await test.app.close();
    expect(events).toEqual(['shutdown:started', 'tick:finished', 'shutdown:finished']);
    expect(test.log.of('error')).toEqual([]);
  });

  it('[D23] lets no tick begin once the stop has begun: not due, not buffered, not by hand', async () => {
    const held = gate();
    const begun: string[] = [];
    @ScopedWorker()
    class Poller {
      @ScopedInterval(1_000)
      async poll(tick: Tick): Promise<void> {
        begun.push(tick.scheduledAt.toISOString());
        await held.opened;
      }
    }
    const test = await startApp({ providers: [Poller], options: { drainTimeoutMs: 10_000 } });
    const skipped: unknown[] = [];
    test.events.on('tick:skipped', ({ trigger, reason }) => skipped.push([trigger, reason]));
    await advance(2_500);
    const close = closing(test);
    await advance(5_000);
    expect(close.done).toBe(false);
    expect(await test.registry.run('Poller.poll')).toMatchObject({ reason: 'stopping' });
    held.open();
    await close.promise;
    await advance(5_000);
    expect(begun).toEqual([afterNoon(1_000)]);
    expect(skipped).toEqual([
      ['interval', 'stopping'],
      ['manual', 'stopping'],
    ]);
  });

  it('[D23] disposes all scopes before any singleton is destroyed', async () => {
    const { journal, Probe } = probes();
    @RequestScoped()
    class Connection extends Probe {}
    @Injectable()
    class Pool implements OnModuleDestroy {
      onModuleDestroy(): void {
        journal.note('destroyed Pool');
      }
    }
    const providers = [Pool, Connection, worker([Connection], untilAborted)];
    const test = await startApp({ providers });
    const report = test.registry.run('Worker.run');
    const byHand = await test.scopes.open();
    await byHand.resolve(Connection);
    await turns();
    await test.app.close();
    expect((await report).outcome).toBe('cancelled');
    expect(journal.lines.slice(2)).toEqual([
      'disposed Connection',
      'disposed Connection',
      'destroyed Pool',
    ]);
  });
});
