import { describe, expect, it, jest } from '@jest/globals';
import { inProcessEngine, ScopedWorkerEvents, ScopedWorkerRegistry } from '../../lib/index.js';
import { appsOnFakeClock } from '../support/app.js';
import { advance, leap } from '../support/fake-clock.js';
import { cron, startEngine } from '../support/schedules.js';
import { slotApp } from '../support/slot-app.js';

appsOnFakeClock();

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
