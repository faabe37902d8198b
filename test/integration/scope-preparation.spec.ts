import { Inject, Injectable, Scope, type Provider } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { ScopedCron, ScopedWorker, type Tick, InjectTick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { turns } from '../support/running-tick.js';
import { YEARLY, OnDemand, worker } from '../support/probes.js';

describe('The preparation of a scope', () => {
  afterEach(closeApps);

  describe('when preparation is asynchronous', () => {
    const journal: string[] = [];

    @Injectable({ scope: Scope.REQUEST })
    class Connection {
      async onScopeInit(): Promise<void> {
        journal.push('connection begins');
        await turn();
        journal.push('connection ready');
      }
    }

    @Injectable()
    class Repository {
      constructor(readonly connection: Connection) {
        journal.push('repository built');
      }

      async onScopeInit(): Promise<void> {
        await turn();
        journal.push('repository ready');
      }
    }

    const settings: Provider = {
      provide: 'settings',
      scope: Scope.REQUEST,
      inject: [Repository],
      useFactory: async () => {
        await turn();
        journal.push('settings ready');
        return {};
      },
    };

    @ScopedWorker()
    class Prepared {
      constructor(@Inject('settings') readonly settings: object) {
        journal.push('worker built');
      }

      async onScopeInit(): Promise<void> {
        await turn();
        journal.push('worker ready');
      }

      @ScopedCron(YEARLY)
      tick(_tick: Tick): void {
        journal.push('handler');
      }
    }

    it('[A18] it is finished, in the order of dependence, before the handler starts', async () => {
      const { registry } = await startApp({
        providers: [Connection, Repository, settings, Prepared],
      });
      await registry.run('Prepared.tick');
      expect(journal).toEqual([
        'connection begins',
        'connection ready',
        'repository built',
        'repository ready',
        'settings ready',
        'worker built',
        'worker ready',
        'handler',
      ]);
    });
  });

  describe('when a constructor throws', () => {
    const failure = Object.freeze({ reason: 'not even an Error' });

    it.each([
      ['an Error', new TypeError('no database')],
      ['an object that is not an Error', failure],
      ['undefined', undefined],
    ])('[C14] %s reaches the report as the same object', async (_kind, thrown) => {
      @Injectable({ scope: Scope.REQUEST })
      class Broken {
        constructor() {
          throw thrown;
        }
      }
      @Injectable()
      class Between {
        constructor(readonly broken: Broken) {}
      }
      @ScopedWorker()
      class OnTop {
        constructor(readonly between: Between) {}

        @ScopedCron(YEARLY)
        tick(): never {
          throw new Error('The handler is not entered.');
        }
      }
      const { registry, next } = await startApp({ providers: [Broken, Between, OnTop] });
      const finished = next('tick:finished');
      const report = await registry.run('OnTop.tick');
      expect(report).toMatchObject({ outcome: 'failed', phase: 'resolve' });
      expect(report.error).toBe(thrown);
      expect((await finished).error).toBe(thrown);
    });

    it("[C14] so does the worker's own, that of a factory and that of onScopeInit", async () => {
      const thrown = new Error('factory');
      const useFactory = (): Promise<never> => Promise.reject(thrown);
      @ScopedWorker()
      class FromFactory {
        constructor(@Inject('broken') readonly broken: unknown) {}

        @ScopedCron(YEARLY)
        tick(): void {}
      }
      @ScopedWorker()
      class FromHook {
        onScopeInit(): never {
          throw thrown;
        }

        @ScopedCron(YEARLY)
        tick(): void {}
      }
      @ScopedWorker()
      class FromItself {
        constructor() {
          throw thrown;
        }

        @ScopedCron(YEARLY)
        tick(): void {}
      }
      const { registry } = await startApp({
        providers: [
          { provide: 'broken', scope: Scope.REQUEST, useFactory },
          FromFactory,
          FromHook,
          FromItself,
        ],
      });
      for (const worker of [FromFactory, FromHook, FromItself]) {
        const report = await registry.run(`${worker.name}.tick`);
        expect(report).toMatchObject({ outcome: 'failed', phase: 'resolve' });
        expect(report.error).toBe(thrown);
      }
    });
  });
});

describe('A provider that several others depend on', () => {
  let isReady = false;
  let failure: Error | undefined;
  const early: string[] = [];

  @Injectable({ scope: Scope.REQUEST })
  class Connection {
    async onScopeInit(): Promise<void> {
      for (let turns = 0; turns < 5; turns += 1) await turn();
      if (failure !== undefined) throw failure;
      isReady = true;
    }
  }

  @Injectable()
  class Near {
    constructor(readonly connection: Connection) {
      if (!isReady) early.push('Near');
    }
  }

  @Injectable()
  class Deep {
    constructor(readonly connection: Connection) {
      if (!isReady) early.push('Deep');
    }
  }

  @Injectable()
  class Between {
    constructor(readonly deep: Deep) {}
  }

  @Injectable()
  class Far {
    constructor(readonly between: Between) {}
  }

  @ScopedWorker()
  class Diamond {
    constructor(
      readonly near: Near,
      readonly far: Far,
    ) {}

    @OnDemand()
    run(): void {}
  }

  @ScopedWorker()
  class Resolving {
    @OnDemand()
    async run({ scope }: Tick): Promise<unknown> {
      const near = scope.resolve(Near);
      await turn();
      const deep = scope.resolve(Deep);
      return (await Promise.allSettled([near, deep])).map(({ status }) => status);
    }
  }

  @ScopedWorker()
  class InAnyTurn {
    @OnDemand()
    async run({ scope, payload }: Tick<number>): Promise<void> {
      const connection = scope.resolve(Connection);
      for (let turns = 0; turns < payload; turns += 1) await Promise.resolve();
      await scope.resolve(Near);
      await connection;
    }
  }

  /** Four links by property: `Near` looks up its dependency in the turn of the microtask queue in which it is constructed. */
  @ScopedWorker()
  class Chained {
    constructor(
      readonly connection: Connection,
      @Inject('CHAIN_4') readonly chain: unknown,
    ) {}

    @OnDemand()
    run(): void {}
  }
  const chain: Provider[] = [1, 2, 3, 4].map((index) => {
    @Injectable({ scope: Scope.REQUEST })
    class Link {
      @Inject(index === 1 ? Near : `CHAIN_${index - 1}`) readonly next: unknown;
    }
    return { provide: `CHAIN_${index}`, useClass: Link };
  });

  /** Resolves one of its dependents while it is prepared. */
  @Injectable({ scope: Scope.REQUEST })
  class Unit {
    rows: unknown;

    constructor(@InjectTick() private readonly tick: Tick) {}

    async onScopeInit(): Promise<void> {
      await turn();
      this.rows = await this.tick.scope.resolve(Rows);
    }
  }

  @Injectable()
  class Rows {
    constructor(readonly unit: Unit) {}
  }

  @ScopedWorker()
  class Late {
    constructor(readonly unit: Unit) {}

    @OnDemand()
    run(): boolean {
      return this.unit.rows instanceof Rows && this.unit.rows.unit === this.unit;
    }
  }

  const start = () =>
    startApp({ providers: [Connection, Near, Deep, Between, Far, Diamond, Resolving] });

  beforeEach(() => {
    isReady = false;
    failure = undefined;
    early.length = 0;
  });
  afterEach(closeApps);

  it('[A18] is prepared before any of them is built, however deep in the graph', async () => {
    const { registry } = await start();
    await expect(registry.run('Diamond.run')).resolves.toMatchObject({ outcome: 'succeeded' });
    expect(early).toEqual([]);
  });

  it('[A18] is prepared before a dependent is built that looks it up as soon as it is constructed', async () => {
    const { registry } = await startApp({ providers: [Connection, Near, Chained, ...chain] });
    for (const _tick of [1, 2, 3]) {
      isReady = false;
      await registry.run('Chained.run');
    }
    expect(early).toEqual([]);
  });

  it('[A18] is prepared before a resolved dependent is built, in whichever turn its build begins', async () => {
    const { registry } = await startApp({ providers: [Connection, Near, InAnyTurn] });
    for (let payload = 0; payload < 20; payload += 1) {
      isReady = false;
      await registry.run('InAnyTurn.run', { payload });
    }
    expect(early).toEqual([]);
  });

  it('[A18] is prepared before a dependent that is resolved meanwhile is built', async () => {
    const { registry } = await start();
    const { value } = await registry.run('Resolving.run');
    expect({ value, early }).toEqual({ value: ['fulfilled', 'fulfilled'], early: [] });
  });

  it('[A18] may resolve a dependent while it is prepared, without waiting for itself', async () => {
    const { registry } = await startApp({ providers: [Unit, Rows, Late] });
    await expect(registry.run('Late.run')).resolves.toMatchObject({ value: true });
  });

  it('[A18] may resolve a dependent in an arrow function too', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class ByArrow {
      rows: unknown;

      constructor(@InjectTick() private readonly tick: Tick) {}

      readonly onScopeInit = async (): Promise<void> => {
        this.rows = await this.tick.scope.resolve('ROWS');
      };
    }
    const rows = { provide: 'ROWS', inject: [ByArrow], useFactory: (unit: ByArrow) => ({ unit }) };
    const isWhole = (_tick: Tick, unit: ByArrow): boolean =>
      (unit.rows as { unit: unknown }).unit === unit;
    const { registry } = await startApp({ providers: [ByArrow, rows, worker([ByArrow], isWhole)] });
    await expect(registry.run('Worker.run')).resolves.toMatchObject({ value: true });
  });

  it('[A8] fails all of them when its preparation fails', async () => {
    failure = new Error('no database');
    const { registry } = await start();
    const { value } = await registry.run('Resolving.run');
    expect({ value, early }).toEqual({ value: ['rejected', 'rejected'], early: [] });
  });

  it.each([true, false])(
    '[B26] an instance that refuses an injected property is disposed, with onScopeInit: %p',
    async (isPrepared) => {
      const disposed: string[] = [];
      class Base {
        readonly isBuilt = true;
        set url(_: string) {
          if (this.isBuilt) throw new Error('bad url'); // Nest 11.0 also injects into an object that it has not constructed
        }
        [Symbol.dispose](): void {
          disposed.push('Client');
        }
      }
      @Injectable({ scope: Scope.REQUEST })
      class Client extends Base {}
      Inject('URL')(Client.prototype, 'url');
      if (isPrepared) Object.assign(Client.prototype, { onScopeInit: () => undefined });
      const url = { provide: 'URL', useValue: 'nowhere' };
      const { registry } = await startApp({ providers: [url, Client, worker([Client])] });
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ outcome: 'failed', phase: 'resolve', built: 1, disposed: 1 });
      expect(disposed).toEqual(['Client']);
    },
  );

  it('[A18] is waited for by what a factory resolves that a constructor began', async () => {
    const held = gate();
    const seen: boolean[] = [];
    @Injectable({ scope: Scope.REQUEST })
    class Unready {
      isReady = false;
      readonly lazy: Promise<unknown>;
      constructor(@InjectTick() { scope }: Tick) {
        this.lazy = scope.resolve('LAZY');
      }
      async onScopeInit(): Promise<void> {
        await held.opened;
        this.isReady = true;
      }
    }
    const dependent = {
      provide: 'DEPENDENT',
      inject: [Unready],
      useFactory: ({ isReady }: Unready) => seen.push(isReady),
    };
    const lazy = {
      provide: 'LAZY',
      inject: [REQUEST],
      useFactory: async ({ scope }: Tick) => {
        await turn();
        const resolved = scope.resolve('DEPENDENT');
        await turns();
        held.open();
        return { resolved: await resolved };
      },
    };
    const Worker = worker([Unready], async (_tick, unready: Unready) => void (await unready.lazy));
    const { registry } = await startApp({ providers: [Unready, dependent, lazy, Worker] });
    expect((await registry.run('Worker.run')).outcome).toBe('succeeded');
    expect(seen).toEqual([true]);
  });
});
