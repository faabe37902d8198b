import { afterEach, describe, expect, it } from '@jest/globals';
import {
  forwardRef,
  Inject,
  Injectable,
  Optional,
  Scope,
  type OnModuleDestroy,
  type Provider,
  type Type,
} from '@nestjs/common';
import { ModuleRef, REQUEST } from '@nestjs/core';
import { InjectTick, ProviderScopeFactory, StaysSingleton, type Tick } from '../../lib/index.js';
import { closeApps } from '../support/app.js';
import { RequestScoped, Transient, worker } from '../support/probes.js';
import { findingsOf, startClean, wordsAbout } from '../support/validation.js';

@RequestScoped()
class Tenant {}

@Injectable()
class Settings {
  constructor(readonly tenant: Tenant) {}
}

@StaysSingleton()
@Injectable()
class Pool {
  constructor(readonly settings: Settings) {}
}

@Injectable()
class Invoices {
  constructor(readonly pool: Pool) {}
}

/** A class marked `@StaysSingleton()` that injects a token. */
function staysOver(token: unknown, scope?: Scope): Type {
  @StaysSingleton()
  @Injectable(scope === undefined ? undefined : { scope })
  class Stays {
    constructor(@Inject(token as Type) readonly injected: unknown) {}
  }
  return Stays;
}

