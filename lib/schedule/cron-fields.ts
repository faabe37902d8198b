/** The values that each field lists. */
export interface CronFieldValues {
  readonly second: readonly number[];
  readonly minute: readonly number[];
  readonly hour: readonly number[];
  readonly dayOfMonth: readonly number[];
  /** From 1 (January) to 12 (December). */
  readonly month: readonly number[];
  /** From 0 (Sunday) to 6 (Saturday). */
  readonly dayOfWeek: readonly number[];
}

const DAY_S = 86_400;

/** A search ends after this many months without a match. */
const MOST_MONTHS = 8 * 12;

/** The fields of a cron expression, for searches on a calendar without time zones. Times are seconds since 1970. */
export class CronFields {
  readonly #seconds: Listed;
  readonly #minutes: Listed;
  readonly #hours: Listed;
  readonly #days: number;
  readonly #months: number;
  readonly #weekdays: number;
  /** True if both day fields are restricted: a day then matches if either field does, as in Vixie cron. */
  readonly #isEitherDay: boolean;

  constructor({ second, minute, hour, dayOfMonth, month, dayOfWeek }: CronFieldValues) {
    this.#seconds = listed(second, 60);
    this.#minutes = listed(minute, 60);
    this.#hours = listed(hour, 24);
    this.#days = bitsOf(dayOfMonth);
    this.#months = bitsOf(month);
    this.#weekdays = bitsOf(dayOfWeek);
    this.#isEitherDay = dayOfMonth.length < 31 && dayOfWeek.length < 7;
  }

  /** Returns the first matching time at or after `from`; undefined if no time matches within eight years. */
  next(from: number): number | undefined {
    let day = Math.floor(from / DAY_S);
    const today = this.listsDay(day) ? this.timeFrom(from - day * DAY_S) : undefined;
    if (today !== undefined) return day * DAY_S + today;
    day += 1;
    for (let months = 0; months < MOST_MONTHS; months += 1) {
      const date = new Date(day * DAY_S * 1_000);
      const nextMonth = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1) / 1_000 / DAY_S;
      if (isListed(this.#months, date.getUTCMonth() + 1))
        for (let of = date.getUTCDate(); day < nextMonth; day += 1, of += 1)
          if (this.listsDate(of, day)) return day * DAY_S + this.timeFrom(0)!;
      day = nextMonth;
    }
    return undefined;
  }

  private listsDay(day: number): boolean {
    const date = new Date(day * DAY_S * 1_000);
    return isListed(this.#months, date.getUTCMonth() + 1) && this.listsDate(date.getUTCDate(), day);
  }

  private listsDate(dayOfMonth: number, day: number): boolean {
    const isDay = isListed(this.#days, dayOfMonth);
    const isWeekday = isListed(this.#weekdays, (((day + 4) % 7) + 7) % 7);
    return this.#isEitherDay ? isDay || isWeekday : isDay && isWeekday;
  }

  /** Returns the first listed time of a day at or after a given second of that day. */
  private timeFrom(from: number): number | undefined {
    const second = from % 60;
    const minute = Math.floor(from / 60) % 60;
    const hour = Math.floor(from / 3_600);
    const at = (hours: number, minutes: number, seconds = next(this.#seconds, 0)): number =>
      (hours * 60 + minutes) * 60 + seconds;
    if (next(this.#hours, hour) === hour) {
      const inMinute = next(this.#minutes, minute) === minute ? next(this.#seconds, second) : NONE;
      if (inMinute !== NONE) return at(hour, minute, inMinute);
      const inHour = next(this.#minutes, minute + 1);
      if (inHour !== NONE) return at(hour, inHour);
    }
    const later = next(this.#hours, hour + 1);
    return later === NONE ? undefined : at(later, next(this.#minutes, 0));
  }
}

/** A character for each value: 1 if the field lists it, otherwise 0. Takes less memory than an array, and is as fast. */
type Listed = string;

const NONE = -1;

function listed(values: readonly number[], size: number): Listed {
  const marks = '0'.repeat(size).split('');
  for (const value of values) marks[value] = '1';
  return marks.join('');
}

/** Returns the first listed value at or after `from`; -1 if every value is earlier. */
function next(field: Listed, from: number): number {
  return field.indexOf('1', from);
}

function bitsOf(values: readonly number[]): number {
  return values.reduce((bits, value) => bits | (1 << value), 0);
}

function isListed(bits: number, value: number): boolean {
  return ((bits >>> value) & 1) === 1;
}
