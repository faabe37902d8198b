import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decideMisfire } from '../../lib/schedule/misfire.js';
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
