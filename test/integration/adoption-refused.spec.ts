import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Inject,
  Injectable,
  Module,
  Scope,
  UseGuards,
  type CanActivate,
  type ControllerOptions,
} from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { Cron, Interval, ScheduleModule, Timeout } from '@nestjs/schedule';
import {
  InvalidOptionsError,
  ScopedCron,
  ScopedWorker,
  ScopeValidationError,
  type Finding,
} from '../../lib/index.js';
import { skipWarning, warningsOf } from '../support/adoption.js';
import { appsOnFakeClock, startApp, type TestAppOptions } from '../support/app.js';
import { advance } from '../support/fake-clock.js';
import { WebSocketGateway } from '../support/foreign-decorators.js';
import { YEARLY } from '../support/probes.js';
import { refusal } from '../support/refusal.js';

const ran: string[] = [];

appsOnFakeClock();
beforeEach(() => void (ran.length = 0));

@Injectable({ scope: Scope.REQUEST })
class Tenant {}

@Injectable()
class Invoices {
  constructor(readonly tenant: Tenant) {}
}

@Injectable()
class Mailer {
  constructor(readonly invoices: Invoices) {}

  @Cron('0 * * * * *')
  send(): void {
    ran.push('send');
  }

  @Interval(60_000)
  poll(): void {
    ran.push('poll');
  }

  @Timeout('warm up', 60_000)
  warmUp(): void {
    ran.push('warm up');
  }
}

const MAILER = [Tenant, Invoices, Mailer];

const WHY =
  'because Mailer depends on Tenant, which is request-scoped (Mailer -> Invoices -> Tenant)';
const FIX =
  'To run each tick in its own scope, set adoptNestSchedules: true in ScopedWorkerModule.forRoot(). Or mark Mailer @ScopedWorker() instead of @Injectable(), and use';

/** The findings of an application with `ScheduleModule` that must not start. */
async function findingsOf({ imports = [], ...metadata }: TestAppOptions) {
  const error = await refusal({ imports: [ScheduleModule.forRoot(), ...imports], ...metadata });
  expect(error).toBeInstanceOf(ScopeValidationError);
  return (error as ScopeValidationError).findings as readonly Finding[];
}

