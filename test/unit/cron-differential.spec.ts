import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CorrectedCron } from '../../lib/schedule/corrected-cron.js';
import { CronExpression } from '../../lib/schedule/cron-expression.js';
import { ZoneOffsets } from '../../lib/schedule/zone-offsets.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEARS = 6 * 365;

const ZONES = [
  'UTC',
  'UTC+05:30',
  'UTC+2', // only the cron package knows this name
  'Europe/Berlin',
  'America/New_York',
  'America/St_Johns', // half an hour
  'Australia/Lord_Howe', // clocks change by half an hour
  'Africa/Casablanca', // two changes around Ramadan
  'Asia/Kathmandu',
  'Pacific/Auckland',
];

const numRuns = Number(process.env['CRON_RUNS'] ?? 150);

describe.each(ZONES)('The due times in %s', (zone) => {
  const today = Math.floor(Date.now() / DAY) * DAY;
  const changes = changesIn(zone, today, today + YEARS * DAY);
  /** Half of the searches begin within a day of a change of clocks. */
  const instant = fc
    .tuple(fc.nat(YEARS - 1), fc.nat(DAY - 1), fc.nat(2 * Math.max(changes.length, 1) - 1))
    .map(([days, time, change]) => (changes[change] ?? today + days * DAY) - DAY / 2 + time);

  it('[F15] are those of the cron package, with its results corrected, for random expressions', () => {
    fc.assert(
      fc.property(anyExpression(), fc.array(instant, { maxLength: 4 }), (source, instants) => {
        const expression = new CronExpression(source, { timeZone: zone, utcOffset: undefined });
        const reference = new CorrectedCron(source, zone);
        for (let at of instants) {
          for (let step = 0; step < 3; step += 1) {
            const due = reference.next(at);
            const ours = expression.next(at);
            // The cron package looks no further than eight years from today.
            const shown = due === undefined && ours! > today + 8 * 365 * DAY ? undefined : ours;
            expect([iso(at), iso(shown)]).toEqual([iso(at), iso(due)]);
            if (due === undefined) break;
            at = due;
          }
        }
      }),
      { numRuns },
    );
  });
});

function iso(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}

/** Returns where the range without a known offset begins around each change of clocks, to within six hours. */
function changesIn(zone: string, from: number, to: number): number[] {
  const offsets = new ZoneOffsets(zone);
  const changes: number[] = [];
  for (let at = from; at < to; at += 6 * HOUR)
    if (offsets.at(at) === undefined && offsets.at(at - 6 * HOUR) !== undefined) changes.push(at);
  return changes;
}

/** Mostly ordinary expressions: few seconds, many `*`. */
function anyExpression(): fc.Arbitrary<string> {
  const field = (low: number, high: number, stars: number): fc.Arbitrary<string> => {
    const value = fc.integer({ min: low, max: high });
    const range = fc.tuple(value, value).map((ends) => ends.toSorted((a, b) => a - b).join('-'));
    return fc.oneof(
      { weight: stars, arbitrary: fc.constant('*') },
      { weight: 2, arbitrary: fc.array(value, { minLength: 1, maxLength: 3 }).map(String) },
      { weight: 1, arbitrary: range },
      {
        weight: 1,
        arbitrary: fc.tuple(range, fc.integer({ min: 1, max: 5 })).map((parts) => parts.join('/')),
      },
      {
        weight: 1,
        arbitrary: fc.integer({ min: 1, max: (high - low) >> 1 }).map((step) => `*/${step}`),
      },
    );
  };
  return fc
    .tuple(
      fc.oneof(fc.constant('0'), field(0, 59, 1)),
      field(0, 59, 2),
      field(0, 23, 3),
      field(1, 31, 8),
      field(1, 12, 11),
      field(0, 7, 11),
    )
    .map((fields) => fields.join(' '));
}
