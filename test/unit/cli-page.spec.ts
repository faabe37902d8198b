import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { stripVTControlCharacters } from 'node:util';
import { page } from '../../lib/inspect/cli/page/page.js';
import { widthOf } from '../../lib/inspect/cli/page/text.js';
import type { InspectedProvider, ScopeInspection } from '../../lib/inspect/inspection.interface.js';
import { inspectionOf, nestJob, provider, warning } from '../support/inspection.js';
import { dueMoments } from '../../lib/inspect/cli/page/due-moments.js';

const plain = { width: 80, isColored: false };

function pageOf(inspection: ScopeInspection, terminal = plain): string {
  return page(
    { application: 'AppModule', file: 'dist/app.module.js', inspection },
    terminal,
    'node_modules/nestjs-scoped-worker/docs/findings.md',
  );
}

const session = provider('Session', {
  lifetime: 'request',
  disposer: '[Symbol.asyncDispose]',
  scopeHooks: ['onScopeCommit'],
});
const tree = provider('ReportWorker', {
  lifetime: 'request',
  dependencies: [
    provider('Invoices', {
      lifetime: 'bubbled',
      why: 'because of Session',
      dependencies: [session, provider('Config'), provider('Logger')],
    }),
    provider('Stamp', {
      lifetime: 'transient',
      why: 'transient: one for each provider that injects it',
    }),
    provider('CONNECTION', { lifetime: 'request', isFactory: true }),
    { ...session, isRepeated: true },
    provider('Clock'),
  ],
});