describe('A provider marked @StaysSingleton()', () => {
  afterEach(closeApps);

  it('[C1] is reported when a dependency makes it request-scoped, with both ends and the chain between them', async () => {
    const providers = [Tenant, Settings, Pool, Invoices, worker([Invoices])];
    expect(await findingsOf({ providers })).toEqual([
      {
        number: 'SW201',
        kind: 'singleton-rebuilt',
        severity: 'error',
        subject: 'Pool',
        token: Pool,
        chain: ['Worker.run', 'Invoices', 'Pool', 'Settings', 'Tenant'],
        message:
          'Pool is marked @StaysSingleton(), but Tenant makes it request-scoped (Worker.run -> Invoices -> Pool -> Settings -> Tenant). Each scope builds and disposes its own Pool, while objects that Pool has returned may still be in use. Stop injecting Settings into Pool, and pass what Pool needs from it as a method argument. Or remove @StaysSingleton().',
      },
    ]);
  });

  it('[C1] is reported where no worker needs it, too: the chain begins with it', async () => {
    const [finding, ...others] = await findingsOf({ providers: [Tenant, Settings, Pool] });
    expect(others).toEqual([]);
    expect(finding!.chain).toEqual(['Pool', 'Settings', 'Tenant']);
    expect(finding!.message).toContain('(Pool -> Settings -> Tenant)');
  });

  it('[C3] is the nearest to the culprit of those that are marked, not the outermost', async () => {
    @StaysSingleton()
    @Injectable()
    class Gateway {
      constructor(readonly pool: Pool) {}
    }
    const findings = await findingsOf({ providers: [Tenant, Settings, Pool, Gateway] });
    expect(findings.map(({ subject }) => subject)).toEqual(['Pool']);
  });

  it('[C3] is reported with the shortest way to the nearest culprit', async () => {
    @StaysSingleton()
    @Injectable()
    class Cache {
      constructor(
        readonly settings: Settings,
        @Inject('locale') readonly locale: unknown,
      ) {}
    }
    const locale = { provide: 'locale', scope: Scope.REQUEST, useFactory: () => 'de' };
    const [finding] = await findingsOf({ providers: [Tenant, Settings, locale, Cache] });
    expect(finding!.chain).toEqual(['Cache', 'locale']);
    expect(finding!.message).toContain('but locale makes it request-scoped (Cache -> locale)');
    expect(finding!.message).toContain('Stop injecting locale into Cache');
  });

  it('[C1] is reported on each of two ways that have nothing in common', async () => {
    @StaysSingleton()
    @Injectable()
    class Client {
      constructor(readonly tenant: Tenant) {}
    }
    const findings = await findingsOf({ providers: [Tenant, Settings, Pool, Client] });
    expect(findings.map(({ subject }) => subject).sort()).toEqual(['Client', 'Pool']);
  });

  describe('is reported for every cause:', () => {
    const symbol = Symbol('session');
    abstract class Clock {}
    @RequestScoped()
    class TickClock extends Clock {
      constructor(@InjectTick() readonly tick: Tick) {
        super();
      }
    }
    @StaysSingleton()
    @Injectable()
    class ByProperty {
      @Inject(Tenant) readonly tenant!: Tenant;
    }
    @StaysSingleton()
    @Injectable()
    class IfThere {
      constructor(@Optional() readonly tenant?: Tenant) {}
    }
    @Transient()
    class Labels {
      constructor(readonly tenant: Tenant) {}
    }
    @StaysSingleton()
    class Made {}

    it.each<[string, Provider[], string[]]>([
      ['REQUEST', [staysOver(REQUEST)], ['Stays', 'REQUEST']],
      [
        'a symbol',
        [staysOver(symbol), { provide: symbol, scope: Scope.REQUEST, useFactory: () => ({}) }],
        ['Stays', 'session'],
      ],
      [
        'an abstract class',
        [staysOver(Clock), { provide: Clock, useClass: TickClock }],
        ['Stays', 'Clock'],
      ],
      [
        'an asynchronous factory',
        [
          staysOver('async'),
          { provide: 'async', inject: [Tenant], useFactory: async (tenant: Tenant) => tenant },
          Tenant,
        ],
        ['Stays', 'async', 'Tenant'],
      ],
      ['a property', [ByProperty, Tenant], ['ByProperty', 'Tenant']],
      ['an optional dependency that is there', [IfThere, Tenant], ['IfThere', 'Tenant']],
      [
        'a transient in between',
        [staysOver(Labels), Labels, Tenant],
        ['Stays', 'Labels', 'Tenant'],
      ],
      [
        'what its factory injects',
        [{ provide: Made, inject: [Tenant], useFactory: () => new Made() }, Tenant],
        ['Made', 'Tenant'],
      ],
    ])('[C1] %s', async (_what, providers, chain) => {
      const findings = await findingsOf({ providers });
      expect(findings).toMatchObject([{ kind: 'singleton-rebuilt', chain }]);
    });

    it('[C1] an alias', async () => {
      const alias = { provide: 'alias', useExisting: Tenant };
      const [finding] = await findingsOf({ providers: [staysOver('alias'), alias, Tenant] });
      // Since 11.2 Nest notes what an alias stands for in place of the alias.
      expect(finding!.chain.filter((name) => name !== 'alias')).toEqual(['Stays', 'Tenant']);
    });
  });

  it.each([
    [Scope.REQUEST, 'request-scoped'],
    [Scope.TRANSIENT, 'transient'],
  ])('[C1] is reported when it declares another scope (scope %i)', async (scope, what) => {
    const [finding] = await findingsOf({
      providers: [staysOver('x', scope), { provide: 'x', useValue: 1 }],
    });
    expect(finding!.message).toBe(
      `Stays is marked @StaysSingleton(), but it is declared as ${what}. Remove @StaysSingleton() or the scope.`,
    );
  });

  it('[C1] is reported when a durable dependency makes it durable', async () => {
    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Shop {}
    const [finding] = await findingsOf({ providers: [Shop, staysOver(Shop)] });
    expect(finding!.message).toContain('but Shop makes it durable (Stays -> Shop). Nest builds ');
    // It is built for each context of the strategy, not for each scope, and no scope disposes it.
    expect(finding!.message).not.toContain('Each scope builds');
  });

  describe('is not reported', () => {
    @Injectable()
    class Config {}
    @Transient()
    class Log {}
    @StaysSingleton()
    @Injectable()
    class Fine implements OnModuleDestroy {
      constructor(
        readonly config: Config,
        readonly log: Log,
        readonly scopes: ProviderScopeFactory,
        readonly moduleRef: ModuleRef,
        @Optional() @Inject('nobody provides it') readonly missing?: unknown,
      ) {}

      onModuleDestroy(): void {}
    }
    @RequestScoped()
    class UnitOfWork {
      constructor(
        readonly fine: Fine,
        readonly tenant: Tenant,
      ) {}
    }
    @StaysSingleton()
    @Injectable()
    class Left {
      constructor(@Inject(forwardRef(() => Right)) readonly right: unknown) {}
    }
    @StaysSingleton()
    @Injectable()
    class Right {
      constructor(@Inject(forwardRef(() => Left)) readonly left: unknown) {}
    }
    @StaysSingleton()
    class Base {}
    @Injectable()
    class Derived extends Base {
      constructor(readonly tenant: Tenant) {
        super();
      }
    }
    @StaysSingleton()
    class Made {}

    it.each<[string, Provider[]]>([
      [
        'a singleton with ProviderScopeFactory, a transient and a missing optional dependency',
        [Config, Log, Fine, Tenant, worker([Tenant])],
      ],
      [
        'a singleton that request-scoped providers inject',
        [Config, Log, Fine, Tenant, UnitOfWork, worker([UnitOfWork])],
      ],
      ['a circle of singletons', [Left, Right]],
      ['a subclass that does not say it again', [Base, Derived, Tenant, worker([Derived])]],
      ['a singleton factory', [{ provide: Made, useFactory: async () => new Made() }]],
      ['a value', [{ provide: Made, useValue: new Made() }]],
      [
        'an alias of it',
        [
          { provide: 'made', useExisting: Made },
          { provide: Made, useFactory: () => new Made() },
        ],
      ],
      ['a class that nobody provides', [Tenant, worker([Tenant])]],
    ])('[C1] %s', async (_what, providers) => {
      expect(await wordsAbout({ providers })).toEqual([]);
    });

    it('[C7] a singleton that injects ProviderScopeFactory: it stays one, and opens scopes', async () => {
      const { app } = await startClean({ providers: [Config, Log, Fine, Tenant] });
      const fine = app.get(Fine);
      const tenant = await fine.scopes.run((scope) => scope.resolve(Tenant));
      expect(tenant).toBeInstanceOf(Tenant);
      expect(app.get(Fine)).toBe(fine);
    });
  });
});
