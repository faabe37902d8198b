import { Inject, Injectable, Module, Scope, forwardRef, type ScopeOptions } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { InjectTick, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { forEachApp } from '../support/for-each.js';
import { turn } from '../support/gate.js';
import { OnDemand, probes, worker } from '../support/probes.js';
import { turns } from '../support/running-tick.js';

const FAILURE = new Error('not prepared');

function fail(): never {
  throw FAILURE;
}

/** Two providers that inject each other, and a connection that both inject. */
function circle(connect: () => unknown = () => ({})) {
  const { journal, Probe } = probes();

  @Injectable({ scope: Scope.REQUEST })
  class Orders extends Probe {
    constructor(
      @Inject(forwardRef(() => Customers)) readonly customers: InstanceType<typeof Probe>,
      @Inject('CONNECTION') readonly connection: unknown,
    ) {
      super();
    }
  }

  @Injectable({ scope: Scope.REQUEST })
  class Customers extends Probe {
    constructor(
      @Inject(forwardRef(() => Orders)) readonly orders: InstanceType<typeof Probe>,
      @Inject('CONNECTION') readonly connection: unknown,
    ) {
      super();
    }
  }

  @ScopedWorker()
  class Report {
    constructor(readonly orders: Orders) {}

    @OnDemand()
    run(): unknown {
      journal.note('entered Report');
      return (this.orders.customers as Customers).connection;
    }
  }

  const connection = { provide: 'CONNECTION', scope: Scope.REQUEST, useFactory: connect };
  return { journal, Orders, Customers, Report, providers: [connection, Orders, Customers, Report] };
}

describe('Providers that inject each other', () => {
  afterEach(closeApps);

  it('[A18] are built before the handler starts', async () => {
    const { journal, providers } = circle(async () => {
      await turns();
      return 'connected';
    });
    const { registry } = await startApp({ providers });
    await expect(registry.run('Report.run')).resolves.toMatchObject({ value: 'connected' });
    expect(journal.of('disposed').toSorted()).toEqual(['Customers', 'Orders']);
  });

  it('[A18] are initialized before the handler starts when one of another cycle resolves them', async () => {
    const { journal, Orders, Customers, providers } = circle();
    Object.assign(Customers.prototype, {
      async onScopeInit(): Promise<void> {
        await turns();
        journal.note('initialized Customers');
      },
    });

    @Injectable({ scope: Scope.REQUEST })
    class Left {
      constructor(
        @Inject(forwardRef(() => Right)) readonly right: unknown,
        @InjectTick() private readonly tick: Tick,
      ) {}

      async onScopeInit(): Promise<void> {
        await turns();
        await this.tick.scope.resolve(Orders);
      }
    }

    @Injectable({ scope: Scope.REQUEST })
    class Right {
      constructor(@Inject(forwardRef(() => Left)) readonly left: unknown) {}
    }

    @ScopedWorker()
    class Both {
      constructor(readonly left: Left) {}

      @OnDemand()
      run(): void {
        journal.note('entered Both');
      }
    }
    const { registry } = await startApp({ providers: [...providers, Left, Right, Both] });
    await expect(registry.run('Both.run')).resolves.toMatchObject({ outcome: 'succeeded' });
    expect(journal.lines.filter((each) => /initialized|entered/.test(each))).toEqual([
      'initialized Customers',
      'entered Both',
    ]);
  });

  it.each(['one module', 'two modules'])(
    '[A8, A18] are complete for each of two resolves at once, from %s',
    async (from) => {
      const lines: string[] = [];

      @Injectable({ scope: Scope.REQUEST })
      class Left {
        constructor(@Inject(forwardRef(() => Right)) readonly right: object) {}

        async onScopeInit(): Promise<void> {
          await turns();
          lines.push('initialized Left');
        }
      }

      @Injectable({ scope: Scope.REQUEST })
      class Right {
        constructor(@Inject(forwardRef(() => Left)) readonly left: object) {}
      }

      @Module({
        imports: [forwardRef(() => RightModule)],
        providers: from === 'two modules' ? [Left] : [Left, Right],
        exports: [Left],
      })
      class LeftModule {}

      @Module({
        imports: [forwardRef(() => LeftModule)],
        providers: from === 'two modules' ? [Right] : [],
        exports: from === 'two modules' ? [Right] : [],
      })
      class RightModule {}
      const { scopes } = await startApp({ imports: [LeftModule] });
      await scopes.run(async (scope) => {
        const right = scope.resolve(Right).then(() => lines.push('resolved'));
        await Promise.all([scope.resolve(Left).then(() => lines.push('resolved')), right]);
      });
      await scopes.run(async (scope) => {
        const left = scope.resolve(Left).then(() => lines.push('resolved'));
        await Promise.all([scope.resolve(Right).then(() => lines.push('resolved')), left]);
      });
      const both = ['initialized Left', 'resolved', 'resolved'];
      expect(lines).toEqual([...both, ...both]);
    },
  );

  it.each<[string, () => unknown, object]>([
    ['are complete', () => undefined, { outcome: 'succeeded', attempts: 1 }],
    ['fail with the error of a member', fail, { outcome: 'failed', phase: 'open', error: FAILURE }],
  ])('[A8, A18] %s for the list of forEach', async (_, init, report) => {
    const lines: string[] = [];

    @Injectable({ scope: Scope.REQUEST })
    class Left {
      constructor(@Inject(forwardRef(() => Right)) readonly right: object) {}

      async onScopeInit(): Promise<void> {
        await turns();
        lines.push('initialized Left');
        init();
      }
    }

    @Injectable({ scope: Scope.REQUEST })
    class Right {
      constructor(@Inject(forwardRef(() => Left)) readonly left: object) {}
    }

    const list = (): string[] => {
      lines.push('listed');
      return ['item'];
    };
    const { registry } = await forEachApp({ inject: [Right], list, providers: [Left, Right] });
    const ended = await registry.run('Worker.run');
    expect(ended).toMatchObject(report);
    expect(lines).toEqual(['initialized Left', 'listed'].slice(0, ended.attempts + 1));
  });

  describe('of which one is injected by property, and the other has onScopeInit', () => {
    const run = async (init: () => unknown) => {
      const lines: string[] = [];
      @Injectable({ scope: Scope.REQUEST })
      class Near {
        @Inject(forwardRef(() => Far)) far!: unknown;
      }
      @Injectable({ scope: Scope.REQUEST })
      class Far {
        constructor(@Inject(forwardRef(() => Near)) readonly near: object) {
          lines.push('Far built');
        }

        async onScopeInit(): Promise<void> {
          await turns();
          await init();
          lines.push('Far ready');
        }
      }
      const handler = async (): Promise<void> => {
        lines.push('handler');
        await turns();
      };
      const { registry } = await startApp({ providers: [Near, Far, worker([Near, Far], handler)] });
      return { report: await registry.run('Worker.run'), lines };
    };

    it('[A18] finish it before the handler starts', async () => {
      const { report, lines } = await run(() => undefined);
      expect(report).toMatchObject({ outcome: 'succeeded' });
      expect(lines).toEqual(['Far built', 'Far ready', 'handler']);
    });

    it('[B26] fail the tick when it fails, without the handler', async () => {
      const error = new Error('not ready');
      const { report, lines } = await run(() => Promise.reject(error));
      expect(report).toMatchObject({ outcome: 'failed', phase: 'resolve', error });
      expect(lines).toEqual(['Far built']);
    });
  });

  it('[A8, B26] fail again, with what depends on them, when the handler has caught the error of onScopeInit', async () => {
    const { Orders, Customers, providers } = circle();
    const onScopeInit = (): Promise<never> => turn().then(() => Promise.reject(new Error('down')));
    Object.assign(Orders.prototype, { onScopeInit });
    const dependent = {
      provide: 'DEPENDENT',
      scope: Scope.REQUEST,
      inject: [Orders],
      useFactory: () => ({}),
    };
    const tokens = [Orders, Orders, Customers, 'DEPENDENT'];
    const resolving = worker([], async ({ scope }) => {
      const errors: unknown[] = [];
      for (const token of tokens) errors.push(await scope.resolve(token).then(() => token, String));
      return errors;
    });
    const { registry } = await startApp({ providers: [...providers, dependent, resolving] });
    const { value } = await registry.run('Worker.run');
    expect(value).toEqual(tokens.map(() => 'Error: down'));
  });

  it('[B26] fail the tick when one of them cannot be built', async () => {
    const { journal, Customers, providers } = circle();
    Object.defineProperty(Customers.prototype, 'connection', {
      set: () => {
        throw new Error('no customers');
      },
    });
    const { registry } = await startApp({ providers });
    for (let ticks = 0; ticks < 2; ticks += 1) {
      const { outcome, phase, error } = await registry.run('Report.run');
      expect({ outcome, phase, error }).toEqual({
        outcome: 'failed',
        phase: 'resolve',
        error: new Error('no customers'),
      });
    }
    expect(journal.of('entered')).toEqual([]);
  });

  it('[B26, B33] fail the tick when their common dependency cannot be built', async () => {
    let isDown = true;
    const { journal, providers } = circle(async () => {
      await turn();
      if (isDown) throw new Error('no database');
      return 'connected';
    });
    const { registry } = await startApp({ providers });
    await expect(registry.run('Report.run')).resolves.toMatchObject({
      phase: 'resolve',
      error: new Error('no database'),
    });
    expect(journal.lines).toEqual([]);
    isDown = false;
    await expect(registry.run('Report.run')).resolves.toMatchObject({ value: 'connected' });
  });

  it('[B20, B22] are refused when the scope closes before they are built', async () => {
    const { journal, Orders, providers } = circle(() => turn());
    const { scopes } = await startApp({ providers });
    const scope = await scopes.open();
    const resolving = scope.resolve(Orders);
    await scope[Symbol.asyncDispose]();
    await expect(resolving).rejects.toMatchObject({ code: 'SCOPE_CLOSED' });
    await turn();
    expect(journal.of('disposed').toSorted()).toEqual(journal.of('built').toSorted());
  });

  it('[A18] may resolve another provider while one of them is prepared', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Settings {}

    @Injectable({ scope: Scope.REQUEST })
    class Left {
      settings: unknown;

      constructor(
        @Inject(forwardRef(() => Right)) readonly right: unknown,
        @InjectTick() readonly tick: Tick,
      ) {}

      async onScopeInit(): Promise<void> {
        this.settings = await this.tick.scope.resolve(Settings);
      }
    }

    @Injectable({ scope: Scope.REQUEST })
    class Right {
      constructor(@Inject(forwardRef(() => Left)) readonly left: unknown) {}
    }
    const providers = [
      Settings,
      Left,
      Right,
      worker([Left], (_tick, left: Left) => left.settings instanceof Settings),
    ];
    const { registry } = await startApp({ providers });
    await expect(registry.run('Worker.run')).resolves.toMatchObject({ value: true });
  });

  it.each([1, 2])(
    '[A18] may await what a constructor began to resolve, in %d modules',
    async (modules) => {
      @Injectable({ scope: Scope.REQUEST })
      class Settings {}

      @Injectable({ scope: Scope.REQUEST })
      class Left {
        readonly settings: Promise<unknown>;

        constructor(
          @Inject(forwardRef(() => Right)) readonly right: unknown,
          @InjectTick() tick: Tick,
        ) {
          this.settings = tick.scope.resolve(Settings);
        }

        async onScopeInit(): Promise<void> {
          await this.settings;
        }
      }

      @Injectable({ scope: Scope.REQUEST })
      class Right {
        constructor(@Inject(forwardRef(() => Left)) readonly left: unknown) {}
      }
      @Module({ imports: [forwardRef(() => RightModule)], providers: [Left], exports: [Left] })
      class LeftModule {}
      @Module({ imports: [forwardRef(() => LeftModule)], providers: [Right], exports: [Right] })
      class RightModule {}
      const Worker = worker([Left], () => 'ran');
      const app =
        modules === 1
          ? { providers: [Settings, Left, Right, Worker] }
          : { imports: [LeftModule], providers: [Settings, Worker] };
      const { registry } = await startApp(app);
      await expect(registry.run('Worker.run')).resolves.toMatchObject({ value: 'ran' });
    },
  );

  describe('beside a constructor that starts a resolve for which onScopeInit waits', () => {
    @Injectable({ scope: Scope.REQUEST })
    class Settings {}

    class Prepared {
      constructor(readonly settings: Promise<unknown> | undefined) {}

      async onScopeInit(): Promise<void> {
        await this.settings;
      }
    }

    @Injectable({ scope: Scope.REQUEST })
    class Beside extends Prepared {
      constructor(@InjectTick() { scope, payload }: Tick) {
        super(payload === 'dependency' ? scope.resolve(Settings) : undefined);
      }
    }

    @Injectable({ scope: Scope.REQUEST })
    class Left extends Prepared {
      constructor(
        @Inject(forwardRef(() => Right)) readonly right: unknown,
        readonly beside: Beside,
        @InjectTick() { scope, payload }: Tick,
      ) {
        super(payload === 'member' ? scope.resolve(Settings) : undefined);
      }
    }

    @Injectable({ scope: Scope.REQUEST })
    class Right {
      @Inject(forwardRef(() => Left)) readonly left!: Left;
    }

    it.each([
      ['a member', 'member', Left],
      ['a member, reached through the other', 'member', Right],
      ['a dependency of a member', 'dependency', Left],
      ['a dependency of a member, reached through the other', 'dependency', Right],
    ])('[A8] do not wait for %s that waits for them', async (_who, payload, injected) => {
      const providers = [Settings, Beside, Left, Right, worker([injected], () => 'entered')];
      const { registry } = await startApp({ providers });
      const run = registry.run('Worker.run', { payload });
      await expect(run).resolves.toMatchObject({ value: 'entered' });
    });
  });

  it('[A8] do not hold up a factory that resolves something while one of them is prepared', async () => {
    const { Orders, Customers, providers } = circle();
    Object.assign(Orders.prototype, { onScopeInit: () => turn() });
    const settings = {
      provide: 'SETTINGS',
      scope: Scope.REQUEST,
      inject: [REQUEST],
      useFactory: async ({ scope }: Tick) => {
        await turn();
        await turn();
        return scope.resolve(Customers);
      },
    };
    const reads = worker(
      [Orders, 'SETTINGS'],
      (_tick, orders: { customers: unknown }, settings) => {
        return orders.customers === settings;
      },
    );
    const { registry } = await startApp({ providers: [...providers, settings, reads] });
    await expect(registry.run('Worker.run')).resolves.toMatchObject({ value: true });
  });

  it('[B26] fail the tick, not the process, when a transient among them cannot be initialized', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Holder {
      constructor(@Inject(forwardRef(() => Part)) readonly part: unknown) {}
    }
    @Injectable({ scope: Scope.TRANSIENT })
    class Part {
      constructor(@Inject(forwardRef(() => Holder)) readonly holder: unknown) {}
      async onScopeInit(): Promise<void> {
        await turn();
        throw new Error('part down');
      }
    }
    const { registry } = await startApp({ providers: [Holder, Part, worker([Holder])] });
    expect(String((await registry.run('Worker.run')).error)).toBe('Error: part down');
    await turns();
  });

  const places = ['Left', 'Right', 'a dependency of both'];
  const partners: [string, ScopeOptions][] = [
    ['singleton', {}],
    ['transient', { scope: Scope.TRANSIENT }],
    ['request-scoped', { scope: Scope.REQUEST }],
  ];
  it.each(partners.flatMap(([kind, scope]) => places.map((place) => ({ kind, scope, place }))))(
    '[B26] fail the tick, not the process, when $place cannot be built, in a cycle of a transient with a $kind provider',
    async ({ scope, place }) => {
      let builds = 0;
      const build = (built: string): void => {
        builds += 1;
        if (builds < 10 && built === place) throw FAILURE;
      };
      @Injectable({ scope: Scope.TRANSIENT })
      class Left {
        @Inject(forwardRef(() => Right)) readonly right!: object;
        constructor(@Inject('CONNECTION') readonly connection: object) {
          build('Left');
        }
      }
      @Injectable(scope)
      class Right {
        @Inject(forwardRef(() => Left)) readonly left!: object;
        constructor(@Inject('CONNECTION') readonly connection: object) {
          build('Right');
        }
      }
      const connection = {
        provide: 'CONNECTION',
        scope: Scope.REQUEST,
        useFactory: async () => {
          await turn();
          build('a dependency of both');
          return {};
        },
      };
      const { registry } = await startApp({ providers: [Left, Right, connection, worker([Left])] });
      for (let tick = 0; tick < 2; tick += 1) {
        expect(await registry.run('Worker.run')).toMatchObject({ error: FAILURE });
        await turns();
      }
    },
  );
});
