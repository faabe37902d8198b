import { NO_BREAK } from './text.js';

/** Moments that are closer together than this need milliseconds. */
const SECOND_MS = 1_000;

/**
 * Formats moments in a time zone: `2026-03-28 02:30, 2026-03-29 03:30`. Leaves out a repeated date, seconds if all are zero, and
 * milliseconds unless two moments need them. If the clocks change between two moments, each moment shows its offset.
 *
 * @param timeZone an IANA name or an offset such as `UTC+02:00`.
 */
export function dueMoments(moments: readonly string[], timeZone: string): string {
  const local = moments.map((moment) => localTime(moment, timeZone));
  const length = lengthFor(moments, local);
  const hasOffsets = new Set(local.map(({ offset }) => offset)).size > 1;
  let dateBefore = '';
  const shown = local.map(({ date, time, offset }) => {
    const day = date === dateBefore ? '' : `${date}${NO_BREAK}`;
    dateBefore = date;
    return `${day}${time.slice(0, length)}${hasOffsets ? offset : ''}`;
  });
  return shown.join(', ');
}

function lengthFor(moments: readonly string[], local: readonly LocalTime[]): number {
  const isDense = moments.some(
    (moment, index) =>
      index > 0 && Date.parse(moment) - Date.parse(moments[index - 1]!) < SECOND_MS,
  );
  if (isDense) return 'hh:mm:ss.mmm'.length;
  const isFull = local.every(({ time }) => time.endsWith(':00.000'));
  return isFull ? 'hh:mm'.length : 'hh:mm:ss'.length;
}

interface LocalTime {
  readonly date: string;
  /** The time of day, with milliseconds. */
  readonly time: string;
  readonly offset: string;
}

function localTime(moment: string, timeZone: string): LocalTime {
  const at = new Date(moment);
  const offset = offsetOf(at, timeZone);
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)/.exec(offset)!;
  const offsetMs = Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes)) * 60_000;
  const [date, time] = new Date(at.getTime() + offsetMs).toISOString().slice(0, -1).split('T');
  return { date: date!, time: time!, offset };
}

/** Returns the offset of a zone from UTC, such as `+02:00`. */
function offsetOf(at: Date, timeZone: string): string {
  const [, fixed] = /^UTC([+-]\d\d:\d\d)$/.exec(timeZone) ?? [];
  if (fixed !== undefined) return fixed;
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  const name = format.formatToParts(at).find(({ type }) => type === 'timeZoneName')!.value;
  return name === 'GMT' ? '+00:00' : name.slice('GMT'.length);
}
