import type {
  InspectedFinding,
  InspectedNestJob,
  InspectedProvider,
  ScopeInspection,
} from '../../lib/inspect/inspection.interface.js';

/** A provider of an inspection; what is not said is that of a plain singleton. */
export function provider(
  name: string,
  {
    lifetime = 'singleton',
    dependencies = [],
    ...more
  }: Partial<Omit<InspectedProvider, 'name'>> = {},
): InspectedProvider {
  return {
    name,
    module: 'AppModule',
    lifetime,
    isFactory: false,
    why: lifetime === 'singleton' ? 'shared with the whole application' : 'declared request-scoped',
    disposer: undefined,
    scopeHooks: [],
    isRepeated: false,
    dependencies,
    ...more,
  };
}

/** A job of `@nestjs/schedule`; what is not said is that of a cron that Nest runs. */
export function nestJob(handler: string, more: Partial<InspectedNestJob> = {}): InspectedNestJob {
  return {
    name: handler,
    handler,
    module: 'AppModule',
    kind: 'cron',
    due: '0 0 3 * * *',
    timeZone: 'Europe/Berlin',
    fate: 'runs',
    status: 'Nest runs it.',
    nextRuns: [],
    ...more,
  };
}

/** An inspection of an application that has nothing but these parts. */
export function inspectionOf(given: Partial<ScopeInspection> = {}): ScopeInspection {
  return {
    schedules: [],
    nestJobs: [],
    workers: [],
    background: [],
    findings: [],
    allowed: [],
    notes: [],
    counts: { modules: 2, singleton: 20, request: 0, bubbled: 0, durable: 0, transient: 0 },
    ...given,
  };
}

export function warning(subject: string, message: string): InspectedFinding {
  return {
    number: 'SW202',
    kind: 'resource-rebuilt',
    severity: 'warning',
    subject,
    chain: [],
    message,
  };
}