describe('Without adoptNestSchedules', () => {
  it('[C19] start-up fails, naming each job that Nest skips, why, and what to write', async () => {
    expect(await findingsOf({ providers: MAILER })).toEqual([
      {
        number: 'SW106',
        kind: 'nest-schedule-skipped',
        severity: 'error',
        subject: 'Mailer.send',
        token: Mailer,
        chain: ['Mailer.send', 'Invoices', 'Tenant'],
        message: `Mailer.send: Nest skips this @Cron with a warning, ${WHY}. ${FIX} @ScopedCron.`,
      },
      {
        number: 'SW106',
        kind: 'nest-schedule-skipped',
        severity: 'error',
        subject: 'Mailer.poll',
        token: Mailer,
        chain: ['Mailer.poll', 'Invoices', 'Tenant'],
        message: `Mailer.poll: Nest skips this @Interval with a warning, ${WHY}. ${FIX} @ScopedInterval.`,
      },
      {
        number: 'SW106',
        kind: 'nest-schedule-skipped',
        severity: 'error',
        subject: 'Mailer.warmUp',
        token: Mailer,
        chain: ['Mailer.warmUp', 'Invoices', 'Tenant'],
        message: `Mailer.warmUp: Nest skips this @Timeout with a warning, ${WHY}. ${FIX} @ScopedTimeout.`,
      },
    ]);
  });

  it.each<[string, ControllerOptions]>([
    ['request-scoped', { scope: Scope.REQUEST }],
    ['durable', { scope: Scope.REQUEST, durable: true }],
    ['transient', { scope: Scope.TRANSIENT }],
  ])('[C19] the job of a controller is to move to a worker: %s', async (_, options) => {
    @Controller(options)
    class MailController {
      @Cron(YEARLY)
      send(): void {}
    }
    const [{ message } = { message: '' }] = await findingsOf({ controllers: [MailController] });
    expect(message).toContain(
      'move the method to a provider marked @ScopedWorker(), and use @ScopedCron.',
    );
    expect(message).not.toContain('@Injectable()');
  });

  it('[C19] the job of a gateway is to move to a worker, because only the instance from start-up has the server', async () => {
    @WebSocketGateway()
    class Chat {
      constructor(readonly tenant: Tenant) {}

      @Cron(YEARLY)
      announce(): void {}
    }
    const findings = await findingsOf({ providers: [Tenant, Chat] });
    expect(findings.find(({ number }) => number === 'SW106')!.message).toMatch(
      /Make Chat a singleton, because only the instance that Nest builds at start-up has the WebSocket server\. .*@ScopedWorker\(\) and injects Chat, and use @ScopedCron\.$/,
    );
  });

  it('[C19] its neighbor starts, whose dependencies are singletons', async () => {
    @Injectable()
    class Clerk {
      @Cron('0 * * * * *')
      send(): void {
        ran.push('clerk');
      }
    }
    const { log } = await startApp({
      imports: [ScheduleModule.forRoot()],
      providers: [Clerk],
      options: { scopeValidation: 'strict' },
    });
    await advance(60_000);
    expect(ran).toEqual(['clerk']);
    expect(warningsOf(log)).toEqual([]);
  });

  it('[C19] false says the same as nothing', async () => {
    const findings = await findingsOf({
      providers: MAILER,
      options: { adoptNestSchedules: false, scopeValidation: 'strict' },
    });
    expect(findings).toHaveLength(3);
  });

  it('[C19] a request-scoped factory is named, of which Nest says nothing', async () => {
    class Made {
      @Cron(YEARLY)
      run(): void {}
    }
    const [own, ...none] = await findingsOf({
      providers: [{ provide: Made, scope: Scope.REQUEST, useFactory: () => new Made() }],
    });
    expect(none).toEqual([]);
    expect(own!.message).toMatch(
      /^Made\.run: Nest skips this @Cron without a warning, because the factory of Made is request-scoped\. /,
    );
    const [bubbling] = await findingsOf({
      providers: [Tenant, { provide: Made, inject: [Tenant], useFactory: () => new Made() }],
    });
    expect(bubbling!.message).toMatch(
      /Nest skips this @Cron without a warning, because the factory of Made depends on Tenant, which is request-scoped\. /,
    );
  });

  it('[C19] a factory that makes a singleton is allowed', async () => {
    class Made {
      @Cron('0 * * * * *')
      run(): void {
        ran.push('made');
      }
    }
    await startApp({
      imports: [ScheduleModule.forRoot()],
      providers: [{ provide: Made, useFactory: () => new Made() }],
    });
    await advance(60_000);
    expect(ran).toEqual(['made']);
  });

  it('[C19] the nearest culprit is named: the class itself, REQUEST, a property, a guard', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Own {
      constructor(readonly tenant: Tenant) {}

      @Cron(YEARLY)
      run(): void {}
    }
    @Injectable()
    class AskingForRequest {
      constructor(@Inject(REQUEST) readonly request: unknown) {}

      @Cron(YEARLY)
      run(): void {}
    }
    @Injectable()
    class ByProperty {
      @Inject('tenant') readonly tenant: unknown;

      @Cron(YEARLY)
      run(): void {}
    }
    @Injectable()
    class Guard implements CanActivate {
      constructor(readonly tenant: Tenant) {}

      canActivate(): boolean {
        return true;
      }
    }
    @Controller('guarded')
    @UseGuards(Guard)
    class Guarded {
      @Cron(YEARLY)
      run(): void {}
    }
    const findings = await findingsOf({
      providers: [
        Tenant,
        Own,
        AskingForRequest,
        ByProperty,
        { provide: 'tenant', scope: Scope.REQUEST, useFactory: () => ({}) },
      ],
      controllers: [Guarded],
    });
    const why = Object.fromEntries(
      findings.map(({ subject, message }) => [subject, /because (.*?)\. /.exec(message)?.[1]]),
    );
    expect(why).toEqual({
      'Own.run': 'Own is request-scoped',
      'AskingForRequest.run': 'AskingForRequest depends on REQUEST, which is request-scoped',
      'ByProperty.run': 'ByProperty depends on tenant, which is request-scoped',
      'Guarded.run':
        'Guarded depends on Tenant, which is request-scoped (Guarded -> Guard -> Tenant)',
    });
  });

  it('[C19] everything that is wrong is in one error', async () => {
    @ScopedWorker()
    class Broken {
      @ScopedCron('never')
      run(): void {}
    }
    const findings = await findingsOf({ providers: [...MAILER, Broken] });
    expect(findings.map(({ subject }) => subject).sort()).toEqual([
      'Broken.run',
      'Mailer.poll',
      'Mailer.send',
      'Mailer.warmUp',
    ]);
  });

  describe('under scopeValidation', () => {
    const start = (scopeValidation: 'warn' | 'off') =>
      startApp({
        imports: [ScheduleModule.forRoot()],
        providers: MAILER,
        options: { scopeValidation },
      });

    it("[XC7] 'warn' logs each and starts; they stay skipped", async () => {
      const { log, registry } = await start('warn');
      expect(warningsOf(log)).toEqual([
        expect.stringMatching(/^\[SW106\] Mailer\.send: Nest skips this @Cron/),
        expect.stringMatching(/^\[SW106\] Mailer\.poll: Nest skips this @Interval/),
        expect.stringMatching(/^\[SW106\] Mailer\.warmUp: Nest skips this @Timeout/),
        skipWarning('cron job', 'Mailer@send'),
        skipWarning('interval', 'Mailer@poll'),
        skipWarning('timeout', 'Mailer@warmUp'),
      ]);
      await advance(60_000);
      expect([ran, registry.list()]).toEqual([[], []]);
    });

    it("[XC7] 'off' starts without a word of ours", async () => {
      const { log } = await start('off');
      expect(warningsOf(log).filter((line) => !line.startsWith('Cannot register'))).toEqual([]);
    });
  });

  describe('when a worker has a left-over @Cron', () => {
    @ScopedWorker()
    class Migrated {
      @ScopedCron('0 * * * * *')
      ours(): void {
        ran.push('ours');
      }

      @Cron('0 * * * * *')
      theirs(): void {}
    }

    it.each([
      ['with ScheduleModule', [ScheduleModule.forRoot()], 'Nest skips this @Cron with a warning'],
      [
        'without it',
        [],
        'nothing runs this @Cron, because ScheduleModule.forRoot() is not imported',
      ],
    ])('[C19] %s, it is refused', async (_where, imports, what) => {
      const error = await refusal({ imports, providers: [Migrated] });
      expect((error as ScopeValidationError).findings).toMatchObject([
        { kind: 'nest-schedule-skipped', severity: 'error', subject: 'Migrated.theirs' },
      ]);
      expect(error.message).toContain(`Migrated.theirs: ${what}`);
      expect(error.message).toContain(
        'Migrated is a worker: use @ScopedCron instead, or set adoptNestSchedules: true',
      );
    });

    it('[C19] its neighbor without it starts', async () => {
      @ScopedWorker()
      class Clean {
        @ScopedCron('0 * * * * *')
        ours(): void {
          ran.push('ours');
        }
      }
      await startApp({ imports: [ScheduleModule.forRoot()], providers: [Clean] });
      await advance(60_000);
      expect(ran).toEqual(['ours']);
    });

    it('[C19] on a method that has @ScopedCron too, it is refused also with adoptNestSchedules: it would run twice', async () => {
      @ScopedWorker()
      class Doubled {
        @ScopedCron('0 * * * * *')
        @Cron('0 * * * * *')
        run(): void {}
      }
      const findings = await findingsOf({
        providers: [Doubled],
        options: { adoptNestSchedules: true },
      });
      expect(findings).toMatchObject([
        {
          subject: 'Doubled.run',
          message: expect.stringMatching(
            /@ScopedCron on the same method already runs it\. Remove @Cron\.$/,
          ),
        },
      ]);
    });
  });

  describe('when ScheduleModule is not imported', () => {
    it('[C19] a job that it would skip is refused: nothing would run it', async () => {
      const error = await refusal({ providers: MAILER });
      expect((error as ScopeValidationError).findings).toMatchObject(
        ['Mailer.send', 'Mailer.poll', 'Mailer.warmUp'].map((subject) => ({
          kind: 'nest-schedule-skipped',
          severity: 'error',
          subject,
        })),
      );
      expect(error.message).toMatch(
        /Mailer\.send: nothing runs this @Cron, because ScheduleModule\.forRoot\(\) is not imported\. Even if it were imported, Nest would skip the job with a warning, because Mailer depends on Tenant/,
      );
    });

    it("[C19] under 'warn' it is logged", async () => {
      const { log } = await startApp({
        providers: MAILER,
        options: { scopeValidation: 'warn' },
      });
      expect(warningsOf(log)).toEqual([
        expect.stringMatching(/^\[SW106\] Mailer\.send: nothing runs this @Cron/),
        expect.stringMatching(/^\[SW106\] Mailer\.poll: /),
        expect.stringMatching(/^\[SW106\] Mailer\.warmUp: /),
      ]);
    });
  });

  describe('when ScheduleModule switches a kind off', () => {
    const switches = {
      cronJobs: 'Mailer.send',
      intervals: 'Mailer.poll',
      timeouts: 'Mailer.warmUp',
    };

    it.each(Object.entries(switches))(
      '[C19] %s: false does not count as skipping: %s is not reported',
      async (option, handler) => {
        const error = await refusal({
          imports: [ScheduleModule.forRoot({ [option]: false })],
          providers: MAILER,
        });
        const subjects = (error as ScopeValidationError).findings.map(({ subject }) => subject);
        expect(subjects).toEqual(Object.values(switches).filter((other) => other !== handler));
      },
    );

    it.each(Object.entries(switches))(
      '[XC3] %s: false applies to adoption: %s does not run',
      async (option, handler) => {
        const { registry } = await startApp({
          imports: [ScheduleModule.forRoot({ [option]: false })],
          providers: MAILER,
          options: { adoptNestSchedules: true },
        });
        const handlers = registry.list().map((schedule) => schedule.handler);
        expect(handlers).toEqual(Object.values(switches).filter((other) => other !== handler));
      },
    );

    it('[C19] the options may come from an async factory', async () => {
      @Module({
        providers: [
          {
            provide: 'SCHEDULE_MODULE_OPTIONS', // as forRootAsync() provides it, which 6.0 does not have
            useFactory: async () => ({ cronJobs: false, intervals: true }),
          },
        ],
      })
      class Asynchronous {}
      const error = await refusal({ imports: [Asynchronous], providers: MAILER });
      const subjects = (error as ScopeValidationError).findings.map(({ subject }) => subject);
      expect(subjects).toEqual(['Mailer.poll']);
    });

    it('[C19] what another import of it runs is not off', async () => {
      @Module({ imports: [ScheduleModule.forRoot({ cronJobs: false })] })
      class Other {}
      const findings = await findingsOf({ imports: [Other], providers: MAILER });
      expect(findings.map(({ subject }) => subject)).toContain('Mailer.send');
    });
  });

  it('[C13] the option must be true or false', async () => {
    const error = await refusal({ options: { adoptNestSchedules: 'yes' as never } });
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toContain('adoptNestSchedules must be true or false, not "yes"');
  });
});
