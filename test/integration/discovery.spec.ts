import {
  ScopedCron,
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
  ScopedWorkerRegistry,
  type Tick,
} from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance } from '../support/fake-clock.js';
import { Probe, ProbeJournal, PROBES, YEARLY } from '../support/probes.js';

const namesOf = (registry: ScopedWorkerRegistry): string[] =>
  registry.list().map(({ name }) => name);

describe('Discovery', () => {
  const ran: string[] = [];

  appsOnFakeClock();
  beforeEach(() => void (ran.length = 0));

  describe('when there is no worker', () => {
    it('[C18] the application starts, with an empty list', async () => {
      const { registry, log } = await startApp({ providers: PROBES });
      expect(registry.list()).toEqual([]);
      await advance(60_000);
      expect(registry.stats()).toMatchObject({ openedScopes: 0, schedules: 0 });
      expect(log.of('error')).toEqual([]);
    });

    it('[C18] so does a worker without any handler', async () => {
      @ScopedWorker()
      class Idle {}
      const { registry, log } = await startApp({
        providers: [Idle],
        options: { scopeValidation: 'strict' },
      });
      expect(registry.list()).toEqual([]);
      expect(log.of('warn').join()).not.toContain('Idle');
    });
  });

  describe('when a method has two decorators', () => {
    @ScopedWorker()
    class TwoTimes {
      constructor(readonly probe: Probe) {}

      @ScopedCron('0 0 * * * *', { name: 'hourly' })
      @ScopedCron('0 0 13 * * *', { name: 'at one' })
      tick(tick: Tick): void {
        ran.push(`${tick.schedule} ${tick.scheduledAt.toISOString()} ${this.probe.id}`);
      }

      @ScopedCron(YEARLY)
      @ScopedInterval(86_400_000)
      @ScopedTimeout(86_400_000)
      unnamed(): void {}
    }

    it('[F18] become two schedules, each with its own name', async () => {
      const { registry } = await startApp({ providers: [...PROBES, TwoTimes] });
      expect(namesOf(registry).sort()).toEqual([
        'TwoTimes.unnamed',
        'TwoTimes.unnamed#2',
        'TwoTimes.unnamed#3',
        'at one',
        'hourly',
      ]);
      expect(registry.get('TwoTimes.unnamed')).toMatchObject({ kind: 'cron' });
      expect(registry.get('TwoTimes.unnamed#2')).toMatchObject({ kind: 'interval' });
      expect(registry.get('TwoTimes.unnamed#3')).toMatchObject({ kind: 'timeout' });
    });

    it('[A12, F18] due at the same instant, they run in two scopes', async () => {
      const { app } = await startApp({ providers: [...PROBES, TwoTimes] });
      await advance(3_600_000);
      expect(ran.sort()).toEqual([
        expect.stringMatching(/^at one 2026-01-15T13:00:00.000Z [12]$/),
        expect.stringMatching(/^hourly 2026-01-15T13:00:00.000Z [12]$/),
      ]);
      expect(new Set(ran.map((line) => line.at(-1))).size).toBe(2);
      expect(app.get(ProbeJournal).disposed).toHaveLength(2);
    });

    it('[F18] one of them is paused without the other', async () => {
      const { registry } = await startApp({ providers: [...PROBES, TwoTimes] });
      registry.pause('hourly');
      await advance(3_600_000);
      expect(ran).toEqual([expect.stringContaining('at one')]);
    });
  });

  describe('when handlers are on a base class', () => {
    abstract class Base {
      @ScopedCron('0 * * * * *')
      inherited(): void {
        ran.push(`${this.constructor.name}.inherited`);
      }

      @ScopedCron('0 * * * * *')
      overridden(): void {
        ran.push(`${this.constructor.name}.overridden by Base`);
      }

      @ScopedCron('0 * * * * *')
      decoratedAgain(): void {
        ran.push(`${this.constructor.name}.decoratedAgain by Base`);
      }
    }

    @ScopedWorker()
    class Sub extends Base {
      override overridden(): void {
        ran.push('Sub.overridden by Sub');
      }

      @ScopedCron('30 * * * * *')
      override decoratedAgain(): void {
        ran.push('Sub.decoratedAgain by Sub');
      }
    }

    it('[F19] each is found once, and runs once', async () => {
      const { registry } = await startApp({ providers: [Sub] });
      expect(namesOf(registry).sort()).toEqual([
        'Sub.decoratedAgain',
        'Sub.inherited',
        'Sub.overridden',
      ]);
      await advance(60_000);
      expect(ran.sort()).toEqual([
        'Sub.decoratedAgain by Sub',
        'Sub.inherited',
        'Sub.overridden by Sub',
      ]);
    });

    it('[F19] two classes with one base have separate schedules', async () => {
      @ScopedWorker()
      class Twin extends Base {}
      const { registry } = await startApp({ providers: [Sub, Twin] });
      expect(namesOf(registry)).toHaveLength(6);
      expect(namesOf(registry)).toEqual(
        expect.arrayContaining(['Sub.inherited', 'Twin.inherited']),
      );
    });

    it('[F19] a worker class whose subclass is provided is found once, without a warning', async () => {
      @ScopedWorker()
      class MarkedBase {
        @ScopedCron('0 * * * * *')
        tick(): void {
          ran.push(this.constructor.name);
        }
      }
      @ScopedWorker()
      class MarkedSub extends MarkedBase {}
      const { registry, log } = await startApp({ providers: [MarkedSub] });
      expect(namesOf(registry)).toEqual(['MarkedSub.tick']);
      expect(log.of('warn').join()).not.toContain('MarkedBase');
      await advance(60_000);
      expect(ran).toEqual(['MarkedSub']);
    });
  });
});
