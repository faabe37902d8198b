import type { ScheduleInfo, TickReport } from 'nestjs-scoped-worker';

/** The part of a report that is shown. */
export interface ReportView extends Pick<
  TickReport,
  'tickId' | 'outcome' | 'reason' | 'attempts' | 'endedAt' | 'built' | 'disposed' | 'durationMs'
> {
  readonly error: string | undefined;
}

/** The part of a schedule that is shown. */
export interface ScheduleView extends Omit<ScheduleInfo, 'lastReport'> {
  readonly lastReport: ReportView | undefined;
}

export function viewOfSchedule({ lastReport, ...info }: ScheduleInfo): ScheduleView {
  return { ...info, lastReport: lastReport && viewOfReport(lastReport) };
}

export function viewOfReport(report: TickReport): ReportView {
  const { tickId, outcome, reason, attempts, endedAt, built, disposed, durationMs, error } = report;
  return {
    tickId,
    outcome,
    ...(reason && { reason }),
    attempts,
    endedAt,
    built,
    disposed,
    durationMs,
    error: (error as Error | undefined)?.message,
  };
}
