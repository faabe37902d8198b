import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { CronJob, CronTime } from 'cron';
import { CronExpression } from '../../lib/schedule/cron-expression.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The two days around the daylight-saving changes of 2026. */
const CHANGES = [
  { zone: 'Europe/Berlin', change: 'spring', noonBefore: '2026-03-28T12:00:00Z' },
  { zone: 'Europe/Berlin', change: 'autumn', noonBefore: '2026-10-24T12:00:00Z' },
  { zone: 'America/New_York', change: 'spring', noonBefore: '2026-03-07T12:00:00Z' },
  { zone: 'America/New_York', change: 'autumn', noonBefore: '2026-10-31T12:00:00Z' },
  { zone: 'Australia/Sydney', change: 'spring', noonBefore: '2026-10-03T02:00:00Z' },
  { zone: 'Australia/Sydney', change: 'autumn', noonBefore: '2026-04-04T02:00:00Z' },
];

/** Local times in the hours that are left out, repeated, or next to those. */
const AFFECTED = [
  '0 30 1 * * *',
  '0 0 2 * * *',
  '0 15 2 * * *',
  '0 30 2 * * *',
  '30 30 2 * * *',
  '0 59 2 * * *',
  '0 0 3 * * *',
  '0 30 3 * * *',
  '0 10-20/5 2 * * *',
  '0 0 2,3 * * *',
  '0 0 4 * * *',
  '0 0 * * * *',
  '0 5 * * * *',
  '0 */30 * * * *',
];

function cron(source: string, timeZone: string): CronExpression {
  return new CronExpression(source, { timeZone, utcOffset: undefined });
}

function runsOf(expression: CronExpression, from: number, to: number): number[] {
  const runs: number[] = [];
  for (let at = expression.next(from); at !== undefined && at <= to; at = expression.next(at)) {
    if (at <= (runs.at(-1) ?? from)) throw new Error(`${expression.source} went back in time.`);
    runs.push(at);
  }
  return runs;
}

/** When a job of the `cron` package really fires: it runs on a fake clock. */
function firesOfCronJob(cronTime: string, timeZone: string, from: number, to: number): number[] {
  jest.useFakeTimers({ now: from });
  const fires: number[] = [];
  const job = CronJob.from({
    cronTime,
    timeZone,
    start: true,
    onTick: () => void fires.push(Date.now()),
  });
  jest.advanceTimersByTime(to - from);
  void job.stop();
  jest.useRealTimers();
  return fires;
}

function localTime(at: number, timeZone: string): string {
  const format = { timeZone, dateStyle: 'short', timeStyle: 'medium' } as const;
  return new Intl.DateTimeFormat('sv', format).format(at);
}

/** How the hours and minutes of a local time read; the second run of `fires` at one such time is a repetition. */
function isNamed(source: string, at: number, zone: string): boolean {
  const [, minutes, hours] = source.split(' ') as [string, string, string];
  const [hour, minute] = localTime(at, zone).slice(11).split(':').map(Number) as [number, number];
  return fieldNames(hours, hour) && fieldNames(minutes, minute);
}

function fieldNames(field: string, value: number): boolean {
  return field.split(',').some((part) => {
    const [range, step = '1'] = part.split('/') as [string, string?];
    const [low, high = low] = range === '*' ? ['0', '59'] : (range.split('-') as [string, string?]);
    return value >= +low! && value <= +high! && (value - +low!) % +step === 0;
  });
}

const iso = (times: readonly number[]): string[] => times.map((at) => new Date(at).toISOString());

afterEach(() => {
  jest.useRealTimers();
});

