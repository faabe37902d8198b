import type { InspectedSchedule, ScopeInspection } from '../../inspection/inspection.js';
import { dueMoments } from './due-moments.js';
import type { Sheet } from './sheet.js';
import { counted } from './text.js';

const STATES: Readonly<Record<InspectedSchedule['state'], string>> = {
  active: '',
  disabled: '(disabled: it does not run)',
  paused: '(paused: it does not run until it is resumed)',
  undecided: '',
};

/** What runs without being asked: the schedules, and the background workers. */
export function writeSchedules(
  { schedules, background, findings }: ScopeInspection,
  sheet: Sheet,
): void {
  if (schedules.length > 0) {
    sheet.heading(`Schedules (${schedules.length})`);
    if (schedules.some(isFromStart)) {
      sheet.blank();
      sheet.text(
        'Runs that are counted from the start are shown as if the application started now.',
      );
    }
    const isImported = findings.every(({ kind }) => kind !== 'module-not-imported');
    for (const schedule of schedules) writeSchedule(schedule, isImported, sheet);
  }
  if (background.length > 0) {
    sheet.heading(`Background workers (${background.length})`);
    sheet.blank();
    for (const name of background) sheet.name(name, '');
    const they = background.length === 1 ? 'It runs' : 'They run';
    const open = background.length === 1 ? 'it opens' : 'they open';
    sheet.text(
      `${they} as long as the application. The scopes that ${open} by hand are not shown on this page.`,
    );
  }
}

function writeSchedule(schedule: InspectedSchedule, isImported: boolean, sheet: Sheet): void {
  const { name, handler, state, nextRuns } = schedule;
  sheet.blank();
  sheet.name(name, STATES[state]);
  if (handler !== name) sheet.labelled('runs', handler);
  sheet.labelled('when', whenOf(schedule));
  if (schedule.runsOnStart) sheet.labelled('also', 'when the application starts');
  if (nextRuns.length > 0) sheet.labelled('next', nextOf(schedule));
  else if (state === 'active' && schedule.kind !== 'message' && isImported)
    sheet.labelled('next', 'never: no moment fits');
}

function whenOf({ kind, due, timeZone, state }: InspectedSchedule): string {
  if (state === 'undecided') return `${kind}; a provider says when, at start-up, and was not asked`;
  if (kind === 'message') return `for ${due}`;
  return kind === 'cron' && timeZone !== undefined
    ? `cron ${due}, in the time zone ${timeZone}`
    : due;
}

/** Counted from the start of the application; when that is, an expression by itself does not care. */
function isFromStart({ kind, runsOnStart, nextRuns }: InspectedSchedule): boolean {
  return (kind !== 'cron' || runsOnStart) && nextRuns.length > 0;
}

function nextOf({ kind, nextRuns, timeZone }: InspectedSchedule): string {
  if (kind === 'cron' && timeZone !== undefined) return dueMoments(nextRuns, timeZone);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return `${dueMoments(nextRuns, zone)} ${zone}`;
}

/** `3 schedules, 2 workers, 1 background worker`. */
export function countsOf({ schedules, workers, background }: ScopeInspection): string {
  return [
    counted(schedules.length, 'schedule'),
    counted(workers.length, 'worker'),
    counted(background.length, 'background worker'),
  ].join(', ');
}
