import { describe, expect, it } from '@jest/globals';
import { ScopedCron, ScopedInterval, ScopedTimeout, ScopedWorker } from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance, afterNoon } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { twoSchedules } from '../support/two-schedules.js';

appsOnFakeClock();

describe('list of schedules', () => {
  it('[I15] lists schedules with expression, zone, state and next run', async () => {
    @ScopedWorker()
    class Reports {
      @ScopedCron('0 30 14 * * *', { timeZone: 'Europe/Berlin' })
      nightly(): void {}

      @ScopedCron('0 0 13 * * *', { utcOffset: -60, name: 'offset' })
      shifted(): void {}

      @ScopedInterval(5_000)
      poll(): void {}

      @ScopedTimeout(7_000)
      once(): void {}

      @ScopedCron('0 0 0 30 2 *', { timeZone: 'UTC' })
      never(): void {}

      @ScopedCron('-')
      off(): void {}
    }
    const { registry } = await startApp({ providers: [Reports] });
    const common = {
      timeZone: undefined,
      utcOffset: undefined,
      everyMs: undefined,
      expression: undefined,
      lastReport: undefined,
      state: 'active',
      running: 0,
    };
    expect(registry.list()).toEqual([
      {
        ...common,
        name: 'Reports.nightly',
        handler: 'Reports.nightly',
        kind: 'cron',
        expression: '0 30 14 * * *',
        timeZone: 'Europe/Berlin',
        nextRun: new Date('2026-01-15T13:30:00Z'),
      },
      {
        ...common,
        name: 'offset',
        handler: 'Reports.shifted',
        kind: 'cron',
        expression: '0 0 13 * * *',
        utcOffset: -60,
        nextRun: new Date('2026-01-15T14:00:00Z'),
      },
      {
        ...common,
        name: 'Reports.poll',
        handler: 'Reports.poll',
        kind: 'interval',
        everyMs: 5_000,
        nextRun: new Date(afterNoon(5_000)),
      },
      {
        ...common,
        name: 'Reports.once',
        handler: 'Reports.once',
        kind: 'timeout',
        everyMs: 7_000,
        nextRun: new Date(afterNoon(7_000)),
      },
      {
        ...common,
        name: 'Reports.never',
        handler: 'Reports.never',
        kind: 'cron',
        expression: '0 0 0 30 2 *',
        timeZone: 'UTC',
        nextRun: undefined,
      },
      {
        ...common,
        name: 'Reports.off',
        handler: 'Reports.off',
        kind: 'cron',
        expression: '-',
        state: 'disabled',
        nextRun: undefined,
      },
    ]);
  });

  it('[F6] lists a cron that can never fire, with no next run; the others go on', async () => {
    let ran = 0;
    @ScopedWorker()
    class Calendar {
      @ScopedCron('0 0 0 30 2 *')
      never(): void {}

      @ScopedCron('* * * * * *')
      always(): void {
        ran += 1;
      }
    }
    const { registry } = await startApp({ providers: [Calendar] });
    expect(registry.get('Calendar.never')).toMatchObject({ state: 'active', nextRun: undefined });
    await advance(2_000);
    expect(ran).toBe(2);
  });

  it('[I15] shows the last report, and what is due next, after each tick', async () => {
    const { registry } = await twoSchedules(() => 'value');
    await advance(1_000);
    expect(registry.get('report')).toMatchObject({
      nextRun: new Date(afterNoon(2_000)),
      lastReport: { outcome: 'succeeded', scheduledAt: new Date(afterNoon(1_000)) },
    });
    expect(registry.get('report').lastReport).not.toHaveProperty('value');
    await advance(1_000);
    expect(registry.get('report').lastReport?.scheduledAt).toEqual(new Date(afterNoon(2_000)));
  });

  it('[I15] counts the ticks that run', async () => {
    const held = gate();
    const { registry } = await twoSchedules(() => held.opened);
    await advance(1_000);
    expect(registry.get('report').running).toBe(1);
    expect(registry.get('Second.other').running).toBe(0);
    held.open();
    await advance(0);
    expect(registry.get('report').running).toBe(0);
  });
});
