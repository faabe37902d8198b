import { CronTime } from 'cron';
import type { CronFieldValues } from './cron-fields.js';

type CronDate = ReturnType<CronTime['getNextDateFrom']>;

/** The largest amount by which clocks are set back at once, and the increment of such changes, in minutes. */
const FOLD = { longest: 180, step: 30 };

/** The longest time that a zone skips in spring, in minutes. */
const LONGEST_GAP = 120;

/**
 * Evaluates a cron expression with the `cron` package, as `@Cron` from `@nestjs/schedule` does. One evaluation takes about a
 * quarter of a millisecond.
 *
 * Corrects two errors in `cron` 4.4 around the end of daylight saving time. `cron` can return an instant before the requested one,
 * or an instant whose local time doesn't match the expression. In the second case, a job at a fixed local time would run twice:
 * 03:00 in Berlin comes out as 02:00 and again as 03:00.
 */
export class CorrectedCron {
  readonly fields: CronFieldValues;
  readonly #time: CronTime;

  /** @throws an error from the `cron` package if the expression is invalid. */
  constructor(
    source: string,
    private readonly zone: string,
  ) {
    this.#time = new CronTime(source, zone);
    this.fields = fieldsOf(this.#time);
  }

  /** Returns the first due time after `after`, both in epoch milliseconds; undefined if no date matches (as for February 30). */
  next(after: number): number | undefined {
    let from = after;
    for (;;) {
      const found = this.search(from);
      if (found === undefined) return undefined;
      const date = found.toMillis() > after ? found : secondOccurrence(found, after);
      if (date === undefined) {
        from += FOLD.step * 60_000;
        continue;
      }
      if (this.names(date) || this.isInGap(date, from)) return date.toMillis();
      from = date.toMillis();
    }
  }

  private search(after: number): CronDate | undefined {
    try {
      return this.#time.getNextDateFrom(new Date(after), this.zone);
    } catch (error) {
      // The only error that `cron` throws here: it has searched eight years without a match.
      if (error instanceof Error && error.message.includes('No execution date')) return undefined;
      throw error;
    }
  }

  private names(date: CronDate): boolean {
    return this.fields.hour.includes(date.hour) && this.fields.minute.includes(date.minute);
  }

  /** Returns true if the next due local time doesn't exist: `cron` then returns a time after the gap. */
  private isInGap(answer: CronDate, from: number): boolean {
    if (answer.minus({ minutes: LONGEST_GAP }).offset >= answer.offset) return false;
    const asked = answer.plus({ milliseconds: from - answer.toMillis() });
    const due = this.#time.getNextDateFrom(asked.setZone('UTC', { keepLocalTime: true }), 'UTC');
    const there = due.setZone(this.zone, { keepLocalTime: true });
    return there.hour !== due.hour || there.minute !== due.minute;
  }
}

/** Reads the fields directly, because `CronTime#toJSON()` in `cron` 4.4 writes `*` for minutes such as `0-58`. */
function fieldsOf(time: CronTime): CronFieldValues {
  const fields = time as unknown as Record<keyof CronFieldValues, object>;
  const valuesOf = (field: keyof CronFieldValues): number[] =>
    Object.keys(fields[field]).map(Number);
  return {
    second: valuesOf('second'),
    minute: valuesOf('minute'),
    hour: valuesOf('hour'),
    dayOfMonth: valuesOf('dayOfMonth'),
    month: valuesOf('month'),
    dayOfWeek: valuesOf('dayOfWeek'),
  };
}

/** Returns the later of the two instants that share a local time, if it is after `after`. */
function secondOccurrence(date: CronDate, after: number): CronDate | undefined {
  for (let minutes = FOLD.step; minutes <= FOLD.longest; minutes += FOLD.step) {
    const later = date.plus({ minutes });
    if (later.hour === date.hour && later.minute === date.minute && later.toMillis() > after)
      return later;
  }
  return undefined;
}
