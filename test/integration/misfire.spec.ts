import { describe, expect, it, jest } from '@jest/globals';
import {
  type HandlerOptions,
  ScopedCron,
  ScopedWorker,
  type Tick,
  inProcessEngine,
  ScopedWorkerEvents,
  ScopedWorkerRegistry,
} from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance, leap, afterNoon } from '../support/fake-clock.js';
import { closing, turns } from '../support/running-tick.js';
import { slotApp } from '../support/slot-app.js';
import { gate, turn } from '../support/gate.js';
import { cron, startEngine } from '../support/schedules.js';

appsOnFakeClock();

/** Lets no timer ring for so many milliseconds and one more second. */
async function sleepFor(ms: number): Promise<void> {
  leap(ms);
  await advance(1_000);
}

const KINDS = ['cron', 'interval'] as const;

describe('missed slots', () => {
  describe.each(KINDS)('of a schedule of every second: %s', (kind) => {
    it.each([
      ['all', [1, 2, 3, 4, 5], []],
      ['once', [5], [1, 2, 3, 4]],
      ['skip', [], [1, 2, 3, 4, 5]],
    ] as const)(
      '[F1] with misfire %p so many of 5 run besides the current one, one after the other',
      async (misfire, extra, missed) => {
        const test = await slotApp(kind, { a: { misfire, overlap: 'skip' } });
        await sleepFor(5_100);
        const due = [...extra, 6].map((second) => `a ${second}`);
        for (const [index] of due.entries()) {
          expect(test.begun).toEqual(due.slice(0, index + 1));
          test.release();
          await advance(0);
        }
        expect(test.begun).toEqual(due);
        expect(test.skipped).toEqual(missed.map((second) => `a ${second} missed`));
        expect(test.mostAtOnce()).toBe(1);
        expect(test.finished).toEqual(due.map((slot) => `${slot} succeeded`));
      },
    );

    it.each(['skip', 'buffer-one', 'cancel-other'] as const)(
      '[F1] that are caught up are neither skipped nor merged with overlap %p, also behind a tick that runs',
      async (overlap) => {
        const test = await slotApp(kind, { a: { misfire: 'all', overlap } });
        await advance(1_000);
        await sleepFor(3_000);
        // The tick of the first second still runs, unless another one has taken its place.
        expect(test.begun).toEqual(overlap === 'cancel-other' ? ['a 1', 'a 2'] : ['a 1']);
        for (let count = 0; count < 5; count += 1) {
          test.release();
          await advance(0);
        }
        expect(test.begun).toEqual(['a 1', 'a 2', 'a 3', 'a 4', 'a 5']);
        expect([test.skipped, test.mostAtOnce()]).toEqual([[], 1]);
      },
    );

    it('[F2] that are late by the threshold run as if nothing had happened', async () => {
      const test = await slotApp(kind, { a: { misfire: 'skip', overlap: 'allow' } });
      await sleepFor(250);
      expect(test.begun).toEqual(['a 1']);
      expect(test.ticks[0]).toMatchObject({ latenessMs: 250 });
      leap(251);
      await advance(750);
      expect([test.begun, test.skipped]).toEqual([['a 1'], ['a 2 missed']]);
      test.releaseAll();
    });

    it('[F2] never cost the current one, though none of them runs', async () => {
      const test = await slotApp(kind, { a: { misfire: 'skip', overlap: 'allow' } });
      for (const ms of [2_000, 4_000, 3_000]) await sleepFor(ms);
      expect(test.begun).toEqual(['a 3', 'a 8', 'a 12']);
      test.releaseAll();
    });

    it('let the tick know how late it is, also by its wait', async () => {
      const test = await slotApp(kind, { a: { misfire: 'all', overlap: 'skip' } });
      await sleepFor(2_100);
      expect(test.ticks.map(({ latenessMs }) => latenessMs)).toEqual([2_100]);
      await advance(400);
      test.release();
      await advance(0);
      test.release();
      await advance(0);
      expect(test.ticks.map(({ latenessMs }) => latenessMs)).toEqual([2_100, 1_500, 500]);
      for (const { firedAt, scheduledAt, latenessMs } of test.ticks)
        expect(firedAt.getTime() - scheduledAt.getTime()).toBe(latenessMs);
      test.release();
    });

    it('do not stay when the slot after them comes: it is subject to overlap again', async () => {
      const test = await slotApp(kind, { a: { misfire: 'all', overlap: 'skip' } });
      await sleepFor(1_000);
      await advance(1_000);
      expect([test.begun, test.skipped]).toEqual([['a 1'], ['a 3 overlap']]);
      test.release();
      await advance(0);
      test.release();
      await advance(1_000);
      expect(test.begun).toEqual(['a 1', 'a 2', 'a 4']);
      test.releaseAll();
    });

    it('do not pile up when a schedule never keeps up', async () => {
      const test = await slotApp(kind, { a: {} });
      await advance(1_000);
      for (let round = 0; round < 10; round += 1) await sleepFor(3_000);
      // Each round, a tick ends: were all to wait, the last that runs would be an early one.
      const before = test.begun.length;
      for (let count = 0; count < 10; count += 1) {
        test.release();
        await advance(0);
      }
      expect(test.begun.length - before).toBeLessThanOrEqual(3);
    });

    it('are reported and do not run while the schedule is paused, and are not caught up after that', async () => {
      const test = await slotApp(kind, { a: { misfire: 'all', overlap: 'allow' } });
      test.registry.pause('a');
      await sleepFor(3_000);
      expect(test.begun).toEqual([]);
      expect(test.skipped).toEqual([1, 2, 3, 4].map((second) => `a ${second} paused`));
      test.registry.resume('a');
      await advance(1_000);
      expect(test.begun).toEqual(['a 5']);
      test.releaseAll();
    });
  });

  describe('when they run one after the other', () => {
    /** Five slots that are caught up, of which the first runs. */
    async function catchingUp(options: HandlerOptions = {}, drainTimeoutMs = 0) {
      const given = { misfire: 'all', overlap: 'skip', ...options } as const;
      const test = await slotApp('cron', { a: given }, { drainTimeoutMs });
      await sleepFor(4_000);
      expect(test.begun).toEqual(['a 1']);
      return test;
    }

    const rest = (reason: string): string[] =>
      [2, 3, 4, 5].map((second) => `a ${second} ${reason}`);

    it('the shutdown skips the rest', async () => {
      const test = await catchingUp({}, 5_000);
      const close = closing(test);
      await turns();
      expect(test.skipped).toEqual(rest('stopping'));
      test.release();
      await close.promise;
      expect(test.begun).toEqual(['a 1']);
      expect(test.finished).toEqual(['a 1 succeeded']);
    });

    it('a pause skips the rest', async () => {
      const test = await catchingUp();
      test.registry.pause('a');
      expect(test.skipped).toEqual(rest('paused'));
      test.release();
      await advance(2_000);
      expect(test.begun).toEqual(['a 1']);
    });

    it('removal skips the rest, and the running one ends', async () => {
      const test = await catchingUp();
      test.registry.remove('a');
      expect(test.skipped).toEqual(rest('removed'));
      test.release();
      await advance(2_000);
      expect(test.finished).toEqual(['a 1 succeeded']);
    });

    it('a failing one does not stop the rest', async () => {
      const test = await catchingUp();
      test.registry.cancel('a');
      await advance(0);
      expect(test.begun).toEqual(['a 1', 'a 2']);
      expect(test.finished).toEqual(['a 1 cancelled cancel']);
      for (let count = 0; count < 5; count += 1) {
        test.release();
        await advance(0);
      }
      expect(test.begun).toHaveLength(5);
    });

    it("a failing one with onFailure 'pause' stops the rest", async () => {
      const test = await catchingUp({ onFailure: 'pause', timeoutMs: 100 });
      await advance(100);
      expect(test.finished).toEqual(['a 1 timed-out']);
      expect(test.skipped).toEqual(rest('paused'));
    });

    it('an overlap key applies to them, and other schedules of the key run between', async () => {
      const key = { overlapKey: 'k', overlap: 'skip' } as const;
      const test = await slotApp('cron', {
        a: { ...key, misfire: 'all' },
        b: { ...key, misfire: 'skip' },
      });
      await sleepFor(1_000);
      expect(test.begun).toEqual(['a 1']);
      for (let count = 0; count < 3; count += 1) {
        test.release();
        await advance(0);
      }
      expect(test.begun).toEqual(['a 1', 'a 2']);
      expect(test.skipped).toEqual(['b 1 missed', 'b 2 overlap']);
      expect(test.mostAtOnce()).toBe(1);
    });
  });

  it("run at once with overlap 'allow', as many as maxConcurrency says", async () => {
    const test = await slotApp('cron', {
      a: { misfire: 'all', overlap: 'allow', maxConcurrency: 2 },
      b: { misfire: 'all', overlap: 'allow' },
    });
    await sleepFor(3_000);
    expect(test.begun.filter((slot) => slot.startsWith('b'))).toHaveLength(4);
    expect(test.begun.filter((slot) => slot.startsWith('a'))).toEqual(['a 1', 'a 2']);
    for (let count = 0; count < 4; count += 1) {
      test.releaseAll();
      await advance(0);
    }
    expect(test.begun).toHaveLength(8);
  });

  it.each<HandlerOptions>([
    { misfire: 'skip', overlap: 'allow' },
    { misfire: 'once', overlap: 'buffer-one' },
  ])('are warned of once for a row, and again after a run without any: %j', async (options) => {
    const test = await slotApp('cron', { a: options });
    const releaseAll = async (): Promise<void> => {
      for (let count = 0; count < 3; count += 1) {
        test.releaseAll();
        await advance(0);
      }
    };
    for (let sleep = 0; sleep < 3; sleep += 1) {
      await sleepFor(5_000);
      await releaseAll();
    }
    expect(test.log.of('warn')).toEqual([expect.stringContaining('missed')]);
    await advance(1_000);
    await releaseAll();
    await sleepFor(5_000);
    expect(test.log.of('warn')).toHaveLength(2);
    await releaseAll();
  });

  it('and merged ones that alternate are one row', async () => {
    const test = await slotApp('cron', { a: { misfire: 'skip', overlap: 'buffer-one' } });
    for (let round = 0; round < 3; round += 1) {
      await sleepFor(3_000);
      await advance(3_000);
      for (let count = 0; count < 3; count += 1) {
        test.releaseAll();
        await advance(0);
      }
    }
    const reasons = new Set(test.skipped.map((line) => line.split(' ').at(-1)));
    expect(reasons).toEqual(new Set(['missed', 'merged']));
    expect(test.log.of('warn')).toHaveLength(1);
  });
});

