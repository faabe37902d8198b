import { beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module, Scope, type Provider, type Type } from '@nestjs/common';
import { INQUIRER } from '@nestjs/core';
import { Cron, Interval, ScheduleModule } from '@nestjs/schedule';
import { ScopedWorker, ScopeValidationError } from '../../lib/index.js';
import { adoptingApp, skipWarning, warningsOf } from '../support/adoption.js';
import { appsOnFakeClock, closeApps, startApp } from '../support/app.js';
import { advance, useFakeClock } from '../support/fake-clock.js';
import { PROBES, Probe, ProbeJournal, YEARLY } from '../support/probes.js';
import { refusal } from '../support/refusal.js';

const ran: string[] = [];

appsOnFakeClock();
beforeEach(() => void (ran.length = 0));

const MINUTELY = '0 * * * * *';

/** What has run in the first minute, sorted. */
async function firstMinute(providers: Provider[]): Promise<string[]> {
  ran.length = 0;
  useFakeClock();
  await adoptingApp({ providers });
  await advance(60_000);
  await closeApps();
  return ran.splice(0).sort();
}

/** What the same class runs as a singleton, which is Nest's, and request-scoped, which is adopted. */
async function bothWays(
  make: (scope: Scope) => Type,
): Promise<[nest: string[], adopted: string[]]> {
  return [await firstMinute([make(Scope.DEFAULT)]), await firstMinute([make(Scope.REQUEST)])];
}

/** What start-up objects to when adoption is asked for. */
async function objections(...providers: Provider[]) {
  const error = await refusal({
    imports: [ScheduleModule.forRoot()],
    providers,
    options: { adoptNestSchedules: true },
  });
  return (error as ScopeValidationError).findings;
}

