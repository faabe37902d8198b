import { describe, expect, it } from '@jest/globals';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { heard, runningBackground } from '../support/background.js';
import { advance } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { RequestScoped, worker } from '../support/probes.js';
import { closing, runningTick, turns, untilAborted } from '../support/running-tick.js';

appsOnFakeClock();

@RequestScoped()
class Unit {}

describe('Listeners for shutdown:started', () => {
  it('[L2] are awaited before a tick is aborted or refused to build', async () => {
    const [first, second] = [gate(), gate()];
    const test = await runningTick(untilAborted, {}, [Unit]);
    test.events.on('shutdown:started', () => first.opened);
    test.events.on('shutdown:started', () => second.opened);
    const close = closing(test);
    await turns();
    first.open();
    await turns();
    expect(test.tick.signal.aborted).toBe(false);
    expect(await test.tick.scope.resolve(Unit)).toBeInstanceOf(Unit);
    expect(await test.scopes.run((scope) => scope.resolve(Unit))).toBeInstanceOf(Unit);
    second.open();
    await close.promise;
    expect((await test.report).outcome).toBe('cancelled');
  });

  it('[L2] are awaited before stopping of a background worker is aborted', async () => {
    const held = gate();
    const test = await runningBackground(heard);
    test.events.on('shutdown:started', () => held.opened);
    const close = closing(test);
    await turns();
    expect([test.stopping.aborted, close.done]).toEqual([false, false]);
    held.open();
    await close.promise;
    expect(test.stopping.aborted).toBe(true);
  });

  it('[D23] hold up no trigger: nothing begins meanwhile', async () => {
    const held = gate();
    const test = await startApp({ providers: [worker([], () => undefined)] });
    test.events.on('shutdown:started', () => held.opened);
    const close = closing(test);
    await turns();
    expect(await test.registry.run('Worker.run')).toMatchObject({ reason: 'stopping' });
    held.open();
    await close.promise;
  });

  it('[L2] have until shutdownTimeoutMs is over, drainTimeoutMs follows, and one that hangs is named', async () => {
    const options = { drainTimeoutMs: 3_000, shutdownTimeoutMs: 5_000 };
    const test = await runningTick(untilAborted, options);
    test.events.on('shutdown:started', () => new Promise(() => undefined));
    const ended = test.next('shutdown:finished');
    const close = closing(test);
    await advance(4_999);
    expect([test.tick.signal.aborted, close.done]).toEqual([false, false]);
    await advance(1);
    await close.promise;
    expect(await ended).toMatchObject({
      waitedMs: 5_000,
      abandoned: ['a listener for shutdown:started', `Worker.run (${test.tick.id})`],
    });
    expect(test.tick.signal.aborted).toBe(true);
    await test.report;
  });

  it('[L2] that take a while leave the rest of the deadline to the ticks', async () => {
    const options = { drainTimeoutMs: 3_000, shutdownTimeoutMs: 5_000 };
    const held = gate();
    const test = await runningTick(() => held.opened, options);
    const unheard = gate();
    test.events.on('shutdown:started', () => unheard.opened);
    const close = closing(test);
    await advance(1_000);
    unheard.open();
    await advance(2_999);
    expect(test.tick.signal.aborted).toBe(false);
    await advance(1);
    expect(test.tick.signal.aborted).toBe(true);
    await advance(999);
    expect(close.done).toBe(false);
    await advance(1);
    expect(close.done).toBe(true);
    held.open();
    await test.report;
  });

  it('[D25] that reject are logged, and stop nothing', async () => {
    const test = await runningTick(untilAborted);
    test.events.on('shutdown:started', () => Promise.reject(new Error('boom')));
    await test.app.close();
    expect((await test.report).outcome).toBe('cancelled');
    expect(test.log.of('error')).toEqual(['A listener for shutdown:started failed: boom']);
  });
});
