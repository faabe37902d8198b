import { describe, expect, it, jest } from '@jest/globals';
import { appsOnFakeClock } from '../support/app.js';
import { advance, afterNoon, leap } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { at, intervalApp, recorder } from '../support/interval-app.js';
import { slotApp } from '../support/slot-app.js';

appsOnFakeClock();

describe('pause() and resume()', () => {
  it('[E9] keep the grid of an interval', async () => {
    const { due, begun, work } = recorder();
    const { registry } = await intervalApp(1_000, work);
    await advance(1_300);
    registry.pause('Poller.poll');
    await advance(2_500);
    registry.resume('Poller.poll');
    expect(registry.get('Poller.poll').nextRun?.toISOString()).toBe(afterNoon(4_000));
    await advance(1_300);
    expect(begun).toEqual(at(1_000, 4_000, 5_000));
    expect(due).toEqual(begun);
  });

  it('[E9] within one period change nothing', async () => {
    const { begun, work } = recorder();
    const { registry } = await intervalApp(1_000, work);
    await advance(1_100);
    registry.pause('Poller.poll');
    await advance(800);
    registry.resume('Poller.poll');
    await advance(1_100);
    expect(begun).toEqual(at(1_000, 2_000, 3_000));
  });

  it('[E9] report each slot that passes in between as paused, and catch up none', async () => {
    const test = await slotApp('interval', { a: { misfire: 'all', overlap: 'allow' } });
    test.registry.pause('a');
    await advance(3_500);
    test.registry.resume('a');
    await advance(500);
    expect(test.skipped).toEqual(['a 1 paused', 'a 2 paused', 'a 3 paused']);
    expect(test.begun).toEqual(['a 4']);
    test.releaseAll();
  });

  it('[E9] keep the grid though the machine slept in between', async () => {
    const test = await slotApp('interval', { a: { overlap: 'allow' } });
    test.registry.pause('a');
    leap(3_300);
    await advance(1_000);
    test.registry.resume('a');
    expect(test.begun).toEqual([]);
    await advance(1_000);
    expect(test.begun).toEqual(['a 5']);
    test.releaseAll();
  });

  it('[E9] leave the schedule active if a listener of the pause resumes it', async () => {
    const { registry, events, skipped, begun, releaseAll } = await slotApp('interval', { a: {} });
    await advance(2_500); // the tick of the second second waits
    const changes: string[] = [];
    events.on('schedule:changed', ({ change }) => {
      changes.push(change);
      if (change === 'paused') registry.resume('a');
    });
    registry.pause('a');
    expect(changes).toEqual(['paused', 'resumed']);
    expect(registry.get('a')).toMatchObject({
      state: 'active',
      nextRun: new Date(afterNoon(3_000)),
    });
    releaseAll();
    await advance(0);
    expect([begun, skipped]).toEqual([['a 1', 'a 2'], []]);
    releaseAll();
  });

  it('[E9] leave the schedule active if a listener of the tick that the pause skips resumes it', async () => {
    const { registry, events, begun, releaseAll } = await slotApp('interval', { a: {} });
    await advance(2_500);
    const changes: string[] = [];
    events.on('schedule:changed', ({ change }) => changes.push(change));
    events.once('tick:skipped', () => registry.resume('a'));
    registry.pause('a');
    expect(changes).toEqual(['paused', 'resumed']);
    expect(registry.get('a')).toMatchObject({
      state: 'active',
      nextRun: new Date(afterNoon(3_000)),
    });
    releaseAll();
    await advance(500);
    expect(begun).toEqual(['a 1', 'a 3']);
    releaseAll();
  });

  it('[E9] keep the grid of an interval whose tick runs all the while', async () => {
    const held = gate();
    const { due, work } = recorder({ 1: held });
    const { registry } = await intervalApp(1_000, work);
    await advance(1_500);
    registry.pause('Poller.poll');
    await advance(1_000);
    registry.resume('Poller.poll');
    await advance(1_000);
    held.open();
    await advance(1_000);
    expect(due).toEqual(at(1_000, 3_000, 4_000));
  });

  it('[E9][E12] with fixedDelay the period counts on from the end of the last run', async () => {
    const { begun, work } = recorder();
    const { registry } = await intervalApp(1_000, work, { fixedDelay: true });
    await advance(1_200);
    registry.pause('Poller.poll');
    await advance(2_000);
    registry.resume('Poller.poll');
    await advance(1_500);
    expect(begun).toEqual(at(1_000, 4_000));
  });

  it('[E9] keep a slot that waits for its jitter from running while it is paused', async () => {
    const test = await slotApp('interval', { a: { jitterMs: 900, overlap: 'allow' } });
    jest.spyOn(Math, 'random').mockReturnValue(0.5);
    await advance(1_200);
    test.registry.pause('a');
    await advance(500);
    expect([test.begun, test.skipped]).toEqual([[], ['a 1 paused']]);
    test.registry.resume('a');
    await advance(800);
    expect(test.begun).toEqual(['a 2']);
    jest.restoreAllMocks();
    test.releaseAll();
  });
});
