import type {
  InspectedNestJob,
  InspectedSchedule,
  ScopeInspection,
} from '../../inspection.interface.js';
import { dueMoments } from './due-moments.js';
import type { Sheet } from './sheet.js';
import { counted } from './text.js';

const STATES: Readonly<Record<InspectedSchedule['state'], string>> = {
  active: '',
  disabled: '(disabled: it does not run)',
  paused: '(paused: it does not run until it is resumed)',
  undecided: '',
};

/** Writes the schedules, the jobs of `@nestjs/schedule` and the background workers. */
export function writeSchedules(
  { schedules, nestJobs, background, findings }: ScopeInspection,
  sheet: Sheet,
): void {
  const isImported = findings.every(({ kind }) => kind !== 'module-not-imported');
  if (schedules.length > 0) {
    sheet.heading(`Schedules (${schedules.length})`);
    if (schedules.some(isFromStart)) explainStart(sheet);
    for (const schedule of schedules) writeSchedule(schedule, isImported, sheet);
  }
  if (nestJobs.length > 0) {
    sheet.heading(`Jobs of @nestjs/schedule (${nestJobs.length})`);
    if (nestJobs.some(isFromStart) && !schedules.some(isFromStart)) explainStart(sheet);
    for (const job of nestJobs) writeNestJob(job, sheet);
  }
  if (background.length > 0) {
    sheet.heading(`Background workers (${background.length})`);
    sheet.blank();
    for (const name of background) sheet.name(name, '');
    if (!isImported) return;
    const they = background.length === 1 ? 'It runs' : 'They run';
    const open = background.length === 1 ? 'it opens' : 'they open';
    sheet.text(
      `${they} for as long as the application does. Standalone scopes that ${open} are not shown on this page.`,
    );
  }
}

function explainStart(sheet: Sheet): void {
  sheet.blank();
  sheet.text('Runs counted from start-up are shown as if the application started now.');
}

function writeNestJob(job: InspectedNestJob, sheet: Sheet): void {
  const { name, handler, module, status, nextRuns } = job;
  sheet.blank();
  sheet.name(name, `in ${module}`);
  if (handler !== name) sheet.labeled('runs', handler);
  sheet.labeled('when', dueText(job));
  if (nextRuns.length > 0) sheet.labeled('next', nextOf(job));
  sheet.labeled('status', status);
}

function writeSchedule(schedule: InspectedSchedule, isImported: boolean, sheet: Sheet): void {
  const { name, handler, state, nextRuns } = schedule;
  sheet.blank();
  sheet.name(name, STATES[state]);
  if (handler !== name) sheet.labeled('runs', handler);
  sheet.labeled('when', whenOf(schedule));
  if (schedule.runsOnStart) sheet.labeled('also', 'when the application starts');
  if (schedule.runsForEachItem)
    sheet.labeled('ticks', 'one for each item of the list from forEach');
  if (nextRuns.length > 0) sheet.labeled('next', nextOf(schedule));
  else if (state === 'active' && schedule.kind !== 'message' && isImported)
    sheet.labeled('next', 'never: no time matches');
}

function whenOf(schedule: InspectedSchedule): string {
  const { kind, due, state } = schedule;
  if (state === 'undecided') return `${kind}, decided by a provider at start-up`;
  return kind === 'message' ? `for ${due}` : dueText(schedule);
}

type Due = Pick<InspectedSchedule, 'kind' | 'due' | 'timeZone' | 'nextRuns'>;

function dueText({ kind, due, timeZone }: Due): string {
  return kind === 'cron' && timeZone !== undefined
    ? `cron ${due}, in the time zone ${timeZone}`
    : due;
}

/** Returns true if the runs are counted from the start of the application, unlike those of a cron expression. */
function isFromStart({
  kind,
  runsOnStart = false,
  nextRuns,
}: Due & { runsOnStart?: boolean }): boolean {
  return (kind !== 'cron' || runsOnStart) && nextRuns.length > 0;
}

function nextOf({ kind, nextRuns, timeZone }: Due): string {
  if (kind === 'cron' && timeZone !== undefined) return dueMoments(nextRuns, timeZone);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return `${dueMoments(nextRuns, zone)} ${zone}`;
}

/** Returns counts such as `3 schedules, 2 workers, 1 background worker`, with jobs of `@nestjs/schedule` if there are any. */
export function countsOf({ schedules, nestJobs, workers, background }: ScopeInspection): string {
  const jobs =
    nestJobs.length === 0 ? [] : [`${counted(nestJobs.length, 'job')} of @nestjs/schedule`];
  return [
    counted(schedules.length, 'schedule'),
    ...jobs,
    counted(workers.length, 'worker'),
    counted(background.length, 'background worker'),
  ].join(', ');
}
