import { getOrAdd } from '../util/values.js';

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;

/** The time before and after a clock change for which no offset is returned. */
const NEAR_MS = 4 * 3_600_000;

/** If an instant is farther away than this, the known range restarts there instead of growing. */
const LONGEST_GROWTH_MS = 10 * 366 * DAY_MS;

const zones = new Map<string, ZoneOffsets>();

/** Returns the offsets of a zone, which all cron expressions in that zone share. */
export function offsetsOf(zone: string): ZoneOffsets {
  return getOrAdd(zones, zone, () => new ZoneOffsets(zone));
}

/**
 * The offsets of a time zone from UTC. This class needs no table: it asks `Intl` for the offset on each day, and narrows down the
 * moment of each change. It would miss two changes within one day.
 */
export class ZoneOffsets {
  readonly #read: (instant: number) => number | undefined;
  /** The known range: the class has found all changes between these two instants. */
  #from = Number.POSITIVE_INFINITY;
  #to = Number.NEGATIVE_INFINITY;
  /** The instants at which the offset changes, in order. */
  #changes: number[] = [];
  /** The offset before the first change, and then the offset after each change. */
  #offsets: number[] = [];

  constructor(zone: string) {
    this.#read = reader(zone);
  }

  /**
   * Returns the offset at an instant, in milliseconds; undefined within four hours of a change, or if `Intl` doesn't know the zone.
   */
  at(instant: number): number | undefined {
    if (!this.reaches(instant)) return undefined;
    let index = this.#changes.length;
    while (index > 0 && this.#changes[index - 1]! > instant) index -= 1;
    const sinceLast = instant - (this.#changes[index - 1] ?? Number.NEGATIVE_INFINITY);
    const untilNext = (this.#changes[index] ?? Number.POSITIVE_INFINITY) - instant;
    return sinceLast < NEAR_MS || untilNext < NEAR_MS ? undefined : this.#offsets[index];
  }

  /** Returns the instant of a local time, given as if the zone were UTC; undefined within about four hours of a change. */
  instantOf(local: number): number | undefined {
    const offset = this.at(local - (this.at(local) ?? 0));
    if (offset === undefined) return undefined;
    const instant = local - offset;
    return this.at(instant) === offset ? instant : undefined;
  }

  /** Makes the known range include the instant and four hours on either side. @returns false if the zone is unknown. */
  private reaches(instant: number): boolean {
    const from = instant - NEAR_MS;
    const to = instant + NEAR_MS;
    if (from >= this.#from && to <= this.#to) return true;
    const isFar = from > this.#to + LONGEST_GROWTH_MS || to < this.#from - LONGEST_GROWTH_MS;
    if (isFar || this.#offsets.length === 0) {
      const offset = this.#read(from);
      if (offset === undefined) return false;
      this.#from = this.#to = from;
      this.#changes = [];
      this.#offsets = [offset];
    }
    while (this.#to < to) {
      const next = this.#to + DAY_MS;
      const offset = this.#read(next)!;
      if (offset !== this.#offsets.at(-1)) {
        this.#changes.push(this.changeBetween(this.#to, next));
        this.#offsets.push(offset);
      }
      this.#to = next;
    }
    while (this.#from > from) {
      const next = this.#from - DAY_MS;
      const offset = this.#read(next)!;
      if (offset !== this.#offsets[0]) {
        this.#changes.unshift(this.changeBetween(next, this.#from));
        this.#offsets.unshift(offset);
      }
      this.#from = next;
    }
    return true;
  }

  /** Returns the first full second at which the later offset applies, in epoch milliseconds. */
  private changeBetween(from: number, to: number): number {
    const before = this.#read(from);
    let last = Math.floor(from / SECOND_MS);
    let first = Math.ceil(to / SECOND_MS);
    while (first - last > 1) {
      const middle = Math.floor((last + first) / 2);
      if (this.#read(middle * SECOND_MS) === before) last = middle;
      else first = middle;
    }
    return first * SECOND_MS;
  }
}

/** Returns a function that returns the offset at an instant, or undefined if the zone is unknown. */
function reader(zone: string): (instant: number) => number | undefined {
  if (zone === 'UTC') return () => 0;
  const fixed = offsetIn(zone);
  if (zone.startsWith('UTC') && fixed !== undefined) return () => fixed;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
  } catch {
    return () => undefined; // a name that only the `cron` package understands, such as UTC+2
  }
  return (instant) => offsetIn(format.format(instant));
}

/** Reads an offset such as `GMT+05:30` at the end of the text; `GMT` alone is 0. */
function offsetIn(text: string): number | undefined {
  const found = /(?:GMT|UTC)(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text);
  if (found === null) return undefined;
  const [, sign, hours = '0', minutes = '0', seconds = '0'] = found;
  const all = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  return (sign === '-' ? -all : all) * SECOND_MS;
}
