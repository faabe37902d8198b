import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Inject, Scope } from '@nestjs/common';
import type { Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { turn } from '../support/gate.js';
import { probes, RequestScoped, worker } from '../support/probes.js';

describe('The order of disposal', () => {
  const { journal, Probe, probe } = probes();

  @RequestScoped()
  class A extends Probe {}
  @RequestScoped()
  class B extends Probe {}
  @RequestScoped()
  class C extends Probe {}

  beforeEach(() => void (journal.lines.length = 0));
  afterEach(closeApps);

  it('[B2] is the reverse of the order of construction, also among providers that are independent', async () => {
    const { registry } = await startApp({ providers: [worker([A, B, C]), A, B, C] });
    await registry.run('Worker.run');

    expect(journal.of('built')).toHaveLength(3);
    expect(journal.of('disposed')).toEqual(journal.of('built').reverse());
  });

  it('[B2] counts an asynchronous factory from the moment that it has finished', async () => {
    const { registry } = await startApp({
      providers: [
        worker(['SLOW', A]),
        A,
        {
          provide: 'SLOW',
          scope: Scope.REQUEST,
          useFactory: async () => {
            await turn();
            return probe('Slow');
          },
        },
      ],
    });
    await registry.run('Worker.run');

    expect(journal.lines).toEqual(['built A', 'built Slow', 'disposed Slow', 'disposed A']);
  });

  it('[B2] places what is resolved by hand by the time at which it is built', async () => {
    const handler = async (tick: Tick): Promise<void> => {
      await tick.scope.resolve(C);
      await tick.scope.resolve(A);
      await tick.scope.resolve(B);
    };
    const { registry } = await startApp({ providers: [worker([A], handler), A, B, C] });
    await registry.run('Worker.run');

    expect(journal.of('built')).toEqual(['A', 'C', 'B']);
    expect(journal.of('disposed')).toEqual(['B', 'C', 'A']);
  });

  it('[B2] puts the worker before everything that it depends on', async () => {
    class Disposable extends worker([A, B]) {
      [Symbol.dispose](): void {
        journal.note('disposed Worker');
      }
    }
    const { registry } = await startApp({ providers: [Disposable, A, B] });
    await registry.run('Disposable.run');

    expect(journal.of('disposed')[0]).toBe('Worker');
    expect(journal.of('disposed')).toHaveLength(3);
  });

  it('[B2] starts a disposer only after the one before it has settled', async () => {
    @RequestScoped()
    class Slow {
      constructor(readonly a: A) {}
      async [Symbol.asyncDispose](): Promise<void> {
        journal.note('disposing Slow');
        await turn();
        journal.note('disposed Slow');
      }
    }
    const { registry } = await startApp({ providers: [worker([Slow]), Slow, A] });
    await registry.run('Worker.run');

    expect(journal.lines).toEqual(['built A', 'disposing Slow', 'disposed Slow', 'disposed A']);
  });

  it('[B39] lets a dispose hook use everything that it depends on', async () => {
    class Connection {
      isOpen = true;
      send(): boolean {
        return this.isOpen;
      }
      [Symbol.dispose](): void {
        this.isOpen = false;
      }
    }
    @RequestScoped()
    class Outbox {
      @Inject('BY_PROPERTY') readonly byProperty!: Connection;
      constructor(
        @Inject('BY_ALIAS') readonly byAlias: Connection,
        @Inject('TRANSIENT') readonly transient: Connection,
      ) {}
      async onModuleDestroy(): Promise<void> {
        await turn();
        const { byProperty, byAlias, transient } = this;
        sent.push(...[byProperty, byAlias, transient].map((connection) => connection.send()));
      }
    }
    const sent: boolean[] = [];
    const factory = { scope: Scope.REQUEST, useFactory: async () => new Connection() };
    const { registry } = await startApp({
      providers: [
        worker([Outbox]),
        Outbox,
        { provide: 'BY_PROPERTY', ...factory },
        { provide: 'REAL', ...factory },
        { provide: 'BY_ALIAS', useExisting: 'REAL' },
        { provide: 'TRANSIENT', ...factory, scope: Scope.TRANSIENT },
      ],
    });
    await registry.run('Worker.run');

    expect(sent).toEqual([true, true, true]);
  });

  it('[B37] runs a deferred cleanup among the disposers, newest first', async () => {
    const handler = async (tick: Tick): Promise<void> => {
      tick.scope.defer(() => journal.note('cleaned up 1'));
      await tick.scope.resolve(B);
      tick.scope.defer(async () => {
        await turn();
        journal.note('cleaned up 2');
      });
      tick.scope.defer(() => journal.note('cleaned up 3'));
    };
    const { registry } = await startApp({ providers: [worker([A], handler), A, B] });
    await registry.run('Worker.run');

    expect(journal.lines.slice(2)).toEqual([
      'cleaned up 3',
      'cleaned up 2',
      'disposed B',
      'cleaned up 1',
      'disposed A',
    ]);
  });

  it('[B37] refuses a cleanup once disposal has begun, and takes one in a commit hook', async () => {
    let refused: unknown;
    @RequestScoped()
    class Late {
      constructor(readonly a: A) {}
      onScopeCommit(): void {
        current.scope.defer(() => journal.note('cleaned up'));
      }
      onModuleDestroy(): void {
        try {
          current.scope.defer(() => journal.note('never'));
        } catch (error) {
          refused = error;
        }
      }
    }
    let current!: Tick;
    const handler = (tick: Tick): void => void (current = tick);
    const { registry } = await startApp({ providers: [worker([Late], handler), Late, A] });
    const report = await registry.run('Worker.run');

    expect(refused).toMatchObject({ code: 'SCOPE_CLOSED' });
    expect(report.outcome).toBe('succeeded');
    expect(journal.lines).toEqual(['built A', 'cleaned up', 'disposed A']);
  });
});
