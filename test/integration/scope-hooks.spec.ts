import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Scope, type Provider } from '@nestjs/common';
import { ContextIdFactory, type HostComponentInfo } from '@nestjs/core';
import type { Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { probes, RequestScoped, Transient, worker } from '../support/probes.js';

describe('Scope hooks', () => {
  const { journal, Probe } = probes();
  let failing: string | undefined;

  class Hooked extends Probe {
    async onScopeCommit(): Promise<void> {
      await this.call('committed');
    }
    async onScopeRollback(error: unknown): Promise<void> {
      causes.push(error);
      await this.call('rolled back');
    }
    private async call(what: string): Promise<void> {
      await turn();
      const line = `${what} ${this.constructor.name}`;
      journal.note(line);
      if (failing === line) throw new Error(`not ${line}`);
    }
  }
  @RequestScoped()
  class First extends Hooked {}
  @RequestScoped()
  class Second extends Hooked {
    constructor(readonly first: First) {
      super();
    }
  }
  @RequestScoped()
  class Third extends Hooked {
    constructor(readonly second: Second) {
      super();
    }
  }
  let causes: unknown[] = [];

  beforeEach(() => {
    journal.lines.length = 0;
    failing = undefined;
    causes = [];
  });
  afterEach(closeApps);

  async function run(
    handler: (tick: Tick) => unknown = () => journal.note('called handler'),
    providers: Provider[] = [],
    options = {},
  ) {
    const { registry } = await startApp({
      providers: [worker([Third], handler, options), First, Second, Third, ...providers],
    });
    const report = await registry.run('Worker.run');
    return { report, lines: journal.lines.filter((line) => !line.startsWith('built ')) };
  }

  const disposals = ['disposed Third', 'disposed Second', 'disposed First'];
  const rollbacks = ['rolled back Third', 'rolled back Second', 'rolled back First'];

  it('[B38] commit after handler and waitFor work, newest first, before any disposer', async () => {
    const { report, lines } = await run(({ scope }) => {
      scope.waitFor(turn().then(() => journal.note('done work')));
      journal.note('called handler');
    });

    expect(report.outcome).toBe('succeeded');
    expect(lines).toEqual([
      'called handler',
      'done work',
      'committed Third',
      'committed Second',
      'committed First',
      ...disposals,
    ]);
  });

  it('[B38] roll back with the error of the handler, newest first, before any disposer', async () => {
    const error = new Error('handler down');
    const { lines } = await run(() => Promise.reject(error));

    expect(lines).toEqual([...rollbacks, ...disposals]);
    expect(causes).toEqual([error, error, error]);
    expect(causes[0]).toBe(error);
  });

  it('[B38] roll back when only waitFor work has failed', async () => {
    const { report, lines } = await run(({ scope }) =>
      scope.waitFor(turn().then(() => Promise.reject(new Error('work down')))),
    );

    expect(report).toMatchObject({ outcome: 'failed', error: new Error('work down') });
    expect(lines).toEqual([...rollbacks, ...disposals]);
  });

  it('[B38] roll back when the tick was cancelled before its handler ended with the abort', async () => {
    const started = gate();
    const { registry } = await startApp({
      providers: [
        worker([Third], async ({ signal }) => {
          const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve));
          started.open();
          await aborted;
          signal.throwIfAborted();
        }),
        First,
        Second,
        Third,
      ],
    });
    const ended = registry.run('Worker.run');
    await started.opened;
    registry.cancel('Worker.run');

    expect(await ended).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
    expect(journal.lines.slice(3)).toEqual([...rollbacks, ...disposals]);
  });

  it('[B38] roll back when the tick timed out, though its handler ended well', async () => {
    const { report, lines } = await run(
      ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)),
      [],
      { timeoutMs: 1 },
    );

    expect(report.outcome).toBe('timed-out');
    expect(lines).toEqual([...rollbacks, ...disposals]);
  });

  it('[B38] roll back what was built when a construction fails', async () => {
    @RequestScoped()
    class Broken {
      constructor(readonly third: Third) {
        throw new Error('database down');
      }
    }
    const { registry } = await startApp({
      providers: [worker([Broken]), Broken, First, Second, Third],
    });
    const report = await registry.run('Worker.run');

    expect(report).toMatchObject({ outcome: 'failed', phase: 'resolve' });
    expect(journal.lines.slice(3)).toEqual([...rollbacks, ...disposals]);
  });

  describe('when a commit fails', () => {
    it('[L4] [B38] fail the tick in the phase commit; the failed one and the rest are rolled back with that error', async () => {
      failing = 'committed Second';
      const { report, lines } = await run();

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit', disposeErrors: [] });
      expect(report.error).toEqual(new Error('not committed Second'));
      expect(lines).toEqual([
        'called handler',
        'committed Third',
        'committed Second',
        'rolled back Second',
        'rolled back First',
        ...disposals,
      ]);
      expect(causes).toEqual([report.error, report.error]);
    });

    it('[L4] keep its error the first when its own rollback fails as well, and go on', async () => {
      class Stubborn extends Hooked {
        override async onScopeRollback(error: unknown): Promise<void> {
          await super.onScopeRollback(error);
          throw new Error('still not rolled back');
        }
      }
      @RequestScoped()
      class Fourth extends Stubborn {
        constructor(readonly third: Third) {
          super();
        }
      }
      failing = 'committed Fourth';
      const { registry } = await startApp({
        providers: [worker([Fourth]), Fourth, First, Second, Third],
      });
      const report = await registry.run('Worker.run');

      expect(report).toMatchObject({ phase: 'commit', error: new Error('not committed Fourth') });
      expect(report.disposeErrors).toEqual([new Error('still not rolled back')]);
      expect(journal.of('rolled')).toEqual([
        'back Fourth',
        'back Third',
        'back Second',
        'back First',
      ]);
    });

    it('[L4] roll back in a standalone scope too, and reject with that error', async () => {
      failing = 'committed Third';
      const { scopes } = await startApp({ providers: [First, Second, Third] });
      const run = scopes.run((scope) => scope.resolve(Third));

      await expect(run).rejects.toEqual(new Error('not committed Third'));
      expect(journal.lines.slice(3)).toEqual(['committed Third', ...rollbacks, ...disposals]);
    });

    it('[B38] keep its error the first when a disposer fails as well', async () => {
      failing = 'committed First';
      const { report } = await run(({ scope }) =>
        scope.defer(() => Promise.reject(new Error('cannot clean up'))),
      );

      expect(report.error).toEqual(new Error('not committed First'));
      expect(report.disposeErrors).toEqual([new Error('cannot clean up')]);
    });
  });

  it('[B38] go on after a rollback that fails, whose error appears beside that of the handler', async () => {
    failing = 'rolled back Third';
    const { report, lines } = await run(() => Promise.reject(new Error('handler down')));

    expect(report).toMatchObject({ outcome: 'failed', phase: 'handler' });
    expect(report.error).toEqual(new Error('handler down'));
    expect(report.disposeErrors).toEqual([new Error('not rolled back Third')]);
    expect(lines).toEqual([...rollbacks, ...disposals]);
  });

  it('[B38] are called on an instance that has no disposer, and once though it has aliases', async () => {
    const calls: string[] = [];
    @RequestScoped()
    class OnlyCommit {
      onScopeCommit(): void {
        calls.push('committed');
      }
    }
    const { registry } = await startApp({
      providers: [
        worker([OnlyCommit, 'ALIAS']),
        OnlyCommit,
        { provide: 'ALIAS', useExisting: OnlyCommit },
      ],
    });
    await registry.run('Worker.run');

    expect(calls).toEqual(['committed']);
  });

  it('[A18] see property-injected dependencies in onScopeInit, even if it is an arrow function', async () => {
    const seen: unknown[] = [];
    @RequestScoped()
    class Prepared {
      @Inject(First) readonly first!: First;
      onScopeInit(): void {
        seen.push(this.first);
      }
    }
    @RequestScoped()
    class ByArrow {
      @Inject(First) readonly first!: First;
      readonly onScopeInit = (): void => void seen.push(this.first);
    }
    const { registry } = await startApp({
      providers: [worker([Prepared, ByArrow]), Prepared, ByArrow, First],
    });
    await registry.run('Worker.run');

    expect(seen).toEqual([expect.any(First), expect.any(First)]);
  });

  it('[A18] may replace an injected property in onScopeInit, which Nest sets once', async () => {
    let injected = 0;
    const replaces = {
      onScopeInit(this: { first: unknown }): void {
        this.first = `own ${typeof this.first}`;
      },
    };
    @RequestScoped()
    class Replaced {
      @Inject(First) first: unknown;
      set counted(_first: First) {
        injected += 1;
      }
    }
    Inject(First)(Replaced.prototype, 'counted');
    @Transient()
    class OfConsumer {
      @Inject(First) first: unknown;
    }
    for (const { prototype } of [Replaced, OfConsumer]) Object.assign(prototype, replaces);
    const handler = (_tick: Tick, ...all: { first: unknown }[]): unknown =>
      all.map(({ first }) => first);
    const { registry } = await startApp({
      providers: [worker([Replaced, OfConsumer], handler), Replaced, OfConsumer, First],
    });
    for (let tick = 1; tick <= 2; tick += 1) {
      injected = 0; // Nest 11.0 builds the class at start-up too
      const { value } = await registry.run('Worker.run');
      expect([value, injected]).toEqual([['own object', 'own object'], 1]);
    }
  });

  it('[A18] see the own properties of a transient that a durable provider injects as well', async () => {
    const tenant = ContextIdFactory.create();
    ContextIdFactory.apply({
      attach: (contextId) => (info: HostComponentInfo) => (info.isTreeDurable ? tenant : contextId),
    });
    @Transient()
    class Inner {}
    @Transient()
    class Helper {
      @Inject(Inner) readonly inner!: Inner;
      seen: Inner | undefined;
      onScopeInit(): void {
        this.seen = this.inner;
      }
    }
    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Durable {
      constructor(readonly helper: Helper) {}
    }
    @RequestScoped()
    class Helped {
      constructor(
        readonly durable: Durable,
        readonly helper: Helper,
      ) {}
    }
    const Worker = worker([Helped], async ({ scope }) => {
      const { helper } = await scope.resolve(Helped);
      expect(helper.seen).toBe(helper.inner);
    });
    try {
      const { registry } = await startApp({ providers: [Worker, Helped, Durable, Helper, Inner] });
      expect((await registry.run('Worker.run')).error).toBeUndefined();
    } finally {
      // Nest has no way to take a strategy off again but this one.
      (ContextIdFactory as unknown as { strategy?: unknown }).strategy = undefined;
    }
  });

  it('[B16] a commit hook that cannot be read fails the tick, and everything is disposed', async () => {
    let reads = 0;
    class Odd extends Probe {
      get onScopeCommit(): () => void {
        reads += 1;
        if (reads > 1) throw new Error('no context');
        return () => undefined;
      }
    }
    const odd = { provide: Odd, scope: Scope.REQUEST, useFactory: () => new Odd() };
    const { registry } = await startApp({ providers: [worker([Odd]), odd] });
    const { outcome, phase, error } = await registry.run('Worker.run');
    expect([outcome, phase, String(error)]).toEqual(['failed', 'commit', 'Error: no context']);
    expect(journal.of('disposed')).toEqual(['Odd']);
    expect(registry.stats().openScopes).toBe(0);
  });

  it('ignores a commit hook that is null', async () => {
    class Unset {
      readonly onScopeCommit = null;
      onScopeRollback(): void {}
    }
    const unset = { provide: Unset, scope: Scope.REQUEST, useFactory: () => new Unset() };
    const { registry } = await startApp({ providers: [worker([Unset]), unset] });
    expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
  });
});
