import { afterEach, describe, expect, it } from '@jest/globals';
import { ScopedCron, ScopedInterval, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { countdown } from '../support/gate.js';

afterEach(closeApps);

/** Blocks the event loop, as a handler does that computes, until the wall clock shows that time. */
function blockUntil(time: number): void {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (let left = time - Date.now(); left > 0; left = time - Date.now())
    Atomics.wait(cell, 0, 0, left);
}

const PERIOD_MS = 300;

/** Blocks over 5 slots at least, and ends right after one. @returns how many periods that is. */
function blockOverSlots(from: number): number {
  let periods = 6;
  // A busy machine may oversleep; then right after a later one.
  for (; ; periods += 1) {
    const slot = from + periods * PERIOD_MS;
    blockUntil(slot + 20);
    if (Date.now() - slot < 100) return periods;
  }
}

describe('a blocked event loop', () => {
  it('[F1] over 5 slots of intervals costs none, all but the latest, or all of them, as misfire says', async () => {
    const firstSlots = countdown(3);
    const laterSlots = countdown(3);
    const ran: Record<string, number[]> = { all: [], once: [], skip: [] };
    const late: Record<string, number> = { all: 0, once: 0, skip: 0 };
    const work = ({ schedule, scheduledAt, latenessMs }: Tick): void => {
      const slots = ran[schedule]!;
      if (slots.push(scheduledAt.getTime()) === 1) firstSlots.hit();
      if (latenessMs > 250) late[schedule]! += 1;
      else if (slots.length > 1) laterSlots.hit();
    };
    @ScopedWorker()
    class Periodic {
      @ScopedInterval(PERIOD_MS, { name: 'all', misfire: 'all' })
      all(tick: Tick): void {
        work(tick);
      }

      @ScopedInterval(PERIOD_MS, { name: 'once' })
      once(tick: Tick): void {
        work(tick);
      }

      @ScopedInterval(PERIOD_MS, { name: 'skip', misfire: 'skip' })
      skip(tick: Tick): void {
        work(tick);
      }
    }
    const test = await startApp({ providers: [Periodic] });
    const missed: Record<string, number[]> = { all: [], once: [], skip: [] };
    test.events.on('tick:skipped', ({ schedule, scheduledAt, reason }) => {
      if (reason === 'missed') missed[schedule]!.push(scheduledAt.getTime());
    });
    await firstSlots.done;
    const last = blockOverSlots(ran.skip![0]!);
    await laterSlots.done;

    const slots = (from: number, to: number): number[] =>
      Array.from({ length: to - from + 1 }, (_, index) => (from + index) * PERIOD_MS);
    const sinceFirst = (name: string, times: readonly number[]): number[] =>
      times.map((time) => time - ran[name]![0]!).filter((time) => time <= last * PERIOD_MS);
    expect(sinceFirst('all', ran.all!)).toEqual(slots(0, last));
    expect(sinceFirst('once', ran.once!)).toEqual([0, ...slots(last - 1, last)]);
    expect(sinceFirst('skip', ran.skip!)).toEqual([0, last * PERIOD_MS]);
    expect(missed.all).toEqual([]);
    expect(sinceFirst('once', missed.once!)).toEqual(slots(1, last - 2));
    expect(sinceFirst('skip', missed.skip!)).toEqual(slots(1, last - 1));
    expect(late).toEqual({ all: last - 1, once: 1, skip: 0 });
  });

  it("[F1] loses no slot of a cron with misfire 'all', each with its own scheduledAt", async () => {
    const begun = countdown(1);
    const ended = countdown(3);
    const due: number[] = [];
    @ScopedWorker()
    class Secondly {
      @ScopedCron('* * * * * *', { misfire: 'all' })
      run({ scheduledAt }: Tick): void {
        if (due.push(scheduledAt.getTime()) === 1) begun.hit();
        ended.hit();
      }
    }
    await startApp({ providers: [Secondly] });
    await begun.done;
    blockUntil(due[0]! + 2_020);
    await ended.done;
    const seconds = due.slice(0, 3).map((time) => (time - due[0]!) / 1_000);
    expect(seconds).toEqual([0, 1, 2]);
  });
});