describe('The page of an application', () => {
  it('shows schedules, scopes, the order of disposal, findings and notes', () => {
    const inspection = inspectionOf({
      schedules: [
        {
          name: 'report',
          handler: 'ReportWorker.send',
          kind: 'cron',
          due: '0 0 3 * * *',
          timeZone: 'Europe/Berlin',
          state: 'active',
          runsOnStart: false,
          runsForEachItem: true,
          nextRuns: [1, 2, 3, 4, 5].map((day) => `2026-06-0${day}T01:00:00.000Z`),
        },
        {
          name: 'ReportWorker.clean',
          handler: 'ReportWorker.clean',
          kind: 'interval',
          due: 'every 5000 ms',
          timeZone: undefined,
          state: 'disabled',
          runsOnStart: false,
          runsForEachItem: false,
          nextRuns: [],
        },
        {
          name: 'ReportWorker.each',
          handler: 'ReportWorker.each',
          kind: 'message',
          due: 'each message of ORDERS',
          timeZone: undefined,
          state: 'active',
          runsOnStart: false,
          runsForEachItem: false,
          nextRuns: [],
        },
        {
          name: 'ReportWorker.provided',
          handler: 'ReportWorker.provided',
          kind: 'cron',
          due: 'decided by a provider at start-up',
          timeZone: undefined,
          state: 'undecided',
          runsOnStart: false,
          runsForEachItem: false,
          nextRuns: [],
        },
      ],
      background: ['Sync'],
      workers: [
        {
          name: 'ReportWorker',
          module: 'ReportModule',
          handlers: ['ReportWorker.send', 'ReportWorker.clean'],
          tree,
          disposal: ['Session.[Symbol.asyncDispose]', 'the result of the factory of CONNECTION'],
        },
        {
          name: 'IdleWorker',
          module: 'ReportModule',
          handlers: [],
          tree: provider('IdleWorker', { lifetime: 'request' }),
          disposal: [],
        },
      ],
      findings: [
        {
          ...warning('IdleWorker', 'IdleWorker injects singletons only.'),
          number: 'SW207',
          kind: 'scope-not-needed',
          severity: 'info',
        },
        warning(
          'Invoices',
          'Invoices is built again on every tick, because it depends on Session. Stop injecting Session into Invoices.',
        ),
      ],
      allowed: [{ finding: warning('Cache', 'It is.'), reason: 'It is small.' }],
      notes: ['The options come from ScopedWorkerModule.forRootAsync().'],
      counts: { modules: 3, singleton: 30, request: 3, bubbled: 1, durable: 0, transient: 1 },
    });
    expect(pageOf(inspection)).toBe(`AppModule of dist/app.module.js
4 schedules, 2 workers, 1 background worker.
3 modules with 35 providers, controllers and enhancers: 30 singleton, 3 request,
1 bubbled, 1 transient.

Schedules (4)

  report
    runs     ReportWorker.send
    when     cron 0 0 3 * * *, in the time zone Europe/Berlin
    ticks    one for each item of the list from forEach
    next     2026-06-01 03:00, 2026-06-02 03:00, 2026-06-03 03:00,
             2026-06-04 03:00, 2026-06-05 03:00

  ReportWorker.clean (disabled: it does not run)
    when     every 5000 ms

  ReportWorker.each
    when     for each message of ORDERS

  ReportWorker.provided
    when     cron, decided by a provider at start-up

Background workers (1)

  Sync
  It runs for as long as the application does. Standalone scopes that it opens
  are not shown on this page.

Workers (2)

  request    new for each tick, because the provider itself is request-scoped
  bubbled    new for each tick, because one of its dependencies is
  transient  new for each provider that injects it
  shared     one for the whole application; no tick disposes it

  The result of a factory is disposed if it has a disposer. The inspector cannot
  see that, because it calls no factory.

  ReportWorker in ReportModule
    handlers ReportWorker.send, ReportWorker.clean

    ReportWorker   request
    ├─ Invoices    bubbled    because of Session
    │  ├─ Session  request    disposed by [Symbol.asyncDispose]; has
    │  │                      onScopeCommit
    │  └─ shared: Config, Logger
    ├─ Stamp       transient
    ├─ CONNECTION  request    made by a factory
    ├─ Session     request    the same as above
    └─ shared: Clock

    Disposed after each tick, in this order:
     1. Session.[Symbol.asyncDispose]
     2. the result of the factory of CONNECTION

  IdleWorker in ReportModule
    has no decorated handler; you can add schedules while the application runs

    IdleWorker  request

    Nothing is disposed after a tick.

Findings (2)

  warning SW202 Invoices (resource-rebuilt)
    Invoices is built again on every tick, because it depends on Session. Stop
    injecting Session into Invoices.

  hint SW207 IdleWorker (scope-not-needed)
    IdleWorker injects singletons only.

  Each number is explained in
  node_modules/nestjs-scoped-worker/docs/findings.md.

Allowed findings (1)

  SW202 Cache (resource-rebuilt)
    Allowed: It is small.

Notes

  - The options come from ScopedWorkerModule.forRootAsync().

1 warning, 1 hint.
`);
  });

  it('is short for an application without workers', () => {
    expect(pageOf(inspectionOf({ notes: ['ScopedWorkerModule is not imported.'] })))
      .toBe(`AppModule of dist/app.module.js
0 schedules, 0 workers, 0 background workers.
2 modules with 20 providers, controllers and enhancers: 20 singleton.

Notes

  - ScopedWorkerModule is not imported.

No findings.
`);
  });

  it("doesn't say that background workers run without the module that runs them", () => {
    const findings = [
      { ...warning('Sync', 'It never runs.'), kind: 'module-not-imported' as const },
    ];
    const written = pageOf(inspectionOf({ background: ['Sync'], findings }));
    expect(written).toContain('Background workers (1)\n\n  Sync\n\nFindings (1)\n');
  });

  it('shows the jobs of @nestjs/schedule, with their next runs and what becomes of each', () => {
    const inspection = inspectionOf({
      nestJobs: [
        nestJob('Rates.load', {
          module: 'RatesModule',
          status: 'Nest runs it. Rates is a singleton and needs no scope.',
          nextRuns: ['2026-06-01T01:00:00.000Z', '2026-06-02T01:00:00.000Z'],
        }),
        nestJob('Mailer.send', {
          name: 'mail',
          kind: 'interval',
          due: 'every 5000 ms',
          timeZone: undefined,
          fate: 'skipped',
          status:
            'Nest skips it, because Mailer depends on Tenant, which is request-scoped (Mailer -> Invoices -> Tenant) (SW106).',
        }),
      ],
      notes: ['ScopedWorkerModule is not imported.'],
    });
    expect(pageOf(inspection)).toBe(`AppModule of dist/app.module.js
0 schedules, 2 jobs of @nestjs/schedule, 0 workers, 0 background workers.
2 modules with 20 providers, controllers and enhancers: 20 singleton.

Jobs of @nestjs/schedule (2)

  Rates.load in RatesModule
    when     cron 0 0 3 * * *, in the time zone Europe/Berlin
    next     2026-06-01 03:00, 2026-06-02 03:00
    status   Nest runs it. Rates is a singleton and needs no scope.

  mail in AppModule
    runs     Mailer.send
    when     every 5000 ms
    status   Nest skips it, because Mailer depends on Tenant, which is
             request-scoped (Mailer -> Invoices -> Tenant) (SW106).

Notes

  - ScopedWorkerModule is not imported.

No findings.
`);
  });

  it('says the same in colors as without', () => {
    const inspection = inspectionOf({
      workers: [{ name: 'W', module: 'M', handlers: ['W.run'], tree, disposal: [] }],
      findings: [warning('Invoices', 'It is.')],
    });
    const colored = pageOf(inspection, { width: 80, isColored: true });
    expect(colored).toContain('\u001B[36mrequest\u001B[0m');
    expect(stripVTControlCharacters(colored)).toBe(pageOf(inspection));
  });

  it('shows no code that a name carries', () => {
    const inspection = inspectionOf({ background: ['Sync\u001B[31m\n\u2028red'] });
    expect(pageOf(inspection)).toContain('\n  Sync [31m red\n');
  });

  it('is never wider than its terminal, however long, wide and deep the names are', () => {
    fc.assert(
      fc.property(inspections, fc.integer({ min: 40, max: 100 }), (inspection, width) => {
        for (const line of pageOf(inspection, { width, isColored: false }).split('\n'))
          expect([line, widthOf(line) <= width]).toEqual([line, true]);
      }),
      { numRuns: 150 },
    );
  });

  it('is never wider than 80 columns for a tree of forty floors and sixty schedules', () => {
    const nested = Array.from({ length: 40 }).reduce<InspectedProvider>(
      (below, _, index) =>
        provider(`Provider${'OfTheLongest'.repeat(index % 9)}Kind${index}`, {
          lifetime: 'bubbled',
          why: `because of ${'Repository -> '.repeat(index)}Session`,
          dependencies: [below, provider(`Shared${index}`), provider('Clock')],
        }),
      session,
    );
    const written = pageOf(
      inspectionOf({
        schedules: Array.from({ length: 60 }, (_, index) => ({
          name: `Worker${index}.${'run'.repeat(index)}`,
          handler: `Worker${index}.run`,
          kind: 'cron' as const,
          due: `${index} * * * * *`,
          timeZone: 'America/Argentina/ComodRivadavia',
          state: 'active' as const,
          runsOnStart: false,
          runsForEachItem: false,
          nextRuns: ['2026-06-01T01:00:00.000Z', '2026-06-02T01:00:01.000Z'],
        })),
        workers: [
          { name: 'Deep', module: 'M', handlers: ['Deep.run'], tree: nested, disposal: [] },
        ],
      }),
    );
    const lines = written.split('\n');
    expect(lines.length).toBeGreaterThan(300);
    expect(lines.filter((line) => widthOf(line) > 80)).toEqual([]);
  });
});

