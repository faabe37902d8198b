import { afterEach, describe, expect, it } from '@jest/globals';
import { forwardRef, Inject, Injectable, Scope, UseGuards } from '@nestjs/common';
import { ScopeClosedError, ScopedWorker, type LateCall, type Tick } from '../../lib/index.js';
import { closeApps, startApp, type TestAppOptions } from '../support/app.js';
import { gate } from '../support/gate.js';
import { OnDemand, probes, RequestScoped, Transient, worker } from '../support/probes.js';
import { EventEmitter } from 'node:events';

const caught = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

describe('leakDetection: { strict: true }', () => {
  afterEach(closeApps);

  async function start(options: TestAppOptions, strict = true) {
    const test = await startApp({ ...options, options: { leakDetection: { strict } } });
    const calls: LateCall[] = [];
    test.events.on('leak:call', (call) => calls.push(call));
    return { ...test, calls };
  }

  class Mailer {
    readonly #sent: string[] = [];
    send(to: string): number {
      return this.#sent.push(to);
    }
    get sent(): readonly string[] {
      return this.#sent;
    }
  }
  RequestScoped()(Mailer);

  it('[C23] refuses a call after the end, with the stack of the call and of the closing', async () => {
    const late = gate();
    let floating: Promise<unknown> | undefined;
    const Worker = worker([Mailer], (_tick: Tick, mailer: Mailer) => {
      mailer.send('in time');
      floating = late.opened.then(() => caught(() => mailer.send('too late')));
    });
    const { registry, calls, log } = await start({ providers: [Worker, Mailer] });
    const { tickId, history, outcome } = await registry.run('Worker.run');
    expect(outcome).toBe('succeeded');
    expect(calls).toEqual([]);
    late.open();
    const error = (await floating) as ScopeClosedError;

    const { scopeId } = history[0]!;
    const where = `scope ${scopeId} of Worker.run (${tickId})`;
    expect(error).toBeInstanceOf(ScopeClosedError);
    expect(error.message).toBe(
      `Cannot call Mailer.send: ${where} is closed. Await all work before the handler returns, or pass it to scope.waitFor().`,
    );
    expect(error.stack?.split('\n')[1]).toContain('leak-strict.spec.ts');
    const { message, stack } = error.cause as Error;
    expect(message).toMatch(/^Scope .* of Worker\.run \(.*\) closed at \d{4}-.*Z\.$/);
    expect(stack?.split('\n')[1]).toContain('attempt-runner');
    const names = { schedule: 'Worker.run', className: 'Mailer', method: 'send' };
    expect(calls).toEqual([{ ...names, tickId, scopeId, error }]);
    expect(log.of('error')).toEqual([error.message]);
  });

  it('[C23] shows who closed a standalone scope', async () => {
    const { scopes, calls } = await start({ providers: [Mailer] });
    const scope = await scopes.open();
    const mailer = await scope.resolve(Mailer);
    await scope.complete();
    const error = caught(() => mailer.send('too late')) as ScopeClosedError;

    expect(error).toBeInstanceOf(ScopeClosedError);
    expect((error.cause as Error).stack).toContain('leak-strict.spec.ts');
    expect(calls).toMatchObject([{ schedule: undefined, tickId: undefined }]);
  });

  it('lets a call pass until the scope has closed, and reads of properties after it', async () => {
    const { journal, Probe } = probes();
    @RequestScoped()
    class Connection extends Probe {
      readonly #queries: string[] = [];
      query(sql: string): number {
        journal.note(`queried ${sql}`);
        return this.#queries.push(sql);
      }
    }
    @RequestScoped()
    class Session extends Probe {
      constructor(readonly connection: Connection) {
        super();
      }
      onScopeInit(): void {
        this.connection.query('init');
      }
      onScopeCommit(): void {
        this.connection.query('commit');
      }
      override async [Symbol.asyncDispose](): Promise<void> {
        this.connection.query('dispose');
        await super[Symbol.asyncDispose]();
      }
    }
    let session: Session | undefined;
    const Worker = worker([Session, Mailer], ({ scope }: Tick, its: Session, mailer: Mailer) => {
      session = its;
      mailer.send('a');
      scope.defer(() => journal.note(`deferred ${mailer.send('b')}`));
    });
    const { registry, calls } = await start({ providers: [Worker, Session, Connection, Mailer] });
    const report = await registry.run('Worker.run');

    expect(report.error).toBeUndefined();
    expect(report).toMatchObject({ outcome: 'succeeded', built: 4, disposed: 2 });
    expect(journal.lines).toEqual([
      'built Connection',
      'built Session',
      'queried init',
      'queried commit',
      'deferred 2',
      'queried dispose',
      'disposed Session',
      'disposed Connection',
    ]);
    expect(session?.connection).toBeInstanceOf(Connection);
    expect(calls).toEqual([]);
    expect(caught(() => session?.connection.query('late'))).toBeInstanceOf(ScopeClosedError);
  });

  it('returns one object for one instance, wherever it is injected or resolved', async () => {
    @Transient()
    class Part {}
    @RequestScoped()
    class Repository {
      @Inject(Mailer) readonly byProperty!: Mailer;
      constructor(
        readonly mailer: Mailer,
        readonly part: Part,
      ) {}
    }
    const alias = { provide: 'ALIAS', useExisting: Mailer };
    const factory = {
      provide: 'FACTORY',
      scope: Scope.REQUEST,
      inject: [Mailer],
      useFactory: async (mailer: Mailer) => ({ mailer, send: (to: string) => mailer.send(to) }),
    };
    interface Made {
      mailer: Mailer;
      send(to: string): number;
    }
    let made: Made | undefined;
    const tokens = [Mailer, Repository, Part, 'ALIAS', 'FACTORY'];
    const Worker = worker(
      tokens,
      async (
        { scope }: Tick,
        mailer: Mailer,
        repository: Repository,
        part: Part,
        same: Mailer,
        its: Made,
      ) => {
        made = its;
        const { byProperty } = repository;
        const all = [repository.mailer, byProperty, same, its.mailer, await scope.resolve(Mailer)];
        return [all.map((each) => each === mailer), repository.part === part, its.send('a')];
      },
    );
    const { registry } = await start({
      providers: [Worker, Mailer, Repository, Part, alias, factory],
    });

    const { value, error } = await registry.run('Worker.run');
    expect(error).toBeUndefined();
    expect(value).toEqual([[true, true, true, true, true], false, 1]);
    expect(caught(() => made?.send('late'))).toBeInstanceOf(ScopeClosedError);
  });

  it('leaves alone what no scope owns, and members of circles', async () => {
    @Injectable()
    class Singleton {
      call(): string {
        return 'singleton';
      }
    }
    @RequestScoped()
    class Left {
      constructor(@Inject(forwardRef(() => Right)) readonly right: object) {}
      call(): string {
        return 'left';
      }
    }
    @RequestScoped()
    class Right {
      constructor(@Inject(forwardRef(() => Left)) readonly left: object) {}
    }
    const pool = { call: () => 'pool' };
    let late: (() => string)[] = [];
    const tokens = [Singleton, Left, 'POOL', 'VALUE'];
    const Worker = worker(tokens, (_tick: Tick, ...injected: { call(): string }[]) => {
      late = injected.map((each) => () => each.call());
    });
    const { registry, calls } = await start({
      providers: [
        Worker,
        Singleton,
        Left,
        Right,
        { provide: 'POOL', scope: Scope.REQUEST, inject: ['VALUE'], useFactory: () => pool },
        { provide: 'VALUE', useValue: pool },
      ],
    });
    const { error } = await registry.run('Worker.run');

    expect(error).toBeUndefined();
    expect(late.map((call) => call())).toEqual(['singleton', 'left', 'pool', 'pool']);
    expect(calls).toEqual([]);
  });

  it('lets a pool pass an object to one scope after the other', async () => {
    const connection = { query: () => 'rows', [Symbol.dispose]: () => undefined };
    const pooled = { provide: 'POOLED', scope: Scope.REQUEST, useFactory: () => connection };
    const seen: { query(): string }[] = [];
    const Worker = worker(['POOLED'], (_tick: Tick, its: { query(): string }) => {
      seen.push(its);
      return its.query();
    });
    const { registry } = await start({ providers: [Worker, pooled] });

    expect((await registry.run('Worker.run')).value).toBe('rows');
    expect((await registry.run('Worker.run')).value).toBe('rows');
    expect(caught(() => seen[0]?.query())).toBeInstanceOf(ScopeClosedError);
    expect(connection.query()).toBe('rows');
  });

  it('runs guards on handlers, with a guard of the scope in its proxy', async () => {
    @RequestScoped()
    class Guard {
      readonly #allowed = true;
      canActivate(): boolean {
        return this.#allowed;
      }
    }
    let guarded = 0;
    @ScopedWorker()
    class Guarded {
      readonly #count = 1;
      @UseGuards(Guard)
      @OnDemand()
      run(): void {
        guarded += this.#count;
      }
    }
    const { registry } = await start({ providers: [Guarded, Guard] });

    expect(await registry.run('Guarded.run')).toMatchObject({ outcome: 'succeeded' });
    expect(guarded).toBe(1);
  });

  it('refuses nothing when it is off', async () => {
    const { scopes, calls } = await start({ providers: [Mailer] }, false);
    const scope = await scopes.open();
    const mailer = await scope.resolve(Mailer);
    await scope.complete();

    expect(mailer.send('too late')).toBe(1);
    expect(calls).toEqual([]);
  });
});

