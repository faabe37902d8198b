import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  forwardRef,
  Inject,
  Injectable,
  Optional,
  Scope,
  type Provider,
} from '@nestjs/common';
import {
  ContextIdFactory,
  REQUEST,
  type ContextId,
  type ContextIdStrategy,
  type HostComponentInfo,
} from '@nestjs/core';
import { InjectTick, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { RequestScoped, Transient, worker } from '../support/probes.js';
import { findingsOf, startClean, told, wordsAbout } from '../support/validation.js';

const Durable = (): ClassDecorator => Injectable({ scope: Scope.REQUEST, durable: true });

@RequestScoped()
class Session {
  isOpen = true;

  [Symbol.dispose](): void {
    this.isOpen = false;
  }
}

@Injectable()
class Catalogue {
  constructor(readonly session: Session) {}
}

@Durable()
class Prices {}

@Durable()
class Shop {
  constructor(readonly catalogue: Catalogue) {}
}

/** As a `ContextIdStrategy` for tenants is written; here there is one. */
class OneTenant implements ContextIdStrategy {
  readonly #tenant: ContextId = { id: 1 };

  attach(contextId: ContextId) {
    return {
      resolve: (info: HostComponentInfo) => (info.isTreeDurable ? this.#tenant : contextId),
      payload: { tenant: 'acme' },
    };
  }
}

describe('A durable provider', () => {
  beforeEach(() => ContextIdFactory.apply(new OneTenant()));

  afterEach(async () => {
    // Nest has no way to take a strategy back.
    (ContextIdFactory as unknown as { strategy?: unknown }).strategy = undefined;
    await closeApps();
  });

  it('[C21] is reported when it holds a request-scoped one', async () => {
    const providers = [Session, Catalogue, Shop, worker([Shop])];
    expect(await findingsOf({ providers })).toEqual([
      {
        number: 'SW204',
        kind: 'durable-captive',
        severity: 'error',
        subject: 'Shop',
        token: Shop,
        chain: ['Worker.run', 'Shop', 'Catalogue', 'Session'],
        message:
          'Shop is durable and holds Session, which is request-scoped (Worker.run -> Shop -> Catalogue -> Session). The scope disposes Session after the tick, but the ContextIdStrategy keeps Shop, which goes on using it. Pass what Shop needs from Session as a method argument, or make Session durable as well.',
      },
    ]);
  });

  it('[C21] is reported if it is durable only because Nest overlooks a request-scoped member of its cycle', async () => {
    @Injectable()
    class Stock {
      @Inject(forwardRef(() => Basket)) readonly basket!: object;
      constructor(readonly prices: Prices) {}
    }
    @RequestScoped()
    class Basket {
      @Inject(forwardRef(() => Stock)) readonly stock!: object;
      constructor(readonly prices: Prices) {}
    }
    @Durable()
    class Store {
      constructor(readonly stock: Stock) {}
    }
    const providers = [Prices, Stock, Basket, Store, worker([Store])];
    const [captive] = await findingsOf({ providers });
    expect(captive).toMatchObject({ number: 'SW204', severity: 'error' });
    expect(captive?.chain.slice(-2)).toEqual(['Stock', 'Basket']);
  });

  it('[C21] does go on with what was disposed: the report is right', async () => {
    const seen: boolean[] = [];
    const look = worker([Shop], (_tick, { catalogue }: Shop) => {
      seen.push(catalogue.session.isOpen);
    });
    const test = await startApp({
      providers: [Session, Catalogue, Shop, look],
      options: { scopeValidation: 'warn' },
    });
    await test.registry.run('Worker.run');
    await test.registry.run('Worker.run');
    expect(seen).toEqual([true, false]);
    expect(told(test, 'warn')).toHaveLength(1);
  });

  it('[C21] is a warning where no tick builds it: nothing is disposed, but the first one is kept', async () => {
    const providers = [Session, Catalogue, Shop];
    const test = await startApp({ providers });
    const line =
      '[SW204] Shop is durable and holds Session, which is request-scoped (Shop -> Catalogue -> Session). Shop keeps the Session of the first request for all later ones. Pass what Shop needs from Session as a method argument, or make Session durable as well.';
    expect(told(test)).toEqual([line]);
    expect(await findingsOf({ providers })).toMatchObject([{ severity: 'warning' }]);
  });

  it('[C3] is the one next to the culprit, of two that hold each other', async () => {
    @Durable()
    class Chain {
      constructor(readonly shop: Shop) {}
    }
    const providers = [Session, Catalogue, Shop, Chain, worker([Chain])];
    expect(await findingsOf({ providers })).toMatchObject([
      { subject: 'Shop', chain: ['Worker.run', 'Chain', 'Shop', 'Catalogue', 'Session'] },
    ]);
  });

  describe('is reported however it gets hold of it:', () => {
    @Durable()
    class ByProperty {
      @Inject(Session) readonly session!: Session;
    }
    @Durable()
    class IfThere {
      constructor(@Optional() readonly session?: Session) {}
    }
    @Transient()
    class Helper {
      constructor(readonly session: Session) {}
    }
    @Durable()
    class ByTransient {
      constructor(readonly helper: Helper) {}
    }

    it.each<[string, Provider[], string[]]>([
      ['a property', [ByProperty], ['ByProperty', 'Session']],
      ['an optional dependency', [IfThere], ['IfThere', 'Session']],
      ['a transient', [ByTransient, Helper], ['ByTransient', 'Helper', 'Session']],
      [
        'a durable factory',
        [
          {
            provide: 'made',
            scope: Scope.REQUEST,
            durable: true,
            inject: [Session],
            useFactory: (session: Session) => ({ session }),
          },
        ],
        ['made', 'Session'],
      ],
    ])('[C21] %s', async (_what, providers, chain) => {
      const [first] = providers;
      const token = typeof first === 'function' ? first : first!.provide;
      const findings = await findingsOf({ providers: [Session, ...providers, worker([token])] });
      expect(findings).toMatchObject([
        { kind: 'durable-captive', chain: ['Worker.run', ...chain] },
      ]);
    });
  });

  it('[C21] is reported when it asks for the tick, which ends before it', async () => {
    @Durable()
    class ForTicks {
      constructor(@InjectTick() readonly tick: Tick) {}
    }
    const [finding, ...others] = await findingsOf({ providers: [ForTicks, worker([ForTicks])] });
    expect(others).toEqual([]);
    expect(finding!.chain).toEqual(['Worker.run', 'ForTicks', 'Tick']);
    expect(finding!.message).toBe(
      'ForTicks is durable and injects the tick, but lives longer than a tick. Nest injects the payload of the durable context instead. Pass the tick as a method argument, or call currentTick() in the method.',
    );
  });

  describe('is reported when it holds a service that Nest builds for each tick only because of the tick', () => {
    @Injectable()
    class Progress {
      isOpen = true;

      constructor(@InjectTick() readonly tick: Tick) {}

      onModuleDestroy(): void {
        this.isOpen = false;
      }
    }
    @Durable()
    class Board {
      constructor(readonly progress: Progress) {}
    }

    it('[C21] which the scope disposes', async () => {
      const seen: boolean[] = [];
      const look = worker([Board], (_tick, { progress }: Board) => void seen.push(progress.isOpen));
      const { registry } = await startApp({
        providers: [Progress, Board, look],
        options: { scopeValidation: 'warn' },
      });
      await registry.run('Worker.run');
      await registry.run('Worker.run');
      expect(seen).toEqual([true, false]);
    });

    it('[C21] with the service as what it holds', async () => {
      const findings = await findingsOf({ providers: [Progress, Board, worker([Board])] });
      expect(findings.filter(({ kind }) => kind === 'durable-captive')).toMatchObject([
        {
          severity: 'error',
          subject: 'Board',
          chain: ['Worker.run', 'Board', 'Progress'],
          message:
            'Board is durable and holds Progress, which is request-scoped (Worker.run -> Board -> Progress). The scope disposes Progress after the tick, but the ContextIdStrategy keeps Board, which goes on using it. Pass what Board needs from Progress as a method argument, or make Progress durable as well.',
        },
      ]);
    });
  });

  describe('is not reported when it holds', () => {
    @Injectable()
    class Config {}
    @Durable()
    class TenantPool {
      constructor(
        readonly config: Config,
        @Inject(REQUEST) readonly payload: { readonly tenant: string },
      ) {}
    }
    @Injectable()
    class TenantService {
      constructor(readonly pool: TenantPool) {}
    }
    @Durable()
    class TenantCache {
      constructor(
        readonly service: TenantService,
        readonly pool: TenantPool,
      ) {}
    }
    @RequestScoped()
    class UnitOfWork {
      constructor(
        readonly pool: TenantPool,
        readonly session: Session,
      ) {}
    }
    @Transient()
    class Log {}
    @Durable()
    class WithLog {
      constructor(readonly log: Log) {}
    }
    @Durable()
    class Alone {}
    @Controller()
    class Home {
      constructor(readonly pool: TenantPool) {}
    }

    it.each<[string, Provider[]]>([
      ['singletons and the payload of its context, as REQUEST', [TenantPool, Config]],
      ['other durable ones, directly and through a service', [TenantCache, TenantService]],
      ['a transient', [WithLog, Log]],
      ['nothing', [Alone]],
      ['nothing of the request-scoped one that holds it', [UnitOfWork, Session]],
    ])('[C21] %s', async (_what, providers) => {
      const [first] = providers as [typeof Session];
      expect(
        await wordsAbout({
          controllers: [Home],
          providers: [Config, TenantPool, ...providers.slice(1), first, worker([first, Log]), Log],
        }),
      ).toEqual([]);
    });

    it('[C21] the payload: it is one instance for all ticks', async () => {
      const pools: TenantPool[] = [];
      const keep = worker([UnitOfWork], (_tick, { pool }: UnitOfWork) => void pools.push(pool));
      const { registry } = await startClean({
        providers: [Config, TenantPool, Session, UnitOfWork, keep],
      });
      await registry.run('Worker.run');
      await registry.run('Worker.run');
      expect(pools[1]).toBe(pools[0]);
    });
  });
});