const names = fc.oneof(
  fc.string({ maxLength: 90 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.constantFrom('Invoices', 'transaction of data source default', '設定'.repeat(30)),
);
const lifetimes = fc.constantFrom('request', 'bubbled', 'durable', 'transient', 'singleton');
const treesOf = (floors: number): fc.Arbitrary<object> =>
  fc.record({
    name: names,
    module: names,
    lifetime: lifetimes,
    isFactory: fc.boolean(),
    why: names,
    disposer: fc.option(names, { nil: undefined }),
    scopeHooks: fc.array(names, { maxLength: 2 }),
    isRepeated: fc.boolean(),
    dependencies: floors === 0 ? fc.constant([]) : fc.array(treesOf(floors - 1), { maxLength: 3 }),
  });
const inspections = fc.record({
  schedules: fc.array(
    fc.record({
      name: names,
      handler: names,
      kind: fc.constantFrom('cron', 'interval', 'timeout', 'message'),
      due: names,
      timeZone: fc.constantFrom('Europe/Berlin', 'UTC+02:00', undefined),
      state: fc.constantFrom('active', 'disabled', 'undecided'),
      runsOnStart: fc.boolean(),
      runsForEachItem: fc.boolean(),
      nextRuns: fc.constantFrom([], ['2026-06-01T01:00:00.000Z', '2026-06-01T01:00:00.100Z']),
    }),
    { maxLength: 3 },
  ),
  nestJobs: fc.array(
    fc.record({
      name: names,
      handler: names,
      module: names,
      kind: fc.constantFrom('cron', 'interval', 'timeout'),
      due: names,
      timeZone: fc.constantFrom('Europe/Berlin', 'UTC+02:00', undefined),
      fate: fc.constantFrom('runs', 'skipped', 'adopted'),
      status: names,
      nextRuns: fc.constantFrom([], ['2026-06-01T01:00:00.000Z', '2026-06-01T01:00:00.100Z']),
    }),
    { maxLength: 3 },
  ),
  workers: fc.array(
    fc.record({
      name: names,
      module: names,
      handlers: fc.array(names, { maxLength: 3 }),
      tree: treesOf(4),
      disposal: fc.array(names, { maxLength: 12 }),
    }),
    { maxLength: 2 },
  ),
  background: fc.array(names, { maxLength: 2 }),
  findings: fc.array(
    fc.record({
      number: fc.constant('SW202'),
      kind: fc.constant('resource-rebuilt'),
      severity: fc.constantFrom('error', 'warning', 'info'),
      subject: names,
      chain: fc.constant([]),
      message: names,
    }),
    { maxLength: 3 },
  ),
  allowed: fc.constant([]),
  notes: fc.array(names, { maxLength: 2 }),
  counts: fc.constant(inspectionOf().counts),
}) as fc.Arbitrary<ScopeInspection>;

/** Spaces are no-break spaces, so that a line does not end between a date and its time. */
function shown(moments: readonly string[], timeZone: string): string {
  return dueMoments(moments, timeZone).replaceAll('\u00A0', ' ');
}

describe('Due times', () => {
  it('are local to their zone, and name a date once', () => {
    const moments = [
      '2026-06-01T21:55:00.000Z',
      '2026-06-01T22:00:00.000Z',
      '2026-06-01T22:05:00.000Z',
    ];
    expect(shown(moments, 'Europe/Berlin')).toBe('2026-06-01 23:55, 2026-06-02 00:00, 00:05');
  });

  it('have seconds when one of them needs them', () => {
    const moments = ['2026-06-01T10:00:00.000Z', '2026-06-01T10:00:30.000Z'];
    expect(shown(moments, 'UTC')).toBe('2026-06-01 10:00:00, 10:00:30');
  });

  it('have milliseconds only where they are less than a second apart', () => {
    expect(shown(['2026-06-01T10:00:00.250Z', '2026-06-01T10:00:01.250Z'], 'UTC')).toBe(
      '2026-06-01 10:00:00, 10:00:01',
    );
    expect(shown(['2026-06-01T10:00:00.250Z', '2026-06-01T10:00:00.500Z'], 'UTC')).toBe(
      '2026-06-01 10:00:00.250, 10:00:00.500',
    );
  });

  it('have their offsets if the clocks are set back between them', () => {
    const moments = ['2026-10-25T00:30:00.000Z', '2026-10-25T01:30:00.000Z'];
    expect(shown(moments, 'Europe/Berlin')).toBe('2026-10-25 02:30+02:00, 02:30+01:00');
  });

  it.each([
    ['UTC+05:30', '2026-06-01 15:30'],
    ['UTC-03:00', '2026-06-01 07:00'],
    ['Asia/Kathmandu', '2026-06-01 15:45'],
    ['America/St_Johns', '2026-06-01 07:30'],
  ])('are those of %s', (timeZone, moment) => {
    expect(shown(['2026-06-01T10:00:00.000Z'], timeZone)).toBe(moment);
  });
});
