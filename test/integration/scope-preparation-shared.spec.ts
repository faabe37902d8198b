import { Inject, Injectable, Scope, type Provider } from '@nestjs/common';
import { InjectTick, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { turn } from '../support/gate.js';
import { OnDemand, worker } from '../support/probes.js';

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

  it('[A18] is prepared before one of them is built that looks it up as soon as it is constructed', async () => {
    const { registry } = await startApp({ providers: [Connection, Near, Chained, ...chain] });
    for (const _tick of [1, 2, 3]) {
      isReady = false;
      await registry.run('Chained.run');
    }
    expect(early).toEqual([]);
  });

  it('[A18] is prepared before what is resolved is built, in whichever turn that begins', async () => {
    const { registry } = await startApp({ providers: [Connection, Near, InAnyTurn] });
    for (let payload = 0; payload < 20; payload += 1) {
      isReady = false;
      await registry.run('InAnyTurn.run', { payload });
    }
    expect(early).toEqual([]);
  });

  it('[A18] is prepared before what is resolved meanwhile is built', async () => {
    const { registry } = await start();
    const { value } = await registry.run('Resolving.run');
    expect({ value, early }).toEqual({ value: ['fulfilled', 'fulfilled'], early: [] });
  });

  it('[A18] may resolve one of them while it is prepared, which does not wait for its own end', async () => {
    const { registry } = await startApp({ providers: [Unit, Rows, Late] });
    await expect(registry.run('Late.run')).resolves.toMatchObject({ value: true });
  });

  it('[A18] may resolve one of them in an arrow function too', async () => {
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
});
