import {
  ScopedCron,
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
  type ScheduleOverride,
} from '../../lib/index.js';
import { appsOnFakeClock, startApp, type TestApp } from '../support/app.js';
import { advance, afterNoon } from '../support/fake-clock.js';

describe('A schedule that is switched off', () => {
  const ran: string[] = [];

  @ScopedWorker()
  class Job {
    @ScopedCron('0 * * * * *')
    cron(): void {
      ran.push('cron');
    }

    @ScopedInterval(60_000)
    interval(): void {
      ran.push('interval');
    }

    @ScopedTimeout(60_000, { runOnStart: true })
    timeout(): void {
      ran.push('timeout');
    }
  }

  @ScopedWorker()
  class Off {
    @ScopedCron('-')
    dash(): void {
      ran.push('dash');
    }

    @ScopedCron('0 * * * * *', { disabled: true })
    disabled(): void {
      ran.push('disabled');
    }
  }

  @ScopedWorker({ disabled: true })
  class AllOff {
    @ScopedInterval(60_000)
    inherits(): void {
      ran.push('inherits');
    }

    @ScopedInterval(60_000, { disabled: false })
    insists(): void {
      ran.push('insists');
    }
  }

  appsOnFakeClock();
  beforeEach(() => void (ran.length = 0));

  async function twoMinutesOf(
    workers: (new () => object)[],
    overrides: Record<string, ScheduleOverride> = {},
  ): Promise<TestApp> {
    const test = await startApp({ providers: workers, options: { overrides } });
    await advance(120_000);
    return test;
  }

  describe('when its decorator says so', () => {
    it("[C17] by '-' or disabled: true, it is listed, never due and no error", async () => {
      const { registry, log } = await twoMinutesOf([Off]);
      expect(ran).toEqual([]);
      expect(registry.list()).toHaveLength(2);
      for (const schedule of registry.list()) {
        expect(schedule).toMatchObject({ state: 'disabled', nextRun: undefined });
      }
      expect(log.of('error')).toEqual([]);
    });

    it('[C17] by @ScopedWorker({ disabled: true }), unless the handler says otherwise', async () => {
      const { registry } = await twoMinutesOf([AllOff]);
      expect(ran).toEqual(['insists', 'insists']);
      expect(registry.get('AllOff.inherits').state).toBe('disabled');
      expect(registry.get('AllOff.insists').state).toBe('active');
    });

    it('[C17] it still runs by hand', async () => {
      const { registry } = await startApp({ providers: [Off] });
      expect(await registry.run('Off.dash')).toMatchObject({ outcome: 'succeeded' });
      expect(await registry.run('Off.disabled')).toMatchObject({ outcome: 'succeeded' });
      expect(ran).toEqual(['dash', 'disabled']);
    });
  });

  describe('when configuration says so', () => {
    it("[C17] by a cron of '-' or disabled: true, the others go on", async () => {
      const { registry } = await twoMinutesOf([Job], {
        'Job.cron': { cron: '-' },
        'Job.interval': { disabled: true },
      });
      expect(ran.filter((name) => name !== 'timeout')).toEqual([]);
      expect(ran).toContain('timeout');
      expect(registry.get('Job.cron')).toMatchObject({ state: 'disabled', nextRun: undefined });
      expect(registry.get('Job.interval')).toMatchObject({ state: 'disabled', nextRun: undefined });
    });

    it('[C17] for all by a default, and on again for one', async () => {
      await startApp({
        providers: [Job],
        options: { defaults: { disabled: true }, overrides: { 'Job.cron': { disabled: false } } },
      });
      await advance(120_000);
      expect(ran).toEqual(['cron', 'cron']);
    });

    it("[C17] on again, for a decorator's '-'", async () => {
      const { registry } = await twoMinutesOf([Off], { 'Off.dash': { cron: '0 * * * * *' } });
      expect(ran).toEqual(['dash', 'dash']);
      expect(registry.get('Off.dash')).toMatchObject({
        state: 'active',
        expression: '0 * * * * *',
      });
    });
  });

  describe('when nothing says so', () => {
    it('[C17] each kind of schedule runs', async () => {
      const { registry } = await twoMinutesOf([Job]);
      expect(new Set(ran)).toEqual(new Set(['cron', 'interval', 'timeout']));
      expect(registry.get('Job.cron').nextRun).toEqual(new Date(afterNoon(180_000)));
    });

    it('[C17] resuming a schedule that is switched off does not switch it on', async () => {
      const { registry } = await startApp({ providers: [Off] });
      registry.resume('Off.disabled');
      await advance(120_000);
      expect(ran).toEqual([]);
    });
  });
});
