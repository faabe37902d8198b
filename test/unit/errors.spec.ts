import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import * as errors from '../../lib/errors/errors.js';
import { ONE_WRITER } from '../../lib/typeorm/refused-write.js';

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

/** The sections of docs/errors.md by their headings. */
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), section] as const),
);

/** One error of each class, with the text that the page shows. */
const examples: readonly errors.ScopedWorkerError[] = [
  new errors.ScopeValidationError([
    {
      number: 'SW101',
      kind: 'worker-not-scoped',
      severity: 'error',
      subject: 'Reports',
      chain: [],
      message:
        'Reports is marked @ScopedWorker(), but Nest builds it once for the whole application. All ticks would share that instance, and no tick would dispose it. Add scope: Scope.REQUEST to its factory.',
    },
  ]),
  new errors.InvalidScheduleError([
    'Reports.nightly: the period of @ScopedInterval must be a number of milliseconds from 1 to 4294967294 (49.7 days), not 0.',
  ]),
  new errors.DuplicateScheduleError([
    'Invoices.nightly: its schedule "nightly" has the same name as a schedule of Reports.nightly. Rename one of them: { name: \'...\' }.',
  ]),
  new errors.UnknownScheduleError('Reports.nigthly', ['Reports.nightly', 'Reports.hourly']),
  new errors.InvalidOptionsError([
    'ScopedWorkerModule: drainTimeoutMs must be a number of milliseconds from 0 to 2147483647 (24.8 days), not -1.',
  ]),
  new errors.ScopeClosedError(
    'scope-1',
    'Cannot resolve Mailer: scope scope-1 of Reports.nightly (tick-1) is closed. Await all work before the handler returns, or pass it to scope.waitFor().',
  ),
  new errors.TickTimeoutError('Reports.nightly', 5_000),
  new errors.DisposeTimeoutError('Mailer.onModuleDestroy', 10_000),
  new errors.PeriodicTimerError('already-waiting'),
  new errors.WriteRefusedError(
    '/data/app.db',
    'INSERT INTO "audit"("text") VALUES (?)',
    'Reports.nightly (tick-1)',
    `The transaction of Reports.nightly (tick-1) holds the write lock. ${ONE_WRITER}`,
  ),
  new errors.WriteTimeoutError('/data/app.db', 'Reports.nightly (tick-1)', 60_000),
  new errors.MissingPeerError('nestjs-scoped-worker/typeorm', ['@nestjs/typeorm', 'typeorm']),
  new errors.UnsupportedNestError(
    'this application runs an older version, which destroys modules on shutdown while ticks are still running. Upgrade its @nestjs packages',
  ),
];

describe('Errors', () => {
  describe('when they are compared with docs/errors.md', () => {
    it('every code has a section, and every section a code, in one order', () => {
      expect([...sections.keys()]).toEqual([...errors.ERROR_CODES]);
    });

    it('every class has its own code, and every code a class', () => {
      const classes = Object.entries(errors).filter(
        ([name, value]) =>
          typeof value === 'function' &&
          name.endsWith('Error') &&
          !['ScopedWorkerError', 'StartUpError'].includes(name),
      );
      expect(classes.map(([name]) => name).sort()).toEqual(
        examples.map((error) => error.constructor.name).sort(),
      );
      expect(examples.map(({ code }) => code)).toEqual([...errors.ERROR_CODES]);
    });

    it.each(examples.map((error) => [error.code, error] as const))(
      'the section %s has its class, cause, text and remedy',
      (code, error) => {
        const section = sections.get(code);
        expect(section).toContain(`**Class** \`${error.constructor.name}\``);
        expect(section).toMatch(/^\*\*Cause\.\*\* \S/m);
        expect(section).toMatch(/^\*\*Remedy\.\*\* \S/m);
        expect(section).toContain(`\`\`\`text\n${error.message}\n\`\`\``);
        expect(page).toContain(`| [\`${code}\`](#${code.toLowerCase()}) | \`${error.name}\` |`);
      },
    );
  });

  describe('when one is thrown', () => {
    it.each(examples.map((error) => [error.constructor.name, error] as const))(
      '%s is a ScopedWorkerError that carries its name and its code in its stack and fields',
      (name, error) => {
        expect(error).toBeInstanceOf(errors.ScopedWorkerError);
        expect(error).toBeInstanceOf(Error);
        expect(error.name).toBe(name);
        expect(error.stack).toContain(name);
        expect(error.message).not.toContain('undefined');
      },
    );

    it('has all that is wrong in one list, whichever class of start-up it is', () => {
      const ofStartUp = examples.filter((error) => error instanceof errors.StartUpError);
      expect(ofStartUp.map(({ code }) => code)).toEqual([
        'SCOPE_VALIDATION',
        'INVALID_SCHEDULE',
        'DUPLICATE_SCHEDULE',
        'INVALID_OPTIONS',
        'UNSUPPORTED_NEST',
      ]);
      for (const { problems, message } of ofStartUp) {
        expect(problems).toHaveLength(1);
        expect(message).toContain(problems[0]);
      }
    });

    it('Node prints each problem of a start-up error once', () => {
      for (const error of examples) {
        if (!(error instanceof errors.StartUpError)) continue;
        const [problem] = error.problems;
        expect(inspect(error).split(problem!)).toHaveLength(2);
      }
    });

    it('keeps the cause it receives', () => {
      const cause = new Error('cause');
      expect(new errors.TickTimeoutError('a', 1, { cause }).cause).toBe(cause);
      expect(new errors.MissingPeerError('a', ['b'], { cause }).cause).toBe(cause);
      expect(new errors.InvalidOptionsError(['a'], { cause }).cause).toBe(cause);
    });

    it('has no cause when it receives none', () => {
      expect('cause' in new errors.TickTimeoutError('a', 1)).toBe(false);
    });

    it('carries the facts', () => {
      expect(new errors.UnknownScheduleError('a', ['b'])).toMatchObject({
        schedule: 'a',
        known: ['b'],
      });
      expect(new errors.UnknownScheduleError('a', []).message).toContain('has no schedules');
      expect(new errors.ScopeClosedError(undefined, 'x').scopeId).toBeUndefined();
      expect(new errors.InvalidScheduleError(['a', 'b'])).toMatchObject({
        problems: ['a', 'b'],
        message: 'a\nb',
      });
      expect(new errors.DisposeTimeoutError('A.b', 5)).toMatchObject({
        disposer: 'A.b',
        timeoutMs: 5,
      });
    });
  });
});
