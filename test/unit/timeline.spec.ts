import { describe, expect, it } from '@jest/globals';
import { CronExpression } from '../../lib/schedule/cron-expression.js';
import {
  CronTimeline,
  intervalTimeline,
  NEVER_DUE,
  timeoutTimeline,
  type Timeline,
} from '../../lib/schedule/timeline.js';

const NOON = Date.parse('2026-01-15T12:00:00Z');
const MINUTE = 60_000;

describe('timeline of an interval', () => {
  const timeline = intervalTimeline(MINUTE);

  it('[E4] begins one period after start-up', () => {
    expect(timeline.first(NOON, false)).toBe(NOON + MINUTE);
  });

  it('begins right after an initial delay', () => {
    expect(timeline.first(NOON, true)).toBe(NOON);
  });

  it('goes on by its period', () => {
    expect(timeline.after(NOON)).toBe(NOON + MINUTE);
  });

  it('begins again one period after the clock was set back', () => {
    expect(timeline.again(NOON - 60 * MINUTE)).toBe(NOON - 59 * MINUTE);
  });

  it.each([0, 1, MINUTE - 1, MINUTE, 90_000, 1_000 * MINUTE + 1])(
    'skips along its grid, not past the moment asked for: %i ms',
    (ms) => {
      const skipped = timeline.skipTo(NOON, NOON + ms)!;
      expect((skipped - NOON) % MINUTE).toBe(0);
      expect(skipped).toBeLessThanOrEqual(NOON + ms);
      expect(skipped).toBeGreaterThan(NOON + ms - MINUTE);
    },
  );

  it('never skips back', () => {
    expect(timeline.skipTo(NOON, NOON - 10 * MINUTE)).toBe(NOON);
  });
});

describe('timeline of a cron', () => {
  const hourly = new CronExpression('0 0 * * * *', { timeZone: 'UTC', utcOffset: undefined });
  const timeline: Timeline = new CronTimeline(hourly);
  const HOUR = 60 * MINUTE;

  it('begins with the first due time after start-up', () => {
    expect(timeline.first(NOON, false)).toBe(NOON + HOUR);
    expect(timeline.first(NOON + 1, false)).toBe(NOON + HOUR);
  });

  it('continues with the next due time', () => {
    expect(timeline.after(NOON)).toBe(NOON + HOUR);
  });

  it('begins again with the next due time of the clock', () => {
    expect(timeline.again(NOON - 10 * HOUR + 1)).toBe(NOON - 9 * HOUR);
  });

  it('never skips back', () => {
    expect(timeline.skipTo(NOON, NOON - 10 * HOUR)).toBeGreaterThanOrEqual(NOON);
  });
});

describe('timeline of a timeout', () => {
  const timeline = timeoutTimeline(10 * MINUTE);

  it('is due once, its delay after start-up', () => {
    expect(timeline.first(NOON, false)).toBe(NOON + 10 * MINUTE);
    expect(timeline.after(NOON)).toBeUndefined();
    expect(timeline.skipTo(NOON, NOON)).toBeUndefined();
  });
});

describe('timeline of a schedule that is switched off', () => {
  it('is never due', () => {
    const timeline = NEVER_DUE;
    expect([
      timeline.first(NOON, false),
      timeline.after(NOON),
      timeline.skipTo(NOON, NOON),
      timeline.again(NOON),
    ]).toEqual([undefined, undefined, undefined, undefined]);
  });
});
