import { describe, expect, it } from '@jest/globals';
import { dueMoments } from '../../lib/inspect/cli/page/due-moments.js';

/** Blanks are no-break ones, so that a line does not end between a date and its time. */
function shown(moments: readonly string[], timeZone: string): string {
  return dueMoments(moments, timeZone).replaceAll('\u00A0', ' ');
}

describe('Due moments', () => {
  it('are local to their zone, and name a date once', () => {
    const moments = [
      '2026-06-01T21:55:00.000Z',
      '2026-06-01T22:00:00.000Z',
      '2026-06-01T22:05:00.000Z',
    ];
    expect(shown(moments, 'Europe/Berlin')).toBe('2026-06-01 23:55, 2026-06-02 00:00, 00:05');
  });

  it('have seconds when one of them needs them', () => {
    const moments = ['2026-06-01T10:00:00.000Z', '2026-06-01T10:00:30.000Z'];
    expect(shown(moments, 'UTC')).toBe('2026-06-01 10:00:00, 10:00:30');
  });

  it('have milliseconds only where they are less than a second apart', () => {
    expect(shown(['2026-06-01T10:00:00.250Z', '2026-06-01T10:00:01.250Z'], 'UTC')).toBe(
      '2026-06-01 10:00:00, 10:00:01',
    );
    expect(shown(['2026-06-01T10:00:00.250Z', '2026-06-01T10:00:00.500Z'], 'UTC')).toBe(
      '2026-06-01 10:00:00.250, 10:00:00.500',
    );
  });

  it('carry their offsets where the clocks are set back between them', () => {
    const moments = ['2026-10-25T00:30:00.000Z', '2026-10-25T01:30:00.000Z'];
    expect(shown(moments, 'Europe/Berlin')).toBe('2026-10-25 02:30+02:00, 02:30+01:00');
  });

  it.each([
    ['UTC+05:30', '2026-06-01 15:30'],
    ['UTC-03:00', '2026-06-01 07:00'],
    ['Asia/Kathmandu', '2026-06-01 15:45'],
    ['America/St_Johns', '2026-06-01 07:30'],
  ])('are those of %s', (timeZone, moment) => {
    expect(shown(['2026-06-01T10:00:00.000Z'], timeZone)).toBe(moment);
  });
});
