import { NO_BREAK } from './text.js';

/** Moments that are closer together need milliseconds. */
const SECOND_MS = 1_000;

/**
 * Formats moments in a time zone: `2026-03-28 02:30, 2026-03-29 03:30`. It leaves out a repeated date, seconds if all are zero,
 * and milliseconds unless two moments need them. If the clocks change between two moments, each has its offset.
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
  /** With milliseconds. */
  readonly time: string;
  readonly offset: string;
}

function localTime(moment: string, timeZone: string): LocalTime {
  const at = new Date(moment);
  const offsetMs = offsetOf(at, timeZone);
  const [date, time] = new Date(at.getTime() + offsetMs).toISOString().slice(0, -1).split('T');
  return { date: date!, time: time!, offset: offsetText(offsetMs) };
}

/** Returns the milliseconds by which a zone is ahead of UTC. */
function offsetOf(at: Date, timeZone: string): number {
  const [, sign, hours, minutes] = /^UTC([+-])(\d\d):(\d\d)$/.exec(timeZone) ?? [];
  if (sign !== undefined)
    return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
  const parts = formatOf(timeZone).formatToParts(at);
  const part = (type: string): number =>
    Number(parts.find((candidate) => candidate.type === type)?.value);
  const local = Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  );
  return local - Math.floor(at.getTime() / 1_000) * 1_000;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'iso8601',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
}

function offsetText(offsetMs: number): string {
  const minutes = Math.abs(offsetMs) / 60_000;
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${offsetMs < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(Math.floor(minutes % 60))}`;
}
