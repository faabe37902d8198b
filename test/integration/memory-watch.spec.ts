import { AsyncLocalStorage } from 'node:async_hooks';
import { jest } from '@jest/globals';
import { InvalidOptionsError, type MemoryOptions } from '../../lib/index.js';
import { MIB } from '../../lib/memory/process-memory.js';
import { appsOnFakeClock } from '../support/app.js';
import { advance } from '../support/fake-clock.js';
import { turn } from '../support/gate.js';
import { FakeMemory, memoryApp, type MemoryApp } from '../support/memory.js';
import { YEARLY } from '../support/probes.js';
import { refusal } from '../support/refusal.js';
import { AppStopper } from '../../lib/nest/app-stopper.js';

/** One check; start-up settles on the way. */
const check = (everyMs = 1_000): Promise<void> => advance(everyMs);

const EVERY_SECOND = { checkEveryMs: 1_000 } as const;

/** A full process, as the log names it. */
const FULL = { rssMb: 512, heapMb: 50 };

describe('The memory watch', () => {
  appsOnFakeClock();

  describe('when its options make no sense', () => {
    it('refuses start-up with one sentence for each, and starts nothing', async () => {
      const memory = { warnAtMb: -5, stopAtPercent: 101, every: 5 } as MemoryOptions;
      const error = await refusal({ options: { memory } });
      expect(error).toBeInstanceOf(InvalidOptionsError);
      expect((error as InvalidOptionsError).problems).toEqual([
        'ScopedWorkerModule: memory.warnAtMb must be a number above 0, not -5.',
        'ScopedWorkerModule: memory.stopAtPercent must be a number above 0 and up to 100, not 101.',
        "ScopedWorkerModule: memory.every isn't an option; the options are warnAtMb, warnAtPercent, stopAtMb, stopAtPercent, checkEveryMs.",
      ]);
    });

    it('refuses a value other than an object', async () => {
      const error = await refusal({ options: { memory: true as unknown as MemoryOptions } });
      expect((error as InvalidOptionsError).problems).toEqual([
        'ScopedWorkerModule: memory must be an object such as { warnAtPercent: 80 }, not true.',
      ]);
    });
  });

  describe('when it is not asked for', () => {
    it('has no timer, reads nothing and hears nothing', async () => {
      const { memory, events, checks } = await memoryApp(undefined);
      const before = jest.getTimerCount();
      await advance(60_000);
      expect(jest.getTimerCount()).toBeLessThanOrEqual(before);
      expect([memory.floors, checks.length, events.isHeard('tick:started')]).toEqual([0, 0, false]);
    });
  });

  describe('when it has no threshold', () => {
    it('reports a sample each ten seconds, and nothing else', async () => {
      const { checks, told, memory } = await memoryApp({});
      memory.rssMb = 1_999;
      await advance(9_000);
      expect(checks).toHaveLength(0);
      await advance(21_001);
      expect(checks).toHaveLength(3);
      expect(checks[0]).toEqual({
        sample: {
          rssBytes: 1_999 * MIB,
          heapUsedBytes: 50 * MIB,
          heapLimitBytes: 1_000 * MIB,
          limitBytes: 2_000 * MIB,
          percent: 99.95,
        },
        schedules: [],
      });
      expect(told).toEqual([]);
    });
  });

  describe('when memory crosses the warning', () => {
    it('warns once, and again only after it has recovered', async () => {
      const { memory, told } = await memoryApp({ warnAtMb: 500, ...EVERY_SECOND });
      await check();
      for (const rssMb of [499, 500, 700, 480, 520, 474, 499, 501]) {
        memory.rssMb = rssMb;
        await check();
      }
      expect(told).toEqual(['warning warnAtMb', 'recovered warnAtMb', 'warning warnAtMb']);
    });

    it('logs one line that names the amount, the threshold and who grows', async () => {
      const { memory, log, registry, crossings } = await memoryApp({
        warnAtMb: 500,
        ...EVERY_SECOND,
      });
      const handler = (): void => void (memory.leftBytes += MIB);
      registry.add({ name: 'grower', cron: YEARLY, handler });
      registry.add({ name: 'other', cron: YEARLY, handler: () => undefined });
      await check();
      for (let round = 0; round < 6; round += 1) {
        for (const name of ['grower', 'other']) await registry.run(name);
        await turn();
      }
      Object.assign(memory, FULL);
      await check();
      expect(log.of('warn')).toEqual([
        'Memory: RSS 512 MiB has reached memory.warnAtMb (500). Most growth: grower (+1.0 MiB per tick, 6 ticks).',
      ]);
      expect(crossings).toMatchObject([
        {
          sample: { rssBytes: 512 * MIB },
          threshold: { option: 'warnAtMb', value: 500 },
          schedules: [{ schedule: 'grower', ticks: 6, bytesPerTick: MIB, bytes: 6 * MIB }],
        },
      ]);
    });

    it('logs that it has recovered', async () => {
      const { memory, log } = await memoryApp({ warnAtPercent: 80, ...EVERY_SECOND });
      memory.heapMb = 850;
      await check(1_001);
      memory.heapMb = 100;
      await check();
      expect(log.of('warn')).toEqual([
        'Memory: heap 850 MiB of 1000 MiB (85.0%) has reached memory.warnAtPercent (80). No schedule appears to cause growth.',
      ]);
      expect(log.of('log')).toContain(
        'Memory: heap 100 MiB of 1000 MiB (10.0%) is below memory.warnAtPercent (80) again.',
      );
    });
  });

  describe('when memory cannot be read', () => {
    it('says so, and looks again with the next check', async () => {
      const { memory, events, log, told } = await memoryApp({ warnAtMb: 500, ...EVERY_SECOND });
      const strays: unknown[] = [];
      events.on('failure:stray', ({ where, error }) => strays.push([where, error]));
      memory.error = new Error('too many open files');
      memory.rssMb = 600;
      await check(1_001);
      expect(strays).toEqual([['memory', memory.error]]);
      expect(log.of('error')).toEqual(['memory failed: too many open files']);
      memory.error = undefined;
      await check();
      expect(told).toEqual(['warning warnAtMb']);
    });
  });

  describe('when memory cannot be read at start-up', () => {
    it('says so, and begins all the same', async () => {
      const memory = new FakeMemory();
      memory.error = new Error('too many open files');
      const { log, checks } = await memoryApp({ stopAtMb: 5_000, ...EVERY_SECOND }, { memory });
      await advance(1);
      expect(log.of('error')).toEqual(['memory failed: too many open files']);
      memory.error = undefined;
      await check();
      expect(checks).toHaveLength(1);
    });
  });

  describe('when a schedule is removed', () => {
    it('forgets it', async () => {
      const { memory, registry, checks } = await memoryApp(EVERY_SECOND);
      const handler = (): void => void (memory.leftBytes += MIB);
      registry.add({ name: 'grower', cron: YEARLY, handler });
      await check();
      for (let round = 0; round < 6; round += 1) {
        await registry.run('grower');
        await turn();
      }
      await check();
      expect(checks.at(-1)!.schedules).toHaveLength(1);
      registry.remove('grower');
      await check();
      expect(checks.at(-1)!.schedules).toEqual([]);
    });
  });

  describe('when the application closes', () => {
    it('leaves no timer and no listener, and checks no more', async () => {
      const { app, checks, events, memory } = await memoryApp({ warnAtMb: 500, ...EVERY_SECOND });
      await check(1_001);
      expect(checks).toHaveLength(1);
      await app.close();
      expect(jest.getTimerCount()).toBe(0);
      memory.rssMb = 900;
      await check();
      expect(checks).toHaveLength(1);
      expect(events.isHeard('tick:started')).toBe(false);
    });

    it('never begins when that happens before start-up has settled', async () => {
      const { app, checks } = await memoryApp(EVERY_SECOND);
      await app.close();
      await check(5_000);
      expect(checks).toEqual([]);
      expect(jest.getTimerCount()).toBe(0);
    });

    it('does not finish measuring a tick', async () => {
      const { app, memory, registry } = await memoryApp(EVERY_SECOND);
      registry.add({ name: 'job', cron: YEARLY, handler: () => undefined });
      await check();
      await registry.run('job');
      await registry.run('job');
      const closed = app.close();
      const { floors } = memory;
      await closed;
      await turn();
      expect(memory.floors).toBe(floors);
      expect(memory.watches).toBe(0);
    });
  });

  it('is not inside the AsyncLocalStorage context of who has started the application', async () => {
    const traces = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const { events } = await traces.run('bootstrap', () => memoryApp(EVERY_SECOND));
    events.on('memory:sampled', () => void seen.push(traces.getStore()));
    await check(1_001);
    expect(seen).toEqual([undefined]);
  });

  it('warns at start-up of a stop that lies beyond what the process may use', async () => {
    const { log } = await memoryApp({ stopAtMb: 2_000 });
    await check();
    expect(log.of('warn')).toEqual([
      'memory.stopAtMb (2000) can never be reached: this process can use only 2000 MiB. Set a lower value.',
    ]);
  });

  it.each<MemoryOptions>([{ stopAtMb: 1_999 }, { warnAtMb: 5_000 }, { stopAtPercent: 100 }])(
    'has nothing to say at start-up of %p',
    async (options) => {
      const { log } = await memoryApp(options);
      await check();
      expect(log.of('warn')).toEqual([]);
    },
  );
});

