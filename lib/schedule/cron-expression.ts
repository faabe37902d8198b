import { CronTime } from 'cron';

type CronDate = ReturnType<CronTime['getNextDateFrom']>;

/** The zone in which a cron expression is evaluated; without either value, that of the process. */
export interface CronZone {
  readonly timeZone: string | undefined;
  readonly utcOffset: number | undefined;
}

/** The most that clocks are set back at one time, and the step of such changes, in minutes. */
const FOLD = { longest: 180, step: 30 };

/** The longest time that a zone skips in spring, in minutes. */
const LONGEST_GAP = 120;

/**
 * A cron expression, evaluated by the `cron` package, as `@Cron` of `@nestjs/schedule` does, so that both are due at the same
 * times. Five or six fields, seconds first, month and day names, presets such as `@daily`.
 *
 * Corrects two results of `cron` 4.4 around the end of daylight saving time. One is an instant whose local time the expression
 * doesn't name. A fixed local time would run twice: 03:00 in Berlin comes out as 02:00 and again as 03:00. The other is an
 * instant before the requested one.
 */
export class CronExpression {
  readonly #time: CronTime;
  readonly #zone: string;
  readonly #hours: string;
  readonly #minutes: string;

  /** @throws an error of the `cron` package if the expression is invalid. */
  constructor(
    readonly source: string,
    zone: CronZone,
  ) {
    this.#zone = zoneName(zone);
    this.#time = new CronTime(source, this.#zone);
    const fields = this.#time.toJSON();
    this.#minutes = fields[1]!;
    this.#hours = fields[2]!;
  }

  /** Returns the first due time after `after`, both in epoch milliseconds; undefined if it is never due again (30 February). */
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
      return this.#time.getNextDateFrom(new Date(after), this.#zone);
    } catch (error) {
      // The only error of `cron` here: it has searched eight years without a match.
      if (error instanceof Error && error.message.includes('No execution date')) return undefined;
      throw error;
    }
  }

  private names(date: CronDate): boolean {
    return lists(this.#hours, date.hour) && lists(this.#minutes, date.minute);
  }

  /** True if the next due local time doesn't exist: `cron` then returns one after the gap. */
  private isInGap(answer: CronDate, from: number): boolean {
    if (answer.minus({ minutes: LONGEST_GAP }).offset >= answer.offset) return false;
    const asked = answer.plus({ milliseconds: from - answer.toMillis() });
    const due = this.#time.getNextDateFrom(asked.setZone('UTC', { keepLocalTime: true }), 'UTC');
    const there = due.setZone(this.#zone, { keepLocalTime: true });
    return there.hour !== due.hour || there.minute !== due.minute;
  }
}

function lists(field: string, value: number): boolean {
  return field === '*' || field.split(',').includes(String(value));
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

/** Returns the name of the zone in which an expression is evaluated. */
export function zoneName({ timeZone, utcOffset }: CronZone): string {
  if (timeZone !== undefined) return timeZone;
  if (utcOffset === undefined) return Intl.DateTimeFormat().resolvedOptions().timeZone;
  const minutes = Math.abs(utcOffset);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `UTC${utcOffset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