describe('cron expression', () => {
  describe.each(CHANGES)('on the $change change in $zone', ({ zone, change, noonBefore }) => {
    const from = Date.parse(noonBefore);
    const to = from + 2 * DAY;

    it.each(AFFECTED)('[F15] is due where a CronJob fires: %s', (source) => {
      const fires = firesOfCronJob(source, zone, from, to);
      // In autumn `cron` also fires where the local time is not the one of the expression: see below.
      const kept = change === 'autumn' ? fires.filter((at) => isNamed(source, at, zone)) : fires;
      expect(iso(runsOf(cron(source, zone), from, to))).toEqual(iso(kept));
    });
  });

  describe.each([
    ...CHANGES,
    { zone: 'Australia/Lord_Howe', change: 'spring', noonBefore: '2026-10-03T02:00:00Z' },
    { zone: 'Australia/Lord_Howe', change: 'autumn', noonBefore: '2026-04-04T02:00:00Z' },
    { zone: 'America/Santiago', change: 'spring', noonBefore: '2026-09-05T16:00:00Z' },
    { zone: 'America/Santiago', change: 'autumn', noonBefore: '2026-04-04T16:00:00Z' },
  ])('on the day of the $change change in $zone', ({ zone, noonBefore }) => {
    const from = Date.parse(noonBefore);
    const day = localTime(from + DAY, zone).slice(0, 10);

    it.each([
      '0:00',
      '0:30',
      '1:00',
      '1:30',
      '1:59',
      '2:00',
      '2:15',
      '2:30',
      '2:59',
      '3:00',
      '3:30',
    ])('[F15] a fixed local time is due once, with and without seconds: %s', (time) => {
      const [hour, minute] = time.split(':');
      for (const second of [0, 30]) {
        const daily = cron(`${second} ${Number(minute)} ${hour} * * *`, zone);
        const runs = runsOf(daily, from - DAY / 2, from + 2 * DAY);
        expect(runs.filter((at) => localTime(at, zone).startsWith(day))).toHaveLength(1);
      }
    });
  });

  describe('when cron 4.4 answers with a wrong instant', () => {
    const from = Date.parse('2026-10-24T12:00:00Z');

    it('[F15] corrects 03:00 in Berlin, which a CronJob fires at 02:00 and at 03:00', () => {
      const fires = firesOfCronJob('0 0 3 * * *', 'Europe/Berlin', from, from + DAY);
      expect(fires.map((at) => localTime(at, 'Europe/Berlin'))).toEqual([
        '2026-10-25 02:00:00',
        '2026-10-25 03:00:00',
      ]);
      const runs = runsOf(cron('0 0 3 * * *', 'Europe/Berlin'), from, from + DAY);
      expect(iso(runs)).toEqual(['2026-10-25T02:00:00.000Z']);
    });

    it('[F16] corrects a step back in time in Sydney', () => {
      const zone = 'Australia/Sydney';
      const time = new CronTime('0 */30 * * * *', zone);
      const start = Date.parse('2026-04-04T12:00:00Z');
      const halfHours = Array.from({ length: 24 }, (_, index) => start + (index * HOUR) / 2);
      const answers = halfHours.map((at) => time.getNextDateFrom(new Date(at), zone).toMillis());
      expect(answers.some((answer, index) => answer <= halfHours[index]!)).toBe(true);

      const own = halfHours.map((at) => cron('0 */30 * * * *', zone).next(at));
      expect(own).toEqual(halfHours.map((at) => at + HOUR / 2));
    });
  });

  describe.each([
    'Europe/Berlin',
    'America/New_York',
    'Australia/Sydney',
    'Australia/Lord_Howe',
    'America/Santiago',
  ])('over two years in %s', (zone) => {
    const from = Date.parse('2026-01-01T12:00:00Z');
    const to = from + 731 * DAY;

    it('[F15][F16] the due times strictly increase, and a fixed local time is due once on every day', () => {
      const days = runsOf(cron('0 30 2 * * *', zone), from, to).map((at) =>
        localTime(at, zone).slice(0, 10),
      );
      expect(new Set(days).size).toBe(days.length);
      expect(days.length).toBe(731);
    });

    it.each(['15 45 1 * * 0', '0 0 3 1 * *'])(
      '[F16] the due times strictly increase: %s',
      (source) => {
        expect(runsOf(cron(source, zone), from, to).length).toBeGreaterThanOrEqual(24);
      },
    );
  });

  it('[F6] has no next time on 30 February', () => {
    expect(cron('0 0 0 30 2 *', 'UTC').next(Date.parse('2026-01-01T00:00:00Z'))).toBeUndefined();
  });

  it('[F6] has a next time on 29 February, years ahead', () => {
    const next = cron('0 0 0 29 2 *', 'UTC').next(Date.parse('2026-01-01T00:00:00Z'));
    expect(iso([next!])).toEqual(['2028-02-29T00:00:00.000Z']);
  });

  it('is due strictly after the moment asked from', () => {
    const expression = cron('0 0 * * * *', 'UTC');
    const noon = Date.parse('2026-01-01T12:00:00Z');
    expect(expression.next(noon)).toBe(noon + HOUR);
    expect(expression.next(noon - 1)).toBe(noon);
  });

  it.each([
    [330, '06:30'],
    [-300, '17:00'],
    [0, '12:00'],
  ])('reads the expression at an offset of %i minutes', (utcOffset, utc) => {
    const expression = new CronExpression('0 0 12 * * *', { timeZone: undefined, utcOffset });
    const next = expression.next(Date.parse('2026-01-01T00:00:00Z'));
    expect(iso([next!])).toEqual([`2026-01-01T${utc}:00.000Z`]);
  });

  it('throws for what cannot be read', () => {
    expect(() => cron('0 0 25 * * *', 'UTC')).toThrow('25');
    expect(() => cron('0 0 23 * * *', 'UTC')).not.toThrow();
  });

  describe('when many schedules have it', () => {
    const shared = (source: string, timeZone: string): CronExpression =>
      CronExpression.of(source, { timeZone, utcOffset: undefined });

    it('is one object for each zone', () => {
      const noon = shared('0 0 12 * * *', 'Europe/Berlin');
      expect(shared('0 0 12 * * *', 'Europe/Berlin')).toBe(noon);
      const elsewhere = shared('0 0 12 * * *', 'Asia/Tokyo');
      const from = Date.parse('2026-01-01T00:00:00Z');
      expect(iso([noon.next(from)!, elsewhere.next(from)!])).toEqual([
        '2026-01-01T11:00:00.000Z',
        '2026-01-01T03:00:00.000Z',
      ]);
    });

    it('throws for what cannot be read, each time', () => {
      expect(() => shared('0 0 25 * * *', 'UTC')).toThrow('25');
      expect(() => shared('0 0 25 * * *', 'UTC')).toThrow('25');
    });

    it('is read again after a thousand others', () => {
      const read = (): CronExpression => shared('0 0 12 1 1 *', 'UTC');
      const first = read();
      for (let index = 0; index < 999; index += 1)
        shared(`${index % 60} ${Math.floor(index / 60)} 0 2 1 *`, 'UTC');
      expect(read()).toBe(first);
      shared('0 0 0 3 1 *', 'UTC');
      const again = read();
      expect(again).not.toBe(first);
      expect(again.next(0)).toBe(first.next(0));
    });
  });
});
