import { describe, expect, it } from '@jest/globals';
import {
  ScopedCron,
  ScopedInterval,
  ScopedWorker,
  type ScheduleOverride,
  type Tick,
} from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance, afterNoon } from '../support/fake-clock.js';

appsOnFakeClock();

describe('overrides', () => {
  async function overridden(overrides: Record<string, ScheduleOverride>) {
    const ran: string[] = [];
    @ScopedWorker()
    class Jobs {
      @ScopedCron('* * * * * *', { name: 'cron' })
      cron(tick: Tick): void {
        ran.push(`cron ${tick.scheduledAt.toISOString()}`);
      }

      @ScopedInterval(1_000, { name: 'interval' })
      interval(tick: Tick): void {
        ran.push(`interval ${tick.scheduledAt.toISOString()}`);
      }

      @ScopedCron('-', { name: 'off' })
      off(tick: Tick): void {
        ran.push(`off ${tick.scheduledAt.toISOString()}`);
      }
    }
    const { registry } = await startApp({ providers: [Jobs], options: { overrides } });
    return { registry, ran, of: (name: string) => ran.filter((run) => run.startsWith(name)) };
  }

  it('change a cron expression and a period; the rest stays', async () => {
    const { of, registry } = await overridden({
      cron: { cron: '*/3 * * * * *' },
      interval: { everyMs: 2_000 },
    });
    await advance(4_000);
    expect(of('cron')).toEqual([`cron ${afterNoon(3_000)}`]);
    expect(of('interval')).toEqual([
      `interval ${afterNoon(2_000)}`,
      `interval ${afterNoon(4_000)}`,
    ]);
    expect(registry.get('cron').expression).toBe('*/3 * * * * *');
    expect(registry.get('interval').everyMs).toBe(2_000);
  });

  it("switch a cron off with '-', and on again what is written '-'", async () => {
    const { ran, of, registry } = await overridden({
      cron: { cron: '-' },
      interval: { disabled: true },
      off: { cron: '* * * * * *' },
    });
    await advance(2_000);
    expect(ran).toEqual(of('off'));
    expect(ran).toHaveLength(2);
    expect(registry.list().map(({ name, state }) => [name, state])).toEqual(
      expect.arrayContaining([
        ['cron', 'disabled'],
        ['interval', 'disabled'],
        ['off', 'active'],
      ]),
    );
  });

  it.each<[string, Record<string, ScheduleOverride>]>([
    ['an unknown name', { crom: { cron: '* * * * * *' } }],
    ['everyMs for a cron', { cron: { everyMs: 1_000 } }],
    ['cron for an interval', { interval: { cron: '* * * * * *' } }],
    ['a period of 0', { interval: { everyMs: 0 } }],
    ['a bad expression', { cron: { cron: '61 * * * * *' } }],
  ])('that cannot work stop start-up: %s', async (_, overrides) => {
    await expect(overridden(overrides)).rejects.toMatchObject({ code: 'INVALID_SCHEDULE' });
    await expect(overridden({ cron: { cron: '59 * * * * *' } })).resolves.toBeDefined();
  });
});