describe('The places of Nest decorators', () => {
  it('[XC4] runs inherited methods, and overridden ones only with their own decorator, as Nest does', async () => {
    class Base {
      @Cron(MINUTELY)
      inherited(): void {
        ran.push('inherited');
      }

      @Cron(MINUTELY)
      overridden(): void {
        ran.push('overridden by Base');
      }

      @Cron('30 * * * * *')
      decoratedAgain(): void {
        ran.push('decoratedAgain by Base');
      }
    }
    const make = (scope: Scope): Type => {
      @Injectable({ scope })
      class Sub extends Base {
        override overridden(): void {
          ran.push('overridden by Sub');
        }

        @Cron(MINUTELY)
        override decoratedAgain(): void {
          ran.push('decoratedAgain by Sub');
        }
      }
      return Sub;
    };
    const runs = ['decoratedAgain by Sub', 'inherited'];
    expect(await bothWays(make)).toEqual([runs, runs]);
  });

  it('[XC4] of several on one method the topmost counts, as with Nest', async () => {
    const make = (scope: Scope): Type => {
      @Injectable({ scope })
      class Several {
        @Cron('0 * * * * *')
        @Cron('*/10 * * * * *')
        twice(): void {
          ran.push('twice');
        }

        @Interval('every', 25_000)
        @Cron('*/10 * * * * *', { name: 'unused' })
        mixed(): void {
          ran.push('mixed');
        }
      }
      return Several;
    };
    const runs = ['mixed', 'mixed', 'twice'];
    expect(await bothWays(make)).toEqual([runs, runs]);
    const { registry } = await adoptingApp({ providers: [make(Scope.REQUEST)] });
    expect(registry.list().map(({ name }) => name)).toEqual(['Several.twice', 'every']);
  });

  it('[XC4] ignores static methods, accessors and symbols, as Nest does', async () => {
    const symbol = Symbol('run');
    const make = (scope: Scope): Type => {
      @Injectable({ scope })
      class Odd {
        @Cron('*/10 * * * * *')
        static ofTheClass(): void {
          ran.push('static');
        }

        @Cron('*/10 * * * * *')
        [symbol](): void {
          ran.push('symbol');
        }

        get accessor(): () => void {
          ran.push('accessor was read');
          return () => undefined;
        }

        @Cron(MINUTELY)
        run(): void {
          ran.push('run');
        }
      }
      return Odd;
    };
    const runs = ['run'];
    expect(await bothWays(make)).toEqual([runs, runs]);
  });

  it('[XC4] an alias runs nothing by itself', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Job {
      @Cron(MINUTELY)
      run(): void {
        ran.push('run');
      }
    }
    expect(await firstMinute([Job, { provide: 'alias', useExisting: Job }])).toEqual(['run']);
  });

  it('[XC4] a class under another token is known by the class', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Job {
      @Cron(MINUTELY)
      run(): void {
        ran.push('run');
      }
    }
    const { log, registry } = await adoptingApp({ providers: [{ provide: 'job', useClass: Job }] });
    await advance(60_000);
    expect([ran, registry.list().map(({ name }) => name)]).toEqual([['run'], ['Job.run']]);
    expect(warningsOf(log)).toEqual([skipWarning('cron job', 'Job@run')]);
  });

  describe('in two modules', () => {
    @Injectable({ scope: Scope.REQUEST })
    class Tenant {}

    @Injectable()
    class Job {
      constructor(readonly tenant: Tenant) {}

      @Cron(MINUTELY)
      run(): void {
        ran.push(`run ${this.tenant.constructor.name}`);
      }
    }

    @Module({ providers: [Tenant, Job] })
    class First {}

    @Module({ providers: [Tenant, Job] })
    class Second {}

    @Module({ providers: [{ provide: Tenant, useValue: 'one for all' }, Job] })
    class Single {}

    it('[XC4, D24] a class runs once, and start-up logs with which', async () => {
      const { log } = await adoptingApp({ imports: [First, Second] });
      await advance(60_000);
      expect(ran).toEqual(['run Tenant']);
      expect(log.of('log')).toContain(
        '[SW103] Job is provided in First, Second. Its schedules run once, on the worker of First. Provide it in one module.',
      );
    });

    it.each([true, false])(
      '[XC3, D24] Nest runs it where it is a singleton, and nobody a second time (adoption: %s)',
      async (adoptNestSchedules) => {
        const { log, registry } = await startApp({
          imports: [ScheduleModule.forRoot(), First, Single],
          options: { adoptNestSchedules, scopeValidation: 'strict' },
        });
        await advance(60_000);
        expect([ran, registry.list()]).toEqual([['run String'], []]);
        expect(log.of('log')).toContain(
          '[SW103] Job is a singleton in Single and request-scoped in First. Nest runs its @Cron only on the instance in Single. Provide it in one module.',
        );
        expect(warningsOf(log)).toEqual([skipWarning('cron job', 'Job@run')]);
      },
    );

    it('[XC3] without ScheduleModule nobody runs the singleton, so the other is adopted', async () => {
      await startApp({ imports: [First, Single], options: { adoptNestSchedules: true } });
      await advance(60_000);
      expect(ran).toEqual(['run Tenant']);
    });
  });

  describe('on a transient provider', () => {
    /** Depends on the one that injects it, and so on a request. */
    @Injectable({ scope: Scope.TRANSIENT })
    class Job {
      constructor(private readonly probe: Probe) {}

      @Cron(MINUTELY)
      run(): void {
        ran.push(`run ${this.probe?.id}`);
      }
    }

    // Nest 11.2 takes it for static, and would run its job on an object that was never constructed.
    const expected =
      process.env['NEST'] === 'nest11-newest'
        ? { refused: ['nest-schedule-transient'] }
        : { scheduled: 1, ran: ['run 1', 'run 2'], alive: [] };

    it('[XC4] it is adopted and built for the tick; refused where Nest takes it for static', async () => {
      const outcome = await adoptingApp({ providers: [...PROBES, Job] }).then(
        async ({ app, registry }) => {
          await advance(120_000);
          const { alive } = app.get(ProbeJournal);
          return { scheduled: registry.list().length, ran: [...ran], alive };
        },
        ({ findings }: ScopeValidationError) => ({ refused: findings.map(({ kind }) => kind) }),
      );
      expect(outcome).toEqual(expected);
    });
  });

  describe('in a durable tree', () => {
    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Pool {}

    @Injectable()
    class OnPool {
      constructor(readonly pool: Pool) {}

      @Cron(MINUTELY)
      run(): void {}
    }

    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Durable {
      @Cron(MINUTELY)
      run(): void {}
    }

    it.each([
      ['is durable itself', [Durable], 'Durable'],
      ['depends on durable providers only', [Pool, OnPool], 'OnPool'],
    ])(
      '[XC4] a class that %s is refused: it would outlive the tick',
      async (_what, providers, name) => {
        expect(await objections(...providers)).toMatchObject([
          {
            kind: 'nest-schedule-skipped',
            severity: 'error',
            subject: `${name}.run`,
            message: expect.stringMatching(
              new RegExp(
                `The library cannot adopt the job, because ${name} is durable and would outlive its tick\\. To run each tick in its own scope, mark ${name} @ScopedWorker\\(\\) instead of @Injectable\\(\\), and use @ScopedCron`,
              ),
            ),
          },
        ]);
      },
    );

    it('[XC4] a class that holds a plain request-scoped provider as well is adopted', async () => {
      @Injectable()
      class Mixed {
        constructor(
          readonly pool: Pool,
          private readonly probe: Probe,
        ) {}

        @Cron(MINUTELY)
        run(): void {
          ran.push(`run ${this.probe.id}`);
        }
      }
      expect(await firstMinute([...PROBES, Pool, Mixed])).toEqual(['run 1']);
    });

    it('[XC4] so is a worker: @ScopedWorker() makes it plain', async () => {
      @ScopedWorker()
      class Worker {
        constructor(readonly pool: Pool) {}

        @Cron(MINUTELY)
        run(): void {
          ran.push('run');
        }
      }
      expect(await firstMinute([Pool, Worker])).toEqual(['run']);
    });
  });

  it('[XC3] a class that depends on its inquirer is a singleton for Nest, and left to it', async () => {
    @Injectable({ scope: Scope.TRANSIENT })
    class Named {}
    Reflect.defineMetadata('self:paramtypes', [{ index: 0, param: INQUIRER }], Named);
    Reflect.defineMetadata('design:paramtypes', [Object], Named);
    @Injectable()
    class Job {
      constructor(readonly named: Named) {}

      @Cron(MINUTELY)
      run(): void {
        ran.push('run');
      }
    }
    expect(await firstMinute([Named, Job])).toEqual(['run']);
  });

  it('[XC4] refuses a module with a request-scoped dependency, which cannot be a provider', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Tenant {}
    @Module({ providers: [Tenant] })
    class JobModule {
      constructor(readonly tenant: Tenant) {}

      @Cron(YEARLY)
      run(): void {}
    }
    const error = await refusal({
      imports: [ScheduleModule.forRoot(), JobModule],
      options: { adoptNestSchedules: true },
    });
    expect((error as ScopeValidationError).findings).toMatchObject([
      {
        subject: 'JobModule.run',
        message: expect.stringMatching(/Move the method to a provider of the module\.$/),
      },
    ]);
  });

  it('[XC3] its neighbor without one is run by Nest', async () => {
    @Module({})
    class JobModule {
      @Cron(MINUTELY)
      run(): void {
        ran.push('module');
      }
    }
    await adoptingApp({ imports: [JobModule] });
    await advance(60_000);
    expect(ran).toEqual(['module']);
  });
});
