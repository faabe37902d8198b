import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ConsoleLogger,
  Controller,
  Inject,
  Injectable,
  Module,
  Scope,
  type OnModuleDestroy,
  type Provider,
} from '@nestjs/common';
import { INQUIRER } from '@nestjs/core';
import { Cron, ScheduleModule } from '@nestjs/schedule';
import { ProviderScopeFactory } from '../../lib/index.js';
import { appsOnFakeClock, closeApps, startApp } from '../support/app.js';
import { advance } from '../support/fake-clock.js';
import { RequestScoped, Transient, worker } from '../support/probes.js';
import { findingsOf, startClean, told, wordsAbout } from '../support/validation.js';

@Transient()
class Connection {
  isOpen = true;

  [Symbol.dispose](): void {
    this.isOpen = false;
  }
}

@Transient()
class Writer {
  constructor(readonly connection: Connection) {}
}

@Injectable()
class Reports {
  constructor(readonly connection: Connection) {}
}

@Injectable()
class Exports {
  constructor(readonly writer: Writer) {}
}

describe('A disposable transient', () => {
  afterEach(closeApps);

  it('[C20] is reported when a singleton captures it', async () => {
    expect(await findingsOf({ providers: [Connection, Reports] })).toEqual([
      {
        number: 'SW203',
        kind: 'transient-captured',
        severity: 'warning',
        subject: 'Connection',
        token: Connection,
        chain: ['Reports', 'Connection'],
        message:
          'Connection is transient and has [Symbol.dispose], but the singleton Reports holds one (Reports -> Connection) for as long as the application runs. Nothing disposes it, because Nest never calls [Symbol.dispose]. Make Connection a singleton and dispose it in onModuleDestroy. Or inject ProviderScopeFactory into Reports as scopes, and resolve Connection in scopes.run(async (scope) => { ... }).',
      },
    ]);
  });

  it('[C20] is indeed never disposed: the report is right', async () => {
    const test = await startApp({ providers: [Connection, Reports] });
    expect(told(test, 'warn')).toEqual([
      expect.stringMatching(/^\[SW203\] Connection is transient/),
    ]);
    const { connection } = test.app.get(Reports);
    await test.app.close();
    expect(connection.isOpen).toBe(true);
  });

  it('[C20] with onModuleDestroy, the finding says that Nest calls it on shutdown', async () => {
    const destroyed: string[] = [];
    @Transient()
    class Session implements OnModuleDestroy {
      onModuleDestroy(): void {
        destroyed.push('Session');
      }
    }
    @Injectable()
    class Holder {
      constructor(readonly session: Session) {}
    }
    const test = await startApp({ providers: [Session, Holder] });
    expect(told(test).join()).toContain('Nest disposes it only when the application closes. Make ');
    expect(destroyed).toEqual([]);
    await test.app.close();
    expect(destroyed).toContain('Session');
  });

  it('[C20] is reported for each singleton that holds one, with the way through other transients', async () => {
    const findings = await findingsOf({
      providers: [Connection, Writer, Exports, Reports],
    });
    expect(findings.map(({ chain }) => chain.join(' -> ')).sort()).toEqual([
      'Exports -> Writer -> Connection',
      'Reports -> Connection',
    ]);
  });

  it('[C20] the remedy names what the singleton injects, whose connection the scope disposes', async () => {
    const [finding] = await findingsOf({ providers: [Connection, Writer, Exports] });
    expect(finding!.message).toContain(
      'Or inject ProviderScopeFactory into Exports as scopes, and resolve Writer in scopes.run(',
    );

    @Injectable()
    class Mended {
      constructor(private readonly scopes: ProviderScopeFactory) {}

      write(): Promise<Connection> {
        return this.scopes.run(async (scope) => (await scope.resolve(Writer)).connection);
      }
    }
    const test = await startClean({ providers: [Connection, Writer, Mended] });
    expect((await test.app.get(Mended).write()).isOpen).toBe(false);
  });

  describe('is reported for every kind of singleton:', () => {
    @Controller()
    class Home {
      constructor(readonly connection: Connection) {}
    }
    @Injectable()
    class ByProperty {
      @Inject(Connection) readonly connection!: Connection;
    }
    @Injectable()
    class ByAlias {
      constructor(@Inject('connection') readonly connection: Connection) {}
    }
    const alias = { provide: 'connection', useExisting: Connection };

    it.each<[string, { providers: Provider[]; controllers?: [typeof Home] }, string]>([
      ['a controller', { providers: [Connection], controllers: [Home] }, 'Home'],
      ['one that injects a property', { providers: [Connection, ByProperty] }, 'ByProperty'],
      ['one that injects an alias', { providers: [Connection, alias, ByAlias] }, 'ByAlias'],
    ])('[C20] %s', async (_what, metadata, holder) => {
      const findings = await findingsOf(metadata);
      expect(findings).toMatchObject([{ kind: 'transient-captured', subject: 'Connection' }]);
      expect(findings[0]!.message).toContain(`but the singleton ${holder} holds one`);
    });
  });

  it('[C20] checks a module that no other uses, too', async () => {
    @Module({ providers: [Connection, Reports] })
    class Aside {}
    const findings = await findingsOf({ imports: [Aside] });
    expect(findings.map(({ subject }) => subject)).toEqual(['Connection']);
  });

  describe('is not reported:', () => {
    @RequestScoped()
    class PerTick {
      constructor(readonly connection: Connection) {}
    }
    @Transient()
    class Log {
      context = '';
      constructor(@Inject(INQUIRER) readonly parent: object) {}
      setContext(context: string): void {
        this.context = context;
      }
    }
    @Transient()
    class NestLog extends ConsoleLogger {}
    @Injectable()
    class Service {
      constructor(
        readonly log: Log,
        readonly nestLog: NestLog,
      ) {}
    }
    @Injectable()
    class Careful {
      constructor(private readonly scopes: ProviderScopeFactory) {}

      work(): Promise<boolean> {
        return this.scopes.run(async (scope) => (await scope.resolve(Connection)).isOpen);
      }
    }
    @Injectable()
    class Single {
      [Symbol.dispose](): void {}
    }
    @Injectable()
    class OverSingle {
      constructor(readonly single: Single) {}
    }

    it.each<[string, Provider[]]>([
      ['a worker or its services hold it: the scope disposes it', [Connection, PerTick]],
      ['a transient logger without a disposer, with its inquirer', [Log, NestLog, Service]],
      ['nobody holds it', [Connection, Writer]],
      ['a singleton resolves it in a scope', [Connection, Careful]],
      ['a disposable singleton in a singleton', [Single, OverSingle]],
      [
        'what a transient factory makes is not known before it runs',
        [
          {
            provide: 'made',
            scope: Scope.TRANSIENT,
            useFactory: () => ({ [Symbol.dispose]: () => undefined }),
          },
          { provide: 'holder', inject: ['made'], useFactory: (made: unknown) => ({ made }) },
        ],
      ],
    ])('[C20] %s', async (_what, providers) => {
      expect(
        await wordsAbout({ providers: [...providers, Connection, PerTick, worker([PerTick])] }),
      ).toEqual([]);
    });

    it('[C11] what a singleton factory injects only to read: its body cannot be analyzed', async () => {
      @Transient()
      class Probe implements OnModuleDestroy {
        readonly region = 'eu';
        onModuleDestroy(): void {}
      }
      const region = {
        provide: 'region',
        inject: [Probe],
        useFactory: (probe: Probe) => probe.region,
      };
      const { app } = await startClean({ providers: [Probe, region] });
      expect(app.get('region')).toBe('eu');
    });
  });
});

