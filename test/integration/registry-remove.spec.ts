import { describe, expect, it, jest } from '@jest/globals';
import { inMemoryQueue, ScopedConsumer, ScopedWorker, type Tick } from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance, leap } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { at, intervalApp, recorder } from '../support/interval-app.js';
import { heard, jobsApp, thrownBy } from '../support/run-time-schedules.js';

appsOnFakeClock();

const nothing = (): void => undefined;

describe('registry.remove()', () => {
  it('[F21] takes a schedule away that is due no more, and says so; the others go on', async () => {
    const { registry, ran, changes } = await jobsApp();
    registry.add({ name: 'mine', handler: 'Jobs.plain', everyMs: 1_000 });
    await advance(1_000);
    registry.remove('mine');
    expect(changes.slice(1)).toEqual([{ schedule: 'mine', change: 'removed' }]);
    expect(registry.list().map(({ name }) => name)).toEqual(['Jobs.hourly', 'Jobs.poll']);
    await advance(59_000);
    expect(ran).toEqual(['mine interval 12:00:01.000', 'Jobs.poll interval 12:01:00.000']);
    expect(registry.stats().schedules).toBe(2);
  });

  it('[F21] takes a decorated one away as well, and its method can be added again', async () => {
    const { registry, ran } = await jobsApp();
    registry.remove('Jobs.poll');
    registry.add({ name: 'Jobs.poll', handler: 'Jobs.poll', everyMs: 1_000 });
    await advance(1_000);
    expect(ran).toEqual(['Jobs.poll interval 12:00:01.000']);
  });

  it.each(['get', 'run', 'pause', 'resume', 'cancel', 'remove', 'reschedule'] as const)(
    '[F21] makes the name unknown to %s()',
    async (method) => {
      const { registry, changes } = await jobsApp();
      const call = async (name: string): Promise<unknown> =>
        method === 'reschedule'
          ? registry.reschedule(name, { everyMs: 1_000 })
          : registry[method](name);
      registry.remove('Jobs.hourly');
      await expect(call('Jobs.hourly')).rejects.toMatchObject({
        name: 'UnknownScheduleError',
        code: 'UNKNOWN_SCHEDULE',
        schedule: 'Jobs.hourly',
        known: ['Jobs.poll'],
      });
      expect(changes).toHaveLength(1);
      await expect(call('Jobs.poll')).resolves.not.toThrow();
    },
  );

  it('[F21] lets the running tick finish, and skips what waits behind it', async () => {
    const held = gate();
    const { due, work } = recorder({ 1: held });
    const test = await intervalApp(1_000, work);
    const { finished, skipped } = heard(test);
    await advance(2_500);
    test.registry.remove('Poller.poll');
    expect(skipped).toEqual(['Poller.poll removed']);
    expect(test.registry.stats()).toMatchObject({ runningTicks: 1, openScopes: 1 });
    await advance(5_000);
    held.open();
    await advance(5_000);
    expect(due).toEqual(at(1_000));
    expect(finished).toMatchObject([{ schedule: 'Poller.poll', outcome: 'succeeded' }]);
    expect(test.registry.stats()).toMatchObject({ runningTicks: 0, openScopes: 0 });
  });

  it('[F21] does not abort the running tick, nor its attempts to come', async () => {
    let attempts = 0;
    const signals: AbortSignal[] = [];
    const { registry, finished } = await jobsApp();
    registry.add({
      name: 'retried',
      handler: ({ signal }: Tick) => {
        attempts += 1;
        signals.push(signal);
        if (attempts < 3) throw new Error('busy');
      },
      everyMs: 1_000,
      retry: { attempts: 3, backoffMs: 500 },
    });
    await advance(1_100);
    registry.remove('retried');
    await advance(5_000);
    expect(finished).toMatchObject([{ outcome: 'succeeded', attempts: 3 }]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, false]);
  });

  it('[XF8] skips only what is its own behind a shared overlapKey', async () => {
    const held = gate();
    const { registry, skipped, finished } = await jobsApp();
    const shared = { overlap: 'buffer-one', overlapKey: 'printer' } as const;
    const options = { handler: nothing, everyMs: 60_000, ...shared };
    registry.add({ ...options, name: 'first', handler: () => held.opened });
    registry.add({ ...options, name: 'second' });
    registry.add({ ...options, name: 'third' });
    const runs = ['first', 'second', 'third'].map((name) => registry.run(name));
    await advance(0);
    registry.remove('second');
    held.open();
    expect((await Promise.all(runs)).map(({ outcome, reason }) => reason ?? outcome)).toEqual([
      'succeeded',
      'removed',
      'succeeded',
    ]);
    expect(skipped).toEqual(['second removed']);
    expect(finished.map(({ schedule }) => schedule)).toEqual(['first', 'third']);
  });

  it('[XF8] drops a tick that was fired and is late by jitter', async () => {
    const { registry, ran } = await jobsApp();
    jest.spyOn(Math, 'random').mockReturnValue(0.5);
    registry.add({ name: 'late', handler: 'Jobs.plain', everyMs: 1_000, jitterMs: 1_000 });
    await advance(1_200);
    registry.remove('late');
    await advance(2_000);
    expect(ran).toEqual([]);
    jest.restoreAllMocks();
  });

  it('[XF8] forgets a pause, and the last report', async () => {
    const { registry } = await jobsApp();
    registry.add({ name: 'again', handler: 'Jobs.plain', everyMs: 1_000 });
    await registry.run('again');
    registry.pause('again');
    registry.remove('again');
    expect(registry.add({ name: 'again', handler: 'Jobs.plain', everyMs: 1_000 })).toMatchObject({
      state: 'active',
      lastReport: undefined,
    });
  });

  describe('when the name is added again while the old tick runs', () => {
    it('[XF8] the overlap rule still holds against the old tick', async () => {
      const held = gate();
      const { registry, skipped, ran } = await jobsApp();
      registry.add({ name: 'row', handler: () => held.opened, everyMs: 1_000 });
      const old = registry.run('row');
      await advance(0);
      registry.remove('row');
      registry.add({ name: 'row', handler: 'Jobs.plain', everyMs: 1_000, overlap: 'skip' });
      await advance(1_000);
      expect([ran, skipped]).toEqual([[], ['row overlap']]);
      held.open();
      expect((await old).outcome).toBe('succeeded');
      await advance(1_000);
      expect(ran).toEqual(['row interval 12:00:02.000']);
    });

    it('[XF8] the old tick leaves no report with the new schedule, and does not pause it', async () => {
      const held = gate();
      const { registry } = await jobsApp();
      const work = (): Promise<never> => held.opened.then(() => Promise.reject(new Error('late')));
      registry.add({ name: 'row', handler: work, everyMs: 1_000, onFailure: 'pause' });
      const old = registry.run('row');
      await advance(0);
      registry.remove('row');
      registry.add({ name: 'row', handler: 'Jobs.plain', everyMs: 1_000 });
      held.open();
      expect((await old).outcome).toBe('failed');
      expect(registry.get('row')).toMatchObject({ state: 'active', lastReport: undefined });
    });

    it('[XF8] removing it twice leaves the one that is there now', async () => {
      const { registry } = await jobsApp();
      registry.add({ name: 'row', handler: 'Jobs.plain', everyMs: 1_000 });
      registry.remove('row');
      expect(thrownBy(() => registry.remove('row')).code).toBe('UNKNOWN_SCHEDULE');
      registry.add({ name: 'row', handler: 'Jobs.plain', everyMs: 3_000 });
      expect(registry.get('row').everyMs).toBe(3_000);
    });
  });

  it('[XF8] a listener adds the schedule again when it hears of a removed slot, due or waiting', async () => {
    const held = gate();
    const { registry, events, changes, skipped } = await jobsApp();
    registry.add({
      name: 'row',
      handler: () => held.opened,
      everyMs: 1_000,
      overlap: 'allow',
      maxConcurrency: 1,
    });
    const runs = [registry.run('row'), registry.run('row')];
    events.on('tick:skipped', () => {
      if (registry.has('row')) return;
      registry.add({ name: 'row', handler: 'Jobs.plain', everyMs: 1_000 });
      registry.pause('row');
    });
    changes.length = 0;
    leap(1_000); // the slot is due, but its timer hasn't fired
    registry.remove('row');
    await advance(0);
    expect(skipped).toEqual(['row removed', 'row removed']);
    expect(changes.map(({ change }) => change)).toEqual(['removed', 'added', 'paused']);
    expect(registry.get('row')).toMatchObject({ state: 'paused' });
    registry.resume('row');
    held.open();
    await Promise.all(runs);
    await advance(1_000);
    expect(registry.get('row').lastReport).toMatchObject({
      trigger: 'interval',
      outcome: 'succeeded',
    });
  });

  it('[F21] removes itself from inside its own tick', async () => {
    const { registry, finished } = await jobsApp();
    registry.add({
      name: 'once only',
      handler: ({ schedule }: Tick) => {
        registry.remove(schedule);
        return registry.list().length;
      },
      everyMs: 1_000,
    });
    await advance(5_000);
    expect(finished).toMatchObject([{ schedule: 'once only', outcome: 'succeeded', value: 2 }]);
  });

  it('[XG1] removes a consumer: it reads no more, and the message at work is finished', async () => {
    const held = gate();
    const bodies: unknown[] = [];
    @ScopedWorker()
    class Mailer {
      @ScopedConsumer('queue')
      async send({ payload }: Tick): Promise<void> {
        bodies.push(payload);
        await held.opened;
      }
    }
    const queue = inMemoryQueue<string>();
    const { registry, next } = await startApp({
      providers: [Mailer, { provide: 'queue', useValue: queue }],
    });
    const started = next('tick:started');
    await queue.put('one');
    await queue.put('two');
    await advance(0);
    await started;
    await advance(0);
    const finished = next('tick:finished');
    registry.remove('Mailer.send');
    held.open();
    expect((await finished).outcome).toBe('succeeded');
    await advance(1_000);
    expect(bodies).toEqual(['one']);
  });
});
