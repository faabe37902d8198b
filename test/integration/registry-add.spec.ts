import { describe, expect, it, jest } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Inject, Injectable, Scope } from '@nestjs/common';
import {
  currentTick,
  DuplicateScheduleError,
  InvalidScheduleError,
  ScopedInterval,
  ScopedWorker,
  ScopedWorkerRegistry,
  type ScheduleDefinition,
  type Tick,
} from '../../lib/index.js';
import { appsOnFakeClock, compileApp, startApp } from '../support/app.js';
import { advance, afterNoon } from '../support/fake-clock.js';
import { gate, turn } from '../support/gate.js';
import { Probe, ProbeJournal, PROBES } from '../support/probes.js';
import { quietEngine } from '../support/quiet-engine.js';
import { jobsApp, thrownBy, written } from '../support/run-time-schedules.js';

appsOnFakeClock();

const nothing = (): void => undefined;

const heardAbort = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });

describe('registry.add()', () => {
  it('[F21] adds a cron that is due from now on, and says so', async () => {
    const { registry, ran, changes } = await jobsApp();
    await advance(500);
    const info = registry.add({ name: 'row 1', handler: 'Jobs.poll', cron: '*/2 * * * * *' });
    expect(info).toEqual(registry.get('row 1'));
    expect(info).toEqual({
      name: 'row 1',
      handler: 'Jobs.poll',
      kind: 'cron',
      expression: '*/2 * * * * *',
      everyMs: undefined,
      timeZone: undefined,
      utcOffset: undefined,
      state: 'active',
      nextRun: new Date(afterNoon(2_000)),
      lastReport: undefined,
      running: 0,
    });
    expect(changes).toEqual([{ schedule: 'row 1', change: 'added' }]);
    await advance(3_500);
    expect(ran).toEqual(['row 1 cron 12:00:02.000', 'row 1 cron 12:00:04.000']);
    expect(registry.stats().schedules).toBe(3);
  });

  it('[F21] adds an interval whose first tick comes one period from now', async () => {
    const { registry, ran } = await jobsApp();
    await advance(300);
    registry.add({ name: 'fast', handler: 'Jobs.poll', everyMs: 1_000 });
    expect(registry.get('fast')).toMatchObject({ kind: 'interval', everyMs: 1_000 });
    await advance(2_000);
    expect(ran).toEqual(['fast interval 12:00:01.300', 'fast interval 12:00:02.300']);
  });

  it('[XF1] takes a method without a decorator, of a worker that is new on each tick', async () => {
    const { registry, ran } = await jobsApp();
    registry.add({ name: 'plain', handler: 'Jobs.plain', everyMs: 1_000 });
    await advance(2_000);
    expect(ran).toEqual(['plain interval 12:00:01.000', 'plain interval 12:00:02.000']);
    expect(registry.stats()).toMatchObject({ openedScopes: 2, closedScopes: 2 });
  });

  it('[XF1] takes a worker that has no decorated method at all', async () => {
    const ran: string[] = [];
    @ScopedWorker()
    class OnlyByRow {
      constructor(private readonly probe: Probe) {}

      send(tick: Tick): void {
        ran.push(`${String(tick.payload)} ${this.probe.id}`);
      }
    }
    const { app, registry } = await startApp({ providers: [OnlyByRow, ...PROBES] });
    registry.add({ name: 'a', handler: 'OnlyByRow.send', everyMs: 1_000, payload: 'A' });
    await advance(2_000);
    expect(ran).toEqual(['A 1', 'A 2']);
    expect(app.get(ProbeJournal).alive).toEqual([]);
  });

  it('[XF1] takes a function, which finds its providers in the scope of the tick', async () => {
    const { app, registry, finished } = await jobsApp(nothing, { providers: PROBES });
    registry.add({
      name: 'by function',
      handler: async ({ scope }: Tick) => {
        const first = await scope.resolve(Probe);
        expect(await scope.resolve(Probe)).toBe(first);
        expect(currentTick()?.scope).toBe(scope);
        return first.id;
      },
      everyMs: 1_000,
    });
    await advance(2_000);
    expect(finished).toMatchObject([
      { schedule: 'by function', outcome: 'succeeded', value: 1, built: 1, disposed: 1 },
      { schedule: 'by function', outcome: 'succeeded', value: 2, built: 1, disposed: 1 },
    ]);
    expect(app.get(ProbeJournal).alive).toEqual([]);
  });

  it('[XF1] a function that throws fails its tick, and the schedule lives on', async () => {
    const { registry, finished } = await jobsApp();
    const error = new Error('no paper');
    registry.add({
      name: 'fails',
      handler: () => {
        throw error;
      },
      everyMs: 1_000,
    });
    await advance(2_000);
    expect(finished).toMatchObject([
      { outcome: 'failed', phase: 'handler', error },
      { outcome: 'failed', phase: 'handler', error },
    ]);
  });

  it('[XF1] passes the payload of the definition, unless a run by hand has another', async () => {
    const { registry, finished } = await jobsApp(({ payload }) => payload);
    const payload = { tenant: 'acme' };
    registry.add({ name: 'acme', handler: 'Jobs.plain', everyMs: 1_000, payload });
    await advance(1_000);
    expect(finished[0]!.value).toBe(payload);
    expect((await registry.run('acme')).value).toBe(payload);
    expect((await registry.run('acme', { payload: 7 })).value).toBe(7);
  });

  it('[F21] is paused, resumed, cancelled and run by its name', async () => {
    const held = gate<unknown>();
    const { registry, ran, changes, skipped } = await jobsApp(({ trigger, signal }) =>
      trigger === 'manual' ? Promise.race([held.opened, heardAbort(signal)]) : undefined,
    );
    registry.add({ name: 'mine', handler: 'Jobs.plain', everyMs: 1_000 });
    registry.pause('mine');
    await advance(1_000);
    expect([ran, skipped]).toEqual([[], ['mine paused']]);
    const byHand = registry.run('mine');
    await advance(0);
    expect(registry.cancel('mine')).toBe(1);
    expect(await byHand).toMatchObject({ trigger: 'manual', outcome: 'cancelled' });
    registry.resume('mine');
    await advance(1_000);
    expect(ran).toEqual(['mine manual 12:00:01.000', 'mine interval 12:00:02.000']);
    expect(changes.map(({ change }) => change)).toEqual(['added', 'paused', 'resumed']);
  });

  it('[XF1] follows its options', async () => {
    const held = gate();
    const { registry, ran, skipped } = await jobsApp(() => held.opened);
    registry.add({
      name: 'options',
      handler: 'Jobs.poll',
      everyMs: 1_000,
      overlap: 'skip',
      runOnStart: true,
      initialDelayMs: 400,
    });
    await advance(1_400);
    expect(ran).toEqual(['options start 12:00:00.400']);
    expect(skipped).toEqual(['options overlap']);
    held.open();
  });

  it('[XF1] reads a cron in the zone that it names, or that `defaults` name', async () => {
    const { registry } = await jobsApp(nothing, {
      options: { defaults: { timeZone: 'Asia/Tokyo' } },
    });
    const eight = { handler: 'Jobs.poll', cron: '0 0 8 * * *' };
    const nextRun = (definition: ScheduleDefinition): string =>
      registry.add(definition).nextRun!.toISOString();
    expect(nextRun({ name: 'default', ...eight })).toBe('2026-01-15T23:00:00.000Z');
    expect(nextRun({ name: 'zone', ...eight, timeZone: 'Europe/Berlin' })).toBe(
      '2026-01-16T07:00:00.000Z',
    );
    expect(nextRun({ name: 'offset', ...eight, utcOffset: -60 })).toBe('2026-01-16T09:00:00.000Z');
    expect(registry.get('offset')).toMatchObject({ timeZone: undefined, utcOffset: -60 });
  });

  it('[XF1] takes the options of the worker class for its methods, and beats them', async () => {
    @ScopedWorker({ timeZone: 'Asia/Tokyo', timeoutMs: 100 })
    class Slow {
      async run({ signal }: Tick): Promise<void> {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      }
    }
    const { registry } = await startApp({ providers: [Slow] });
    registry.add({ name: 'of the class', handler: 'Slow.run', cron: '0 0 8 * * *' });
    registry.add({ name: 'of its own', handler: 'Slow.run', everyMs: 5_000, timeoutMs: 200 });
    expect(registry.get('of the class').nextRun).toEqual(new Date('2026-01-15T23:00:00Z'));
    const reports = Promise.all([registry.run('of the class'), registry.run('of its own')]);
    await advance(200);
    expect((await reports).map(({ error }) => (error as { timeoutMs: number }).timeoutMs)).toEqual([
      100, 200,
    ]);
  });

  it("[C17] '-' adds one that is switched off", async () => {
    const { registry, ran } = await jobsApp();
    expect(registry.add({ name: 'off', handler: 'Jobs.poll', cron: '-' })).toMatchObject({
      state: 'disabled',
      nextRun: undefined,
    });
    await advance(5_000);
    expect(ran).toEqual([]);
    expect((await registry.run('off')).outcome).toBe('succeeded');
  });

  it('[XF1] disabled: true adds one that is switched off', async () => {
    const { registry, ran } = await jobsApp();
    expect(
      registry.add({ name: 'off', handler: 'Jobs.poll', everyMs: 1_000, disabled: true }),
    ).toMatchObject({ state: 'disabled', nextRun: undefined });
    await advance(5_000);
    expect(ran).toEqual([]);
    expect((await registry.run('off')).outcome).toBe('succeeded');
  });

  it('[XF1] disabled: false adds one that is due although the defaults disable schedules', async () => {
    const options = { defaults: { disabled: true } };
    const { registry, ran } = await jobsApp(nothing, { options });
    registry.add({ name: 'default', handler: 'Jobs.poll', everyMs: 1_000 });
    registry.add({ name: 'on', handler: 'Jobs.poll', everyMs: 1_000, disabled: false });
    await advance(1_000);
    expect(ran).toEqual(['on interval 12:00:01.000']);
  });

  it('[XF1] takes a tick per item, with forEach', async () => {
    const { registry, ran, finished } = await jobsApp();
    registry.add({
      name: 'each',
      handler: 'Jobs.plain',
      everyMs: 1_000,
      forEach: { useFactory: () => ['a', 'b'] },
    });
    await advance(1_000);
    expect(ran).toHaveLength(2);
    expect(finished.map(({ schedule }) => schedule)).toEqual(['each', 'each']);
  });

  it('[A20] hides the AsyncLocalStorage store of the caller from its ticks', async () => {
    const request = new AsyncLocalStorage<string>();
    const { registry, finished } = await jobsApp(nothing);
    request.run('of the request', () => {
      registry.add({
        name: 'clean',
        handler: () => request.getStore() ?? 'nothing',
        everyMs: 1_000,
        runOnStart: true,
      });
    });
    await advance(1_000);
    expect(finished.map(({ value }) => value)).toEqual(['nothing', 'nothing']);
  });

  describe('when start-up is not complete', () => {
    it.each(['onModuleInit', 'onApplicationBootstrap'] as const)(
      '[XF1] is due from start-up on: in %s',
      async (hook) => {
        const ran: string[] = [];
        @ScopedWorker()
        class Mailer {
          send(tick: Tick): void {
            ran.push(written(tick));
          }
        }
        @Injectable()
        class Rows {
          constructor(private readonly registry: ScopedWorkerRegistry) {}

          onModuleInit(): void {
            if (hook === 'onModuleInit') this.add();
          }

          onApplicationBootstrap(): void {
            if (hook === 'onApplicationBootstrap') this.add();
          }

          private add(): void {
            const info = this.registry.add({
              name: 'early',
              handler: 'Mailer.send',
              everyMs: 1_000,
              runOnStart: true,
            });
            expect(info).toMatchObject({ state: 'active', nextRun: undefined });
          }
        }
        const { registry, log } = await startApp({ providers: [Mailer, Rows] });
        expect(registry.get('early').nextRun).toEqual(new Date(afterNoon(1_000)));
        expect(log.of('log').join()).toContain('early (2026-01-15T12:00:01.000Z)');
        await advance(2_000);
        expect(ran).toEqual([
          'early start 12:00:00.000',
          'early interval 12:00:01.000',
          'early interval 12:00:02.000',
        ]);
      },
    );

    it('[XF1] what is added and removed again in onModuleInit never runs', async () => {
      const ran: string[] = [];
      @Injectable()
      class Rows {
        constructor(private readonly registry: ScopedWorkerRegistry) {}

        onModuleInit(): void {
          this.registry.add({ name: 'early', handler: () => void ran.push('no'), everyMs: 1_000 });
          this.registry.remove('early');
        }
      }
      const { registry } = await startApp({ providers: [Rows] });
      await advance(2_000);
      expect([ran, registry.list()]).toEqual([[], []]);
    });

    it('[XF3] what a listener of a missed slot changes while the engine starts reaches it', async () => {
      @ScopedWorker()
      class Jobs {
        @ScopedInterval(1_000, { name: 'poll' })
        poll(): void {}
      }
      const told: unknown[] = [];
      const { app, registry, events } = await compileApp({
        providers: [Jobs],
        options: {
          engine: {
            ...quietEngine(() => undefined),
            start: (schedules, host) =>
              host.missed(
                schedules.map((schedule) => ({
                  schedule,
                  scheduledAt: new Date(),
                  trigger: schedule.kind,
                })),
              ),
            replace: ({ name, everyMs }) => void told.push([name, everyMs]),
          },
        },
      });
      events.on('tick:skipped', ({ schedule }) =>
        registry.reschedule(schedule, { everyMs: 9_000 }),
      );
      await app.init();
      expect(told).toEqual([['poll', 9_000]]);
    });

    it('[XF1] what is added while the engine starts is registered with it afterwards', async () => {
      const told: string[] = [];
      const starting = gate();
      const begun = gate();
      const { app, registry } = await compileApp({
        options: {
          engine: {
            name: 'slow',
            start: async (schedules) => {
              told.push(`start ${schedules.length}`);
              begun.open();
              await starting.opened;
            },
            stop: () => void told.push('stop'),
            add: ({ name }) => void told.push(`add ${name}`),
            replace: ({ name }) => void told.push(`replace ${name}`),
            remove: (name) => void told.push(`remove ${name}`),
            pause: (name) => void told.push(`pause ${name}`),
            resume: (name) => void told.push(`resume ${name}`),
            nextRun: () => undefined,
          },
        },
      });
      const starts = app.init();
      await begun.opened;
      registry.add({ name: 'one', handler: nothing, everyMs: 1_000 });
      registry.pause('one');
      registry.reschedule('one', { everyMs: 2_000 });
      registry.resume('one');
      registry.remove('one');
      await turn();
      expect(told).toEqual(['start 0']);
      starting.open();
      await starts;
      await app.close();
      expect(told).toEqual([
        'start 0',
        'add one',
        'pause one',
        'replace one',
        'resume one',
        'remove one',
        'stop',
      ]);
    });

    it('[XF1] is refused in a constructor, where the workers are not known yet', async () => {
      const errors: Error[] = [];
      @Injectable()
      class TooEarly {
        constructor(registry: ScopedWorkerRegistry) {
          errors.push(
            thrownBy(() => registry.add({ name: 'x', handler: nothing, everyMs: 1_000 })),
          );
        }
      }
      const { registry } = await startApp({ providers: [TooEarly] });
      expect(errors.map(({ message }) => message)).toEqual([
        'registry.add("x"): start-up has not read the workers yet. Call add() in onModuleInit() or later.',
      ]);
      expect(registry.list()).toEqual([]);
    });
  });

  describe('when the shutdown has begun', () => {
    it('[XF1] adds what never runs, and leaves no timer', async () => {
      const held = gate();
      const { app, registry, ran, skipped, next } = await jobsApp(() => held.opened);
      const running = registry.run('Jobs.poll');
      await advance(0);
      const stopping = next('shutdown:started');
      const closed = app.close();
      await stopping;
      const info = registry.add({
        name: 'late',
        handler: 'Jobs.plain',
        everyMs: 10,
        runOnStart: true,
      });
      expect(info.nextRun).toBeUndefined();
      await advance(1_000);
      held.open();
      await running;
      await closed;
      expect(jest.getTimerCount()).toBe(0);
      expect(ran).toHaveLength(1);
      expect(await registry.run('late')).toMatchObject({ outcome: 'skipped', reason: 'stopping' });
      expect(skipped).toEqual(['late stopping']);
      registry.remove('late');
    });
  });

  describe('when the definition cannot work', () => {
    it('[XF1] refuses a name that is taken, and leaves both as they were', async () => {
      const { registry, ran, changes } = await jobsApp();
      const before = registry.list();
      const error = thrownBy(() =>
        registry.add({ name: 'Jobs.poll', handler: 'Jobs.plain', everyMs: 10 }),
      );
      expect(error).toBeInstanceOf(DuplicateScheduleError);
      expect(error.message).toBe(
        'registry.add("Jobs.poll"): the name is taken by a schedule of Jobs.poll. Choose another name, or remove that schedule first.',
      );
      expect([registry.list(), changes]).toEqual([before, []]);
      await advance(1_000);
      expect(ran).toEqual([]);
      registry.add({ name: 'Jobs.poll 2', handler: 'Jobs.plain', everyMs: 1_000 });
      expect(() =>
        registry.add({ name: 'Jobs.poll 2', handler: 'Jobs.plain', everyMs: 1_000 }),
      ).toThrow(DuplicateScheduleError);
    });

    const good = { name: 'x', handler: 'Jobs.poll', everyMs: 1_000 };
    it.each<[string, object, string]>([
      ['no name', { ...good, name: undefined }, 'name must be a string, not undefined'],
      ['an empty name', { ...good, name: '' }, 'name must not be empty'],
      ['a name of another type', { ...good, name: 7 }, 'name must be a string, not 7'],
      ['a name with a line break', { ...good, name: 'a\nb' }, 'control characters'],
      ['no handler', { ...good, handler: undefined }, 'handler must name a method of a worker'],
      ['a handler without a dot', { ...good, handler: 'poll' }, 'not "poll"'],
      ['an object as handler', { ...good, handler: {} }, 'not an object'],
      ['a class', { ...good, handler: class Jobs {} }, "name its method, 'Jobs.method'"],
      [
        'a generator',
        { ...good, handler: async function* poll(): AsyncGenerator {} },
        'handler is a generator, whose body would never run. Make it async, without the asterisk.',
      ],
      [
        'the name of a generator',
        { ...good, handler: 'Jobs.generate' },
        'handler names Jobs.generate, a generator, whose body would never run. Make it async, without the asterisk.',
      ],
      ['an unknown class', { ...good, handler: 'Jbos.poll' }, 'no worker has this name'],
      ['an unknown method', { ...good, handler: 'Jobs.pol' }, 'Jobs has no method pol'],
      ['the constructor', { ...good, handler: 'Jobs.constructor' }, 'no method constructor'],
      ['what every object has', { ...good, handler: 'Jobs.toString' }, 'no method toString'],
      [
        'no timing',
        { ...good, everyMs: undefined },
        'needs either cron (an expression) or everyMs (a period)',
      ],
      ['two timings', { ...good, cron: '* * * * * *' }, 'has both cron and everyMs'],
      ['a bad expression', { name: 'x', handler: 'Jobs.poll', cron: 'often' }, 'cannot be read'],
      ['a Date', { name: 'x', handler: 'Jobs.poll', cron: new Date() }, 'must be a string'],
      ['a period of 0', { ...good, everyMs: 0 }, 'the period must be a number of milliseconds'],
      ['a period that is NaN', { ...good, everyMs: Number.NaN }, 'not NaN'],
      ['an unknown option', { ...good, timout: 5 }, 'has no option "timout"'],
      ['a bad option', { ...good, overlap: 'queue' }, "overlap must be one of 'skip'"],
      ['a bad retry', { ...good, retry: { attempts: 0 } }, 'retry attempts must be'],
      [
        'every mistake of a retry',
        { ...good, retry: { attempts: 2, backoffMs: -1, jitter: 2 } },
        'a function that receives the attempt number; jitter must be a number from 0 to 1, not 2',
      ],
      ['two zones', { ...good, timeZone: 'UTC', utcOffset: 0 }, 'both timeZone and utcOffset'],
      ['an unknown zone', { ...good, timeZone: 'Mars/Base' }, 'not "Mars/Base"'],
      [
        'fixedDelay of a cron',
        { name: 'x', handler: 'Jobs.poll', cron: '* * * * * *', fixedDelay: true },
        'fixedDelay applies to intervals only',
      ],
      [
        'a payload beside forEach',
        { ...good, payload: 1, forEach: { useFactory: () => [] } },
        "payload and forEach can't be combined",
      ],
      ['a bad forEach', { ...good, forEach: ['a'] }, 'forEach must be { inject, useFactory }'],
    ])('[XF1] refuses %s in one sentence, and adds nothing', async (_, definition, words) => {
      const { registry, changes } = await jobsApp();
      const before = registry.list();
      const error = thrownBy(() => registry.add(definition as ScheduleDefinition));
      expect(error).toBeInstanceOf(InvalidScheduleError);
      expect(error.problems).toHaveLength(1);
      expect(error.message).toContain(words);
      expect(error.message).toMatch(/^registry\.add\((".*")?\): \S.*[^.]\.$/);
      expect([registry.list(), changes]).toEqual([before, []]);
      expect(registry.add(good as ScheduleDefinition).state).toBe('active');
    });

    it.each([undefined, null, 'name', 7])('[XF1] refuses %p for a definition', async (given) => {
      const { registry } = await jobsApp();
      const error = thrownBy(() => registry.add(given as never));
      expect(error).toBeInstanceOf(InvalidScheduleError);
      expect(error.message).toMatch(/^registry\.add\(\) takes a definition such as .*\.$/);
    });

    it('[XF1] says everything that is wrong at once', async () => {
      const { registry } = await jobsApp();
      const definition = { name: ' x ', handler: 'Jbos.poll', cron: 'often', timoutMs: 5 };
      const error = thrownBy(() => registry.add(definition as never));
      expect(error.problems).toHaveLength(4);
    });

    it('[XF1] refuses a worker that several classes could be, and takes a function for it', async () => {
      const make = (decorated: boolean) => {
        @ScopedWorker()
        class Twin {
          run(): void {}
        }
        if (decorated)
          ScopedInterval(60_000, { name: 'twin' })(
            Twin.prototype,
            'run',
            Object.getOwnPropertyDescriptor(Twin.prototype, 'run')!,
          );
        return Twin;
      };
      const [One, Other] = [make(true), make(false)];
      const { registry } = await startApp({ providers: [One, Other] });
      const definition = { name: 'x', everyMs: 1_000 };
      const error = thrownBy(() => registry.add({ ...definition, handler: 'Twin.run' }));
      expect(error.message).toBe(
        'registry.add("x"): handler names Twin, but 2 workers have this name; pass a function that resolves the right one.',
      );
      registry.add({
        ...definition,
        handler: async ({ scope }: Tick) => (await scope.resolve<{ run(): void }>(Other)).run(),
      });
      expect((await registry.run('x')).outcome).toBe('succeeded');
    });

    it('[XF1] refuses a worker that cannot be new for each tick', async () => {
      @ScopedWorker()
      class Ready {
        @ScopedInterval(1_000)
        run(): void {}
      }
      @Injectable({ scope: Scope.DEFAULT })
      @ScopedWorker()
      class Single {
        run(): void {}
      }
      @ScopedWorker()
      class Fresh {
        constructor(@Inject('value') readonly value: string) {}

        run(): void {}
      }
      const { registry } = await startApp({
        providers: [
          { provide: Ready, useValue: new Ready() },
          Single,
          { provide: 'value', useValue: 'v' },
          {
            provide: Fresh,
            scope: Scope.REQUEST,
            inject: ['value'],
            useFactory: (v: string) => new Fresh(v),
          },
        ],
      });
      const add = (name: string, handler: string) => (): unknown =>
        registry.add({ name, handler, everyMs: 1_000 });
      expect(thrownBy(add('r', 'Ready.run')).message).toMatch(/Ready.*ready-made.*\.$/);
      expect(thrownBy(add('s', 'Single.run')).message).toMatch(/Single.*once.*\.$/);
      expect(add('f', 'Fresh.run')).not.toThrow();
      expect((await registry.run('f')).outcome).toBe('succeeded');
    });
  });
});