describe('the option misfire', () => {
  it.each<[string, HandlerOptions, HandlerOptions]>([
    ['an unknown word', { misfire: 'always' as never }, { misfire: 'all' }],
    ['a threshold of 0', { misfireThresholdMs: 0 }, { misfireThresholdMs: 1 }],
    [
      'a threshold over 2^31-1',
      { misfireThresholdMs: 2 ** 31 },
      { misfireThresholdMs: 2 ** 31 - 1 },
    ],
    ['no number', { misfireThresholdMs: '250' as never }, { misfireThresholdMs: 250 }],
  ])('is refused when it is wrong: %s', async (_, wrong, right) => {
    await expect(slotApp('cron', { a: wrong })).rejects.toMatchObject({ code: 'INVALID_SCHEDULE' });
    await expect(slotApp('cron', { a: right })).resolves.toBeDefined();
  });
});

describe('a single missed slot', () => {
  it.each<[HandlerOptions['misfire'], HandlerOptions['overlap']]>([
    ['once', 'skip'],
    ['all', 'skip'],
    ['all', 'buffer-one'],
  ])(
    "[F1] waits its turn behind the tick that runs: misfire '%s', overlap '%s'",
    async (misfire, overlap) => {
      const held = gate();
      const ran: string[] = [];
      @ScopedWorker()
      class Job {
        @ScopedCron('* * * * * *', { misfire: misfire!, overlap: overlap! })
        async run({ scheduledAt }: Tick): Promise<void> {
          ran.push(scheduledAt.toISOString());
          await held.opened;
        }
      }
      const { events } = await startApp({ providers: [Job] });
      const skipped: unknown[] = [];
      events.on('tick:skipped', ({ reason }) => skipped.push(reason));
      await advance(1_000);
      await advance(500);
      leap(1_100); // slot 2 is late by 600 ms
      await advance(500);
      held.open();
      for (let count = 0; count < 10; count += 1) await turn();
      expect(ran.slice(0, 2)).toEqual([afterNoon(1_000), afterNoon(2_000)]);
      expect(skipped).not.toContain('missed');
    },
  );
});

