import { describe, expect, it } from '@jest/globals';
import {
  ScopedCron,
  ScopedWorker,
  type HandlerOptions,
  type Tick,
  type TickReport,
} from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance, afterNoon } from '../support/fake-clock.js';
import { gate, type Gate } from '../support/gate.js';

appsOnFakeClock();

/** An application with a cron of every second; each run waits for its gate. */
async function secondly(options?: HandlerOptions) {
  const gates: Gate[] = [];
  const begun: string[] = [];
  let running = 0;
  let mostAtOnce = 0;
  @ScopedWorker()
  class Importer {
    @ScopedCron('* * * * * *', options)
    async import(tick: Tick): Promise<void> {
      begun.push(tick.scheduledAt.toISOString());
      mostAtOnce = Math.max(mostAtOnce, (running += 1));
      const held = gate();
      gates.push(held);
      await held.opened;
      running -= 1;
    }
  }
  const test = await startApp({ providers: [Importer] });
  const skipped: TickReport[] = [];
  test.events.on('tick:skipped', (report) => skipped.push(report));
  const release = (): void => gates.splice(0).forEach((held) => held.open());
  return { ...test, begun, skipped, release, mostAtOnce: () => mostAtOnce };
}

describe('overlap of a cron', () => {
  describe.each([undefined, 'skip'] as const)(
    "when it is %p ('skip' is the default)",
    (overlap) => {
      const options: HandlerOptions = overlap === undefined ? {} : { overlap };

      it('[F10] drops what comes due while a tick runs, with an event that says why', async () => {
        const { begun, skipped, release, registry } = await secondly(options);
        await advance(3_000);
        expect(begun).toEqual([afterNoon(1_000)]);
        expect(skipped).toEqual([
          expect.objectContaining({
            schedule: 'Importer.import',
            outcome: 'skipped',
            reason: 'overlap',
            trigger: 'cron',
            scheduledAt: new Date(afterNoon(2_000)),
            attempts: 0,
            built: 0,
          }),
          expect.objectContaining({ reason: 'overlap', scheduledAt: new Date(afterNoon(3_000)) }),
        ]);
        expect(registry.stats().openedScopes).toBe(1);
        release();
      });

      it('[F10] runs the next slot once the tick has ended, and nothing of what it dropped', async () => {
        const { begun, release } = await secondly(options);
        await advance(3_000);
        release();
        await advance(900);
        expect(begun).toEqual([afterNoon(1_000)]);
        await advance(100);
        expect(begun).toEqual([afterNoon(1_000), afterNoon(4_000)]);
        release();
      });

      it('[F10] warns once for a row of dropped slots, and again after the next run', async () => {
        const { log, release } = await secondly(options);
        await advance(4_000);
        release();
        expect(log.of('warn')).toEqual([expect.stringContaining('overlap')]);
        await advance(1_000);
        release();
        await advance(3_000);
        expect(log.of('warn')).toHaveLength(2);
        release();
      });
    },
  );

  it("warns once while each run has dropped slots, and again after a run without any, when it is 'skip'", async () => {
    const { log, release } = await secondly({ overlap: 'skip' });
    for (let run = 0; run < 3; run += 1) {
      await advance(3_000);
      release();
      await advance(0);
    }
    expect(log.of('warn')).toEqual([expect.stringContaining('overlap')]);
    await advance(1_000);
    release();
    await advance(2_000);
    expect(log.of('warn')).toHaveLength(2);
    release();
  });

  it('[F10] says in the log when the dropped tick was run by hand', async () => {
    const { log, registry, release } = await secondly({ overlap: 'skip' });
    await advance(1_000);
    const { tickId } = await registry.run('Importer.import');
    expect(log.of('warn')).toEqual([`Importer.import skipped (${tickId}, run by hand): overlap`]);
    release();
  });

  it('[F10] drops nothing when no tick runs', async () => {
    const { begun, skipped, release } = await secondly({ overlap: 'skip' });
    for (let second = 0; second < 5; second += 1) {
      await advance(1_000);
      release();
      await advance(0);
    }
    expect(begun).toHaveLength(5);
    expect(skipped).toEqual([]);
  });

  describe("when it is 'allow'", () => {
    it('[F10] runs all at once, each in its own scope', async () => {
      const { begun, skipped, release, registry, mostAtOnce } = await secondly({
        overlap: 'allow',
      });
      await advance(4_000);
      expect(begun).toEqual([1_000, 2_000, 3_000, 4_000].map(afterNoon));
      expect(mostAtOnce()).toBe(4);
      expect(registry.stats()).toMatchObject({ openScopes: 4, runningTicks: 4 });
      expect(registry.get('Importer.import').running).toBe(4);
      expect(skipped).toEqual([]);
      release();
    });
  });

  describe("when it is 'buffer-one'", () => {
    it('warns once while slots are merged run after run, and again after a run without any', async () => {
      const { log, release, skipped } = await secondly({ overlap: 'buffer-one' });
      for (let run = 0; run < 4; run += 1) {
        await advance(3_000);
        release();
        await advance(0);
      }
      expect(skipped.length).toBeGreaterThan(4);
      expect(log.of('warn')).toEqual([expect.stringContaining('merged')]);
      release();
      await advance(1_000);
      release();
      await advance(0);
      await advance(3_000);
      expect(log.of('warn')).toHaveLength(2);
      release();
      await advance(0);
      release();
    });

    it('runs one after the other, and merges what comes due between', async () => {
      const { begun, skipped, release, mostAtOnce } = await secondly({ overlap: 'buffer-one' });
      await advance(3_500);
      release();
      await advance(0);
      expect(begun).toEqual([afterNoon(1_000), afterNoon(3_000)]);
      expect(skipped.map(({ reason, scheduledAt }) => [reason, scheduledAt.toISOString()])).toEqual(
        [['merged', afterNoon(2_000)]],
      );
      expect(mostAtOnce()).toBe(1);
      release();
    });
  });

  it('counts for each schedule by itself', async () => {
    const held = gate();
    const ran: string[] = [];
    @ScopedWorker()
    class Pair {
      @ScopedCron('* * * * * *')
      async slow(): Promise<void> {
        ran.push('slow');
        await held.opened;
      }

      @ScopedCron('* * * * * *')
      fast(): void {
        ran.push('fast');
      }
    }
    await startApp({ providers: [Pair] });
    await advance(3_000);
    expect(ran.filter((name) => name === 'fast')).toHaveLength(3);
    expect(ran.filter((name) => name === 'slow')).toHaveLength(1);
    held.open();
  });

  it('applies to a run by hand, whose report says so', async () => {
    const { registry, release } = await secondly();
    await advance(1_000);
    const refused = await registry.run('Importer.import');
    expect(refused).toMatchObject({ outcome: 'skipped', reason: 'overlap', trigger: 'manual' });
    release();
    await advance(0);
    const accepted = registry.run('Importer.import');
    await advance(0);
    release();
    expect(await accepted).toMatchObject({ outcome: 'succeeded', trigger: 'manual' });
  });

  it('refuses an unknown word', async () => {
    await expect(secondly({ overlap: 'queue' as never })).rejects.toMatchObject({
      code: 'INVALID_SCHEDULE',
    });
    const { release } = await secondly({ overlap: 'allow' });
    release();
  });
});