describe('leakDetection: { strict: true } and a listener that is removed after the scope has closed', () => {
  afterEach(closeApps);

  async function start(given: object, handler: (tick: Tick, given: never) => unknown) {
    const GIVEN = Symbol('given');
    const Worker = worker([GIVEN], handler as never);
    const provider = { provide: GIVEN, scope: Scope.REQUEST, useFactory: () => given };
    const test = await startApp({
      providers: [Worker, provider],
      options: { leakDetection: { strict: true } },
    });
    const calls: LateCall[] = [];
    test.events.on('leak:call', (call) => calls.push(call));
    return { ...test, calls };
  }

  it('lets `fetch` remove its own listener from a scoped AbortSignal', async () => {
    let late: (() => void) | undefined;
    const { registry, calls } = await start(
      new AbortController().signal,
      (_tick: Tick, signal: AbortSignal) => {
        const listener = (): void => undefined;
        signal.addEventListener('abort', listener, { once: true });
        // undici does this in a FinalizationRegistry, when the Request is collected.
        late = () => signal.removeEventListener('abort', listener);
      },
    );
    expect((await registry.run('Worker.run')).outcome).toBe('succeeded');

    expect(() => late?.()).not.toThrow();
    expect(calls).toEqual([]);
  });

  it('lets code remove a listener of an EventEmitter', async () => {
    const late: (() => void)[] = [];
    const { registry, calls } = await start(
      new EventEmitter(),
      (_tick: Tick, emitter: EventEmitter) => {
        const listener = (): void => undefined;
        emitter.on('end', listener);
        late.push(
          () => emitter.off('end', listener),
          () => emitter.removeListener('end', listener),
        );
      },
    );
    await registry.run('Worker.run');

    for (const takeOff of late) expect(takeOff).not.toThrow();
    expect(calls).toEqual([]);
  });
});
