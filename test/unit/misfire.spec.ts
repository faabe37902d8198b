import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decideMisfire, dueUntil } from '../../lib/schedule/misfire.js';
import { NEVER_DUE } from '../../lib/schedule/timeline.js';
import { resolveHandlerOptions } from '../../lib/schedule/handler-options.js';

const POLICIES = ['all', 'once', 'skip'] as const;
const KINDS = ['cron', 'interval', 'timeout'] as const;

/** Slots that passed until now, oldest first, the latest of them so late. */
const situation = fc.record({
  kind: fc.constantFrom(...KINDS),
  misfire: fc.constantFrom(...POLICIES),
  misfireThresholdMs: fc.integer({ min: 1, max: 2_000 }),
  periodMs: fc.integer({ min: 1, max: 5_000 }),
  count: fc.integer({ min: 1, max: 1_500 }),
  latenessMs: fc.integer({ min: 0, max: 5_000 }),
});

describe('decideMisfire', () => {
  it('[F1][F2] lets each slot run or be missed, once, in their order, as the policy says', () => {
    fc.assert(
      fc.property(situation, ({ kind, periodMs, count, latenessMs, ...options }) => {
        const now = 1_000_000_000;
        const due = Array.from(
          { length: count },
          (_, index) => now - latenessMs - (count - 1 - index) * periodMs,
        );
        const given = { kind, options: resolveHandlerOptions(kind, options) };
        const { run, missed } = decideMisfire(given, due, now);

        const ascending = (left: number, right: number): number => left - right;
        expect([...run, ...missed].sort(ascending)).toEqual(due);
        expect([...run].sort(ascending)).toEqual(run);
        expect([...missed].sort(ascending)).toEqual(missed);

        const { misfire, misfireThresholdMs } = options;
        const isLate = (slot: number): boolean => now - slot > misfireThresholdMs;
        const late = due.filter(isLate);
        const most = { all: 1_000, once: 1, skip: 0 }[misfire];
        expect(run.length).toBeGreaterThanOrEqual(Math.min(late.length, most));
        expect(run.filter(isLate)).toEqual(
          misfire === 'all'
            ? due.slice(-most).filter(isLate)
            : late.slice(Math.max(late.length - most, 0)),
        );
        // The current slot is never lost.
        expect(run.includes(due.at(-1)!) || isLate(due.at(-1)!)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});

describe('After a long sleep', () => {
  const HOUR_S = 3_600;

  /** Returns what is found of slots at these seconds. */
  function found(slots: readonly number[], nowS: number, most: number, thresholdS = 0) {
    const after = (at: number): number | undefined => slots.find((slot) => slot * 1_000 > at);
    const inMs = (at: number): number | undefined => {
      const next = after(at);
      return next === undefined ? undefined : next * 1_000;
    };
    const timeline = {
      ...NEVER_DUE,
      after: inMs,
      skipTo: (due: number, from: number) => inMs(Math.max(due, from)),
    };
    const { due, next } = dueUntil(nowS * 1_000, slots[0]! * 1_000, timeline, {
      most,
      misfireThresholdMs: thresholdS * 1_000,
    });
    return { due: due.map((at) => at / 1_000), next: next === undefined ? next : next / 1_000 };
  }

  it('[F1] the slots that are found are the latest, without a gap, and enough of them', () => {
    const seconds = fc.uniqueArray(fc.nat(20 * HOUR_S), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(
        seconds,
        fc.nat(20 * HOUR_S),
        fc.integer({ min: 1, max: 9 }),
        (all, end, most) => {
          const slots = all.toSorted((a, b) => a - b);
          const nowS = Math.max(end, slots[0]!);
          const passed = slots.filter((slot) => slot <= nowS);
          const { due, next } = found(slots, nowS, most);
          expect(due).toEqual(passed.slice(-due.length));
          expect(due.length).toBeGreaterThanOrEqual(Math.min(most, passed.length));
          expect(next).toBe(slots.find((slot) => slot > nowS));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('[F2] all punctual slots are found, however many there are', () => {
    const everySecond = Array.from({ length: 300 }, (_, second) => second);
    expect(found(everySecond, 299, 100, 600).due).toEqual(everySecond);
  });

  it('[F1] the latest 1,000 are found even if all were due in one hour long before', () => {
    const everySecondOfAnHour = Array.from({ length: HOUR_S }, (_, second) => second);
    const { due } = found(everySecondOfAnHour, 10.75 * HOUR_S, 1_000);
    expect(due.slice(-1_000)).toEqual(everySecondOfAnHour.slice(-1_000));
  });
});