const OPTIONS: MemoryOptions = { warnAtMb: 500, stopAtMb: 800, checkEveryMs: 1_000 };

describe('The stop of the memory watch', () => {
  const causes: string[] = [];
  /** Replaces the one that ends the process. */
  const stopper = {
    isStopping: false,
    closed: () => undefined,
    stop: (cause: string): Promise<void> => {
      causes.push(cause);
      return Promise.resolve();
    },
  };

  appsOnFakeClock();
  beforeEach(() => void (causes.length = 0));

  async function watched(options: MemoryOptions): Promise<MemoryApp> {
    const test = await memoryApp(options, {
      build: (builder) => builder.overrideProvider(AppStopper).useValue(stopper),
    });
    await advance(1);
    return test;
  }

  it('is requested once, however long memory stays above the threshold', async () => {
    const { memory, told, checks } = await watched(OPTIONS);
    memory.rssMb = 600;
    await advance(1_000);
    memory.rssMb = 800;
    await advance(1_000);
    for (const rssMb of [900, 100, 900]) {
      memory.rssMb = rssMb;
      await advance(1_000);
    }
    expect(told).toEqual(['warning warnAtMb', 'stopping stopAtMb']);
    expect(causes).toEqual(['Memory: RSS 800 MiB has reached memory.stopAtMb (800)']);
    expect(checks).toHaveLength(2);
  });

  it('is preceded by the warning when memory crosses both thresholds at once', async () => {
    const { memory, told } = await watched(OPTIONS);
    memory.rssMb = 900;
    await advance(1_000);
    expect(told).toEqual(['warning warnAtMb', 'stopping stopAtMb']);
  });

  it('does not happen below the threshold', async () => {
    const { memory, told } = await watched({ ...OPTIONS, warnAtMb: 1 } as MemoryOptions);
    memory.rssMb = 799;
    await advance(10_000);
    expect(told).toEqual(['warning warnAtMb']);
    expect(causes).toEqual([]);
  });

  it('also happens at a percentage of the heap', async () => {
    const { memory } = await watched({ stopAtPercent: 90, checkEveryMs: 1_000 });
    memory.heapMb = 950;
    await advance(1_000);
    expect(causes).toEqual([
      'Memory: heap 950 MiB of 1000 MiB (95.0%) has reached memory.stopAtPercent (90)',
    ]);
  });

  it('logs the growing schedule as an error', async () => {
    const { memory, log } = await watched(OPTIONS);
    memory.rssMb = 900;
    await advance(1_000);
    expect(log.of('error')).toEqual([
      'Memory: RSS 900 MiB has reached memory.stopAtMb (800). No schedule appears to cause growth.',
    ]);
  });

  it('lets no further tick begin', async () => {
    const { memory, registry } = await watched(OPTIONS);
    registry.add({ name: 'job', cron: YEARLY, handler: () => undefined });
    expect((await registry.run('job')).outcome).toBe('succeeded');
    memory.rssMb = 900;
    await advance(1_000);
    expect(await registry.run('job')).toMatchObject({ outcome: 'skipped', reason: 'stopping' });
  });

  it('does not come while the application closes', async () => {
    const { app, memory } = await watched(OPTIONS);
    memory.rssMb = 900;
    await app.close();
    await advance(10_000);
    expect(causes).toEqual([]);
  });
});