describe('A @Cron of a transient class in a static tree', () => {
  const ran: unknown[] = [];
  @Injectable()
  class Clock {}
  @Transient()
  class Job {
    readonly isConstructed: boolean = true;
    constructor(readonly clock: Clock) {}

    @Cron('0 * * * * *')
    run(): void {
      ran.push({ isConstructed: this.isConstructed, clock: this.clock });
    }
  }
  @Injectable()
  class Single {
    constructor(readonly clock: Clock) {}

    @Cron('0 * * * * *')
    run(): void {
      ran.push({ clock: this.clock });
    }
  }
  const schedule = ScheduleModule.forRoot();

  appsOnFakeClock();
  beforeEach(() => void (ran.length = 0));

  it('[C19] is run by Nest on an object that was never constructed', async () => {
    const test = await startApp({
      imports: [schedule],
      providers: [Clock, Job],
      options: { scopeValidation: 'warn' },
    });
    await advance(60_000);
    expect(ran).toEqual([{ isConstructed: undefined, clock: undefined }]);
    expect(told(test)).toEqual([expect.stringMatching(/^\[SW107\] Job\.run: /)]);
  });

  it.each([false, true])(
    '[C19] is refused, with adoptNestSchedules: %p',
    async (adoptNestSchedules) => {
      const findings = await findingsOf({
        imports: [schedule],
        providers: [Clock, Job],
        options: { scopeValidation: 'error', adoptNestSchedules },
      });
      expect(findings).toEqual([
        {
          number: 'SW107',
          kind: 'nest-schedule-transient',
          severity: 'error',
          subject: 'Job.run',
          token: Job,
          chain: [],
          message:
            'Job.run: Nest runs this @Cron on an object that was never constructed, because Job is transient. Its dependencies are undefined. Make Job a singleton. Or mark it @ScopedWorker() instead of @Injectable(), and use @ScopedCron.',
        },
      ]);
    },
  );

  it('[C19] a singleton may have it', async () => {
    const { app } = await startClean({ imports: [schedule], providers: [Clock, Single] });
    await advance(60_000);
    expect(ran).toEqual([{ clock: app.get(Clock) }]);
  });

  it('[C19] without ScheduleModule nothing looks at it, and nothing is said', async () => {
    expect(await wordsAbout({ providers: [Clock, Job] })).toEqual([]);
    await advance(60_000);
    expect(ran).toEqual([]);
  });

  it('[C19] a transient without it may exist beside one', async () => {
    expect(
      await wordsAbout({
        imports: [schedule],
        providers: [
          Clock,
          Single,
          { provide: 'job', scope: Scope.TRANSIENT, useFactory: () => ({}) },
        ],
      }),
    ).toEqual([]);
  });
});