describe('a cron that is dense for an hour a day', () => {
  it.each([
    ['once', 2],
    ['skip', 1],
  ] as const)(
    "[F1][F2] after a sleep into its next day: misfire '%s' runs %d ticks, the punctual one last",
    async (misfire, count) => {
      jest.setSystemTime(Date.UTC(2030, 0, 1, 2, 59, 59, 500));
      const engine = inProcessEngine();
      const host = await startEngine(engine, [cron('a', '* * 3 * * *', { misfire })]);
      leap(24 * 3_600_000 + 100);
      await advance(700);
      await engine.stop();
      const due = host.slots.map(({ scheduledAt }) => scheduledAt.toISOString());
      expect(due).toHaveLength(count);
      expect(due.at(-1)).toBe('2030-01-02T03:00:00.000Z');
    },
  );
});

describe('slots that are due, but whose timer has not fired yet', () => {
  const missed = ['a 1 missed', 'a 2 missed'];
  type Test = Awaited<ReturnType<typeof slotApp>>;

  /** Stops the clock of the schedule, and ends the tick that runs then. */
  const stopClock = async (what: 'reschedule' | 'remove' | 'close', test: Test): Promise<void> => {
    if (what === 'reschedule') test.registry.reschedule('a', { everyMs: 60_000 });
    if (what === 'remove') test.registry.remove('a');
    if (what === 'close') await closing(test).promise;
    await advance(0);
    test.release();
  };

  it.each([
    ['reschedule', { begun: ['a 3'], skipped: missed }],
    ['remove', { begun: [], skipped: [...missed, 'a 3 removed'] }],
    ['close', { begun: [], skipped: [...missed, 'a 3 stopping'] }],
  ] as const)('[F2] are reported after %s', async (what, expected) => {
    const test = await slotApp('interval', { a: { overlap: 'skip' } });
    leap(3_500);
    await stopClock(what, test);
    expect({ begun: test.begun, skipped: test.skipped }).toEqual(expected);
  });

  it.each(['reschedule', 'remove', 'close'] as const)(
    '[F2] include the tick on start-up: after %s',
    async (what) => {
      const test = await slotApp('interval', {
        a: { runOnStart: true, initialDelayMs: 1_000 },
      });
      leap(1_500);
      await stopClock(what, test);
      expect([...test.begun, ...test.skipped]).toHaveLength(1);
    },
  );

  it('[F2] are fired with the old timing before the new one counts', async () => {
    const test = await slotApp('cron', { a: { overlap: 'skip' } });
    await advance(990);
    leap(10);
    test.registry.reschedule('a', { everyMs: 2_000 });
    await advance(0);
    expect(test.begun).toEqual(['a 1']);
    test.release();
    await advance(2_000);
    expect(test.begun).toEqual(['a 1', 'a 3']);
    test.release();
  });
});

describe('a listener that reschedules because of missed slots', () => {
  it.each(['cron', 'interval'] as const)('[F2] does not lose the current one: %s', async (kind) => {
    const { app, begun, skipped, releaseAll } = await slotApp(kind, {
      a: { misfire: 'skip', overlap: 'allow' },
    });
    const registry = app.get(ScopedWorkerRegistry);
    const off = app.get(ScopedWorkerEvents).on('tick:skipped', ({ schedule }) => {
      off();
      registry.reschedule(schedule, { everyMs: 60_000 });
    });
    leap(3_000);
    await advance(1_000);
    releaseAll();
    expect(skipped).toEqual(['a 1 missed', 'a 2 missed', 'a 3 missed']);
    expect(begun).toEqual(['a 4']);
  });
});
