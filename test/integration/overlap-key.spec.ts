import { describe, expect, it } from '@jest/globals';
import { ScopedCron, ScopedWorker, type Tick, type TickReport } from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { onDemandApp, type Rule } from '../support/on-demand.js';
import { YEARLY } from '../support/probes.js';
import { turns } from '../support/running-tick.js';
import { slotApp } from '../support/slot-app.js';

appsOnFakeClock();

/** Schedules that only `run()` fires. Each tick waits: `release()` ends the oldest that runs. */
async function holding(rules: Record<string, Rule>) {
  const begun: string[] = [];
  const held: (() => void)[] = [];
  const handler = async ({ schedule }: Tick): Promise<void> => {
    begun.push(schedule);
    const own = gate();
    held.push(own.open);
    await own.opened;
  };
  const names = Object.entries(rules);
  const test = await onDemandApp(
    Object.fromEntries(names.map(([name, rule]) => [name, [handler, rule]])),
  );
  const skipped: string[] = [];
  test.events.on('tick:skipped', ({ schedule, reason }) => skipped.push(`${schedule} ${reason}`));
  const release = async (): Promise<void> => {
    held.shift()?.();
    await turns();
  };
  const run = (name: string): Promise<TickReport> => test.registry.run(name);
  return { ...test, begun, skipped, release, run };
}

describe('overlap', () => {
  it('[F8] counts for each schedule by itself', async () => {
    const { begun, run, release } = await holding({ a: {}, b: {} });
    const reports = [run('a'), run('b')];
    expect(await run('a')).toMatchObject({ reason: 'overlap' });
    expect(begun).toEqual(['a', 'b']);
    await release();
    await release();
    for (const report of reports) expect((await report).outcome).toBe('succeeded');
  });

  it('[F8] counts for each schedule by itself, also for two of one method', async () => {
    const begun: string[] = [];
    const held = gate();
    @ScopedWorker()
    class Importer {
      @ScopedCron(YEARLY, { name: 'first' })
      @ScopedCron(YEARLY, { name: 'second' })
      async import({ schedule }: Tick): Promise<void> {
        begun.push(schedule);
        await held.opened;
      }
    }
    const { registry } = await startApp({ providers: [Importer] });
    const reports = [registry.run('first'), registry.run('second')];
    await turns();
    expect(begun).toEqual(['first', 'second']);
    held.open();
    await Promise.all(reports);
  });
});

describe('overlapKey', () => {
  const key = { overlapKey: 'import' };

  it('[F8] shares overlap between schedules, and frees it at the end', async () => {
    const { begun, run, release } = await holding({ a: key, b: key, c: {} });
    const first = run('a');
    expect(await run('b')).toMatchObject({ outcome: 'skipped', reason: 'overlap', schedule: 'b' });
    const other = run('c');
    await release();
    expect((await first).outcome).toBe('succeeded');
    const second = run('b');
    expect(await run('a')).toMatchObject({ reason: 'overlap' });
    expect(begun).toEqual(['a', 'c', 'b']);
    await release();
    await release();
    await Promise.all([second, other]);
  });

  it('[F8] never merges a slot that waits with that of another schedule', async () => {
    const buffered = { ...key, overlap: 'buffer-one' } as const;
    const { begun, run, release, skipped } = await holding({ a: buffered, b: buffered });
    const reports = [run('a'), run('a'), run('b'), run('a'), run('b')];
    expect(skipped).toEqual(['a merged', 'b merged']);
    for (let count = 0; count < 3; count += 1) await release();
    expect(begun).toEqual(['a', 'a', 'b']);
    expect((await Promise.all(reports)).map(({ outcome, reason }) => reason ?? outcome)).toEqual([
      'succeeded',
      'merged',
      'merged',
      'succeeded',
      'succeeded',
    ]);
  });

  it('[F8] never lets two run at once that are due together', async () => {
    const buffered = { ...key, overlap: 'buffer-one' } as const;
    const test = await slotApp('cron', { a: buffered, b: buffered });
    for (let step = 0; step < 20; step += 1) {
      await advance(500);
      test.release();
    }
    expect(test.mostAtOnce()).toBe(1);
    const of = (name: string): number => test.begun.filter((slot) => slot.startsWith(name)).length;
    expect(of('a')).toBeGreaterThan(3);
    expect(of('b')).toBeGreaterThan(3);
    for (let count = 0; count < 5; count += 1) {
      test.releaseAll();
      await advance(0);
    }
  });

  it('follows the rule of the schedule that is due', async () => {
    const { begun, run, release } = await holding({
      skips: key,
      allows: { ...key, overlap: 'allow' },
    });
    const first = run('skips');
    const beside = run('allows');
    expect(begun).toEqual(['skips', 'allows']);
    await release();
    await first;
    expect(await run('skips')).toMatchObject({ reason: 'overlap' });
    await release();
    await beside;
  });

  it('holds back a slot with another limit only as long as it must', async () => {
    const { begun, run, release } = await holding({
      one: { ...key, overlap: 'buffer-one' },
      two: { ...key, overlap: 'buffer-one', maxConcurrency: 2 },
    });
    const reports = [run('two'), run('two'), run('one'), run('two')];
    await release();
    // `one` must wait for the end of both; the third of `two` need not.
    expect(begun).toEqual(['two', 'two', 'two']);
    await release();
    await release();
    expect(begun).toEqual(['two', 'two', 'two', 'one']);
    await release();
    await Promise.all(reports);
  });

  it.each([
    ['pause', 'paused'],
    ['remove', 'removed'],
  ] as const)('is of no harm to the others: registry.%s()', async (method, reason) => {
    const buffered = { ...key, overlap: 'buffer-one' } as const;
    const test = await slotApp('cron', { a: buffered, b: buffered });
    await advance(2_000);
    expect(test.begun).toEqual(['a 1']);
    test.registry[method]('b');
    expect(test.skipped.filter((line) => line.endsWith(reason))).toEqual([`b 2 ${reason}`]);
    test.release();
    await advance(0);
    expect(test.begun.slice(1)).toEqual(['a 2']);
    test.release();
  });

  it('does not name a schedule: one that is called so counts for itself', async () => {
    const { begun, run, release } = await holding({ import: {}, a: key });
    const reports = [run('import'), run('a')];
    expect(begun).toEqual(['import', 'a']);
    await release();
    await release();
    await Promise.all(reports);
  });

  it('may be on the class, for all its handlers', async () => {
    const held = gate();
    @ScopedWorker({ overlapKey: 'ledger' })
    class Ledger {
      @ScopedCron(YEARLY)
      async open(): Promise<void> {
        await held.opened;
      }

      @ScopedCron(YEARLY)
      close(): void {}
    }
    const { registry } = await startApp({ providers: [Ledger] });
    const first = registry.run('Ledger.open');
    expect(await registry.run('Ledger.close')).toMatchObject({ reason: 'overlap' });
    held.open();
    await first;
    expect(await registry.run('Ledger.close')).toMatchObject({ outcome: 'succeeded' });
  });

  it.each([
    ['empty', '', 'x'],
    ['whitespace', ' x', 'x y'],
    ['no string', 5, '5'],
  ])('[C13] is refused when it is wrong: %s', async (_, wrong, right) => {
    const start = (overlapKey: unknown): Promise<unknown> =>
      slotApp('cron', { a: { overlapKey: overlapKey as string } });
    await expect(start(wrong)).rejects.toMatchObject({ code: 'INVALID_SCHEDULE' });
    await expect(start(right)).resolves.toBeDefined();
  });
});
