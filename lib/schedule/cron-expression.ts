import { CorrectedCron } from './corrected-cron.js';
import { getOrAdd } from '../util/values.js';
import { CronFields } from './cron-fields.js';
import { offsetsOf, type ZoneOffsets } from './zone-offsets.js';

/** The zone in which a cron expression is evaluated; if neither value is set, the zone of the process. */
export interface CronZone {
  readonly timeZone: string | undefined;
  readonly utcOffset: number | undefined;
}

const MOST_SHARED = 1_000;

/** The expressions that schedules share, by zone and source. When there are too many, the one that was read first is dropped. */
const shared = new Map<string, CronExpression>();

/** Due times farther ahead than this come from the `cron` package, which searches until eight years after the current date. */
const FAR_MS = 2_800 * 86_400_000;

/**
 * A cron expression: five fields, or six with seconds first; month and day names; presets such as `@daily`. Its due times are the
 * same as with `@Cron` from `@nestjs/schedule`, except for the ones that `CorrectedCron` corrects.
 *
 * The `cron` package reads the expression. This class finds most due times by searching the fields of the expression, on a
 * calendar without time zones. Near a clock change, far in the future, and in a zone that `Intl` doesn't know, the `cron` package finds
 * the due time.
 */
export class CronExpression {
  readonly #zone: string;
  readonly #fields: CronFields;
  readonly #offsets: ZoneOffsets;

  /**
   * Reads an expression. Schedules with the same expression share one object, because there may be thousands, such as one for each
   * tenant.
   *
   * @throws an error from the `cron` package if the expression is invalid.
   */
  static of(source: string, zone: CronZone): CronExpression {
    const key = `${zoneName(zone)} ${source}`;
    const expression = getOrAdd(shared, key, () => new CronExpression(source, zone));
    if (shared.size > MOST_SHARED) shared.delete(shared.keys().next().value!);
    return expression;
  }

  /** @throws an error from the `cron` package if the expression is invalid. */
  constructor(
    readonly source: string,
    zone: CronZone,
  ) {
    this.#zone = zoneName(zone);
    this.#fields = new CronFields(this.corrected().fields);
    this.#offsets = offsetsOf(this.#zone);
  }

  /** Returns the first due time after `after`, both in epoch milliseconds; undefined if no more follow (as for February 30). */
  next(after: number): number | undefined {
    return this.search(after) ?? this.corrected().next(after);
  }

  /** Searches the fields; returns undefined if the `cron` package must find the due time. */
  private search(after: number): number | undefined {
    const offset = this.#offsets.at(after);
    if (offset === undefined) return undefined;
    const local = this.#fields.next(Math.floor((after + offset) / 1_000) + 1);
    if (local === undefined || local * 1_000 - after > FAR_MS) return undefined;
    return this.#offsets.instantOf(local * 1_000);
  }

  /** Returns a new object and doesn't keep it: it is needed a few times a year, and takes more memory than all the fields here. */
  private corrected(): CorrectedCron {
    return new CorrectedCron(this.source, this.#zone);
  }
}

/** Returns the name of the zone in which an expression is evaluated. */
export function zoneName({ timeZone, utcOffset }: CronZone): string {
  if (timeZone !== undefined) return timeZone;
  if (utcOffset === undefined) return zoneOfProcess();
  const minutes = Math.abs(utcOffset);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `UTC${utcOffset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** Caches the zone of the process by the value of `TZ`, which determines the zone. Asking `Intl` takes a fifth of a millisecond. */
const zonesOfProcess = new Map<string | undefined, string>();

function zoneOfProcess(): string {
  const now = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;
  return getOrAdd(zonesOfProcess, process.env['TZ'], now);
}
