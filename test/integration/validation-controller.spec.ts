import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Inject,
  Injectable,
  Scope,
  UseGuards,
  type CallHandler,
  type CanActivate,
  type NestInterceptor,
  type Provider,
  type Type,
} from '@nestjs/common';
import { APP_INTERCEPTOR, REQUEST } from '@nestjs/core';
import type { Observable } from 'rxjs';
import { InjectTick, ScopedCron, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { RequestScoped, worker, YEARLY } from '../support/probes.js';
import { findingsOf, told, wordsAbout } from '../support/validation.js';

/** Reads the tick: only workers can have a use for it. */
@Injectable()
class Progress {
  constructor(@InjectTick() readonly tick: Tick) {}
}

/** The worker injects it, no controller does. */
@RequestScoped()
class UnitOfWork {}

@Injectable()
class Reports {
  constructor(readonly unit: UnitOfWork) {}
}

@Controller('reports')
class ReportsController {
  constructor(readonly reports: Reports) {}

  @Get()
  all(): string[] {
    return [];
  }
}

/** A controller that injects a token. */
function controllerOver(token: unknown): Type {
  @Controller('over')
  class Over {
    constructor(@Inject(token as Type) readonly injected: unknown) {}
  }
  return Over;
}

describe('A controller', () => {
  afterEach(closeApps);

  it('is reported when what is for workers makes it request-scoped', async () => {
    @Injectable()
    class Exports {
      constructor(readonly progress: Progress) {}
    }
    @Controller('exports')
    class ExportsController {
      constructor(readonly exports: Exports) {}
    }
    const findings = await findingsOf({
      controllers: [ExportsController],
      providers: [Progress, Exports, worker([Exports])],
    });
    expect(findings).toEqual([
      {
        number: 'SW206',
        kind: 'controller-rebuilt',
        severity: 'warning',
        subject: 'ExportsController',
        token: ExportsController,
        chain: ['ExportsController', 'Exports', 'Progress', 'REQUEST'],
        message:
          'ExportsController is request-scoped because of Progress (ExportsController -> Exports -> Progress -> REQUEST), which is meant for workers. Nest builds it and its dependencies again for every request, and a request has no tick. Use separate services for workers and for ExportsController, or pass what Exports needs from Progress as a method argument. If this is intentional, add scope: Scope.REQUEST to ExportsController.',
      },
    ]);
  });

  it('is reported for information when only workers inject the cause themselves: they may not be alone in need of it', async () => {
    const test = await startApp({
      controllers: [ReportsController],
      providers: [UnitOfWork, Reports, worker([Reports, UnitOfWork])],
      options: { scopeValidation: 'strict' },
    });
    expect(told(test)).toEqual([
      expect.stringMatching(
        /^\[SW206\] ReportsController is request-scoped because of UnitOfWork \(.*\), which workers, but no controllers, inject directly\. /,
      ),
    ]);
    expect(told(test, 'log')).toHaveLength(1);
  });

  it('is logged once by default, and starts', async () => {
    const test = await startApp({
      controllers: [controllerOver(Progress)],
      providers: [Progress, worker([Progress])],
    });
    expect(told(test)).toEqual([
      expect.stringMatching(/^\[SW206\] Over is request-scoped because /),
    ]);
    expect(told(test, 'warn')).toHaveLength(1);
  });

  it('is reported when the culprit reads the tick, with @InjectTick()', async () => {
    @Injectable()
    class Exports {
      constructor(readonly progress: Progress) {}
    }
    const findings = await findingsOf({
      controllers: [controllerOver(Exports)],
      providers: [Progress, Exports, worker([Exports])],
    });
    expect(findings).toMatchObject([{ kind: 'controller-rebuilt', subject: 'Over' }]);
    expect(findings[0]!.chain.slice(0, 3)).toEqual(['Over', 'Exports', 'Progress']);
    // Who reads "request-scoped because of REQUEST, which is meant for workers" looks for a request.
    expect(findings[0]!.message).toContain('request-scoped because of Progress');
  });

  it('is reported when it injects a worker, with what to move and what to call', async () => {
    @ScopedWorker()
    class Mailer {
      @ScopedCron(YEARLY, { name: 'mail' })
      send(): void {}
    }
    const findings = await findingsOf({
      controllers: [controllerOver(Mailer)],
      providers: [Mailer],
    });
    expect(findings).toMatchObject([{ kind: 'controller-rebuilt', chain: ['Over', 'Mailer'] }]);
    expect(findings[0]!.message).toBe(
      "Over is request-scoped because of Mailer (Over -> Mailer), which is a worker. Nest builds it and its dependencies again for every request, and a request has no tick. Move the fields and methods of Mailer that Over uses into a separate service, and inject it into both. Keep only the handlers in Mailer. To run a handler on demand, inject ScopedWorkerRegistry and call registry.run('mail'). If this is intentional, add scope: Scope.REQUEST to Over.",
    );
  });

  it('names what to move out of a worker that one of its services injects', async () => {
    @ScopedWorker()
    class Mailer {
      @ScopedCron(YEARLY)
      send(): void {}
    }
    @Injectable()
    class Status {
      constructor(readonly mailer: Mailer) {}
    }
    const [found] = await findingsOf({
      controllers: [controllerOver(Status)],
      providers: [Mailer, Status],
    });
    expect(found!.chain).toEqual(['Over', 'Status', 'Mailer']);
    expect(found!.message).toContain(
      "Move the fields and methods of Mailer that Status uses into a separate service, and inject it into both. Keep only the handlers in Mailer. To run a handler on demand, inject ScopedWorkerRegistry and call registry.run('Mailer.send').",
    );
  });

  it('says to resolve a worker without schedules in a scope', async () => {
    @ScopedWorker()
    class Mailer {}
    const [found] = await findingsOf({
      controllers: [controllerOver(Mailer)],
      providers: [Mailer],
    });
    expect(found!.message).toContain(
      'Instead of Mailer, inject ProviderScopeFactory as scopes, and resolve Mailer in',
    );
  });

  describe('is not reported', () => {
    @RequestScoped()
    class Plain {}
    @Injectable()
    class OverPlain {
      constructor(readonly plain: Plain) {}
    }
    @Injectable()
    class CurrentUser {
      constructor(@Inject(REQUEST) readonly request: unknown) {}
    }
    @RequestScoped()
    class Audit {
      constructor(readonly user: CurrentUser) {}
    }
    @Injectable()
    class Audited {
      constructor(readonly audit: Audit) {}
    }
    @Injectable()
    class Both {
      constructor(
        readonly reports: Reports,
        readonly user: CurrentUser,
      ) {}
    }
    @Injectable({ scope: Scope.REQUEST, durable: true })
    class TenantPool {}
    @Injectable()
    class Single {}

    it.each<[string, unknown, Provider[]]>([
      ['when its services are singletons', Single, [Single, Reports, UnitOfWork]],
      ['when it asks for the request-scoped provider itself', UnitOfWork, [UnitOfWork, Reports]],
      [
        'when what it needs reads the request',
        Audited,
        [Audited, Audit, CurrentUser, Reports, UnitOfWork],
      ],
      [
        'when one thing of several reads the request',
        Both,
        [Both, CurrentUser, Reports, UnitOfWork],
      ],
      ['when REQUEST is injected', REQUEST, [Reports, UnitOfWork]],
      ['over a durable provider', TenantPool, [TenantPool, Reports, UnitOfWork]],
      [
        'over what no tick builds',
        'session',
        [{ provide: 'session', scope: Scope.REQUEST, useFactory: () => ({}) }, Reports, UnitOfWork],
      ],
    ])('%s', async (_what, token, providers) => {
      expect(
        await wordsAbout({
          controllers: [controllerOver(token)],
          providers: [
            ...providers,
            worker([UnitOfWork, ...(providers.includes(Audit) ? [Audit] : [])]),
          ],
        }),
      ).toEqual([]);
    });

    it('when a unit of work that nothing ties to scopes serves requests and ticks alike', async () => {
      expect(
        await wordsAbout({
          controllers: [controllerOver(OverPlain)],
          providers: [Plain, OverPlain, worker([OverPlain])],
        }),
      ).toEqual([]);
    });

    it('when a connection for each request, made by a factory, serves both', async () => {
      @Injectable()
      class Orders {
        constructor(@Inject('connection') readonly connection: unknown) {}
      }
      const connection = { provide: 'connection', scope: Scope.REQUEST, useFactory: () => ({}) };
      expect(
        await wordsAbout({
          controllers: [controllerOver(Orders)],
          providers: [connection, Orders, worker([Orders])],
        }),
      ).toEqual([]);
    });

    it('when an interceptor commits it for requests', async () => {
      @Injectable()
      class Commit implements NestInterceptor {
        constructor(readonly unit: UnitOfWork) {}

        intercept(_context: unknown, next: CallHandler): Observable<unknown> {
          return next.handle();
        }
      }
      const everywhere = { provide: APP_INTERCEPTOR, scope: Scope.REQUEST, useClass: Commit };
      expect(
        await wordsAbout({
          controllers: [ReportsController],
          providers: [Reports, UnitOfWork, everywhere, worker([Reports, UnitOfWork])],
        }),
      ).toEqual([]);
    });

    it('when another controller injects the same', async () => {
      expect(
        await wordsAbout({
          controllers: [ReportsController, controllerOver(UnitOfWork)],
          providers: [Reports, UnitOfWork, worker([Reports, UnitOfWork])],
        }),
      ).toEqual([]);
    });

    it('when it says itself that it is request-scoped', async () => {
      @Controller({ path: 'own', scope: Scope.REQUEST })
      class Own {
        constructor(readonly reports: Reports) {}
      }
      expect(
        await wordsAbout({
          controllers: [Own],
          providers: [Reports, UnitOfWork, worker([Reports, UnitOfWork])],
        }),
      ).toEqual([]);
    });

    it('when it is a worker itself', async () => {
      @ScopedWorker()
      @Controller('jobs')
      class Jobs {
        constructor(readonly reports: Reports) {}

        @ScopedCron(YEARLY)
        run(): void {}
      }
      expect(await wordsAbout({ controllers: [Jobs], providers: [Reports, UnitOfWork] })).toEqual(
        [],
      );
    });

    it('for its own request-scoped guard', async () => {
      @RequestScoped()
      class Guard implements CanActivate {
        constructor(@Inject(REQUEST) readonly request: unknown) {}

        canActivate(): boolean {
          return true;
        }
      }
      @UseGuards(Guard)
      @Controller('guarded')
      class Guarded {}
      expect(
        await wordsAbout({
          controllers: [Guarded],
          providers: [Reports, UnitOfWork, worker([Reports, UnitOfWork])],
        }),
      ).toEqual([]);
    });
  });
});
