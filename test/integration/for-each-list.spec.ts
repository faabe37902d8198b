import { afterEach, describe, expect, it } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { forwardRef, Injectable, Module, Scope, type Provider, type Type } from '@nestjs/common';
import { ScopedInterval, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { forEachApp } from '../support/for-each.js';
import { gate, turn } from '../support/gate.js';
import { probes, RequestScoped } from '../support/probes.js';
import { refusal } from '../support/refusal.js';
import { turns } from '../support/running-tick.js';

afterEach(closeApps);

describe('The list of forEach', () => {
  it('[A18] comes from request-scoped providers, in a scope that is disposed before the first item', async () => {
    const { journal, Probe } = probes();
    @RequestScoped()
    class Connection extends Probe {}
    @RequestScoped()
    class Tenants extends Probe {
      constructor(readonly connection: Connection) {
        super();
      }

      async all(): Promise<string[]> {
        await turn();
        journal.note('asked');
        return ['acme', 'bolt'];
      }
    }
    const { registry } = await forEachApp(
      {
        inject: [Tenants],
        list: (tenants: Tenants) => tenants.all(),
        providers: [Connection, Tenants],
      },
      (item: string) => journal.note(`item ${item}`),
    );
    const report = await registry.run('Worker.run');
    expect(report.outcome).toBe('succeeded');
    expect(journal.lines).toEqual([
      'built Connection',
      'built Tenants',
      'asked',
      'disposed Tenants',
      'disposed Connection',
      'item acme',
      'item bolt',
    ]);
  });

  it('is read to its end before that scope goes, also from a generator', async () => {
    const { journal, Probe } = probes();
    @RequestScoped()
    class Rows extends Probe {
      *each(): Generator<number> {
        for (const row of [1, 2]) {
          journal.note(`read ${row}`);
          yield row;
        }
      }
    }
    const { registry } = await forEachApp(
      { inject: [Rows], list: (rows: Rows) => rows.each(), providers: [Rows] },
      (item: number) => journal.note(`item ${item}`),
    );
    await registry.run('Worker.run');
    expect(journal.lines).toEqual([
      'built Rows',
      'read 1',
      'read 2',
      'disposed Rows',
      'item 1',
      'item 2',
    ]);
  });

  it('[A1] is asked for anew each time, and no item sees its instances', async () => {
    const { journal, Probe } = probes();
    @RequestScoped()
    class Repository extends Probe {}
    const seen: unknown[] = [];
    const { registry } = await forEachApp(
      {
        inject: [Repository],
        list: (repository: Repository) => (seen.push(repository), ['a']),
        needs: [Repository],
        providers: [Repository],
      },
      (_item, _tick, repository: Repository) => void seen.push(repository),
    );
    await registry.run('Worker.run');
    await registry.run('Worker.run');
    expect(new Set(seen).size).toBe(4);
    expect(journal.of('disposed')).toHaveLength(4);
  });

  it('is given what inject names, in its order: classes, tokens, singletons', async () => {
    @Injectable()
    class Config {
      readonly tenants = ['a'];
    }
    const { registry, begun } = await forEachApp({
      inject: ['more', Config],
      list: (more: string[], config: Config) => [...config.tenants, ...more],
      providers: [Config, { provide: 'more', useFactory: async () => ['b'] }],
    });
    await registry.run('Worker.run');
    expect(begun).toEqual(['a', 'b']);
  });

  it('[A20] is asked for in the context of the run by hand; what it enters stays its own', async () => {
    const tenants = new AsyncLocalStorage<string>();
    const { registry } = await forEachApp(
      {
        list: () => {
          const seen = tenants.getStore();
          tenants.enterWith('of the list');
          return [seen];
        },
      },
      (item) => [item, tenants.getStore()],
    );
    await tenants.run('of the caller', async () => {
      const { items } = await registry.run('Worker.run');
      expect(items![0]!.value).toEqual(['of the caller', 'of the caller']);
      expect(tenants.getStore()).toBe('of the caller');
    });
  });

  it('is given what forwardRef() stands for', async () => {
    @Injectable()
    class Config {
      readonly tenants = ['a'];
    }
    const { registry, begun } = await forEachApp({
      inject: [forwardRef(() => Config)],
      list: (config: Config) => config.tenants,
      providers: [Config],
    });
    await registry.run('Worker.run');
    expect(begun).toEqual(['a']);
  });

  describe('when it is empty', () => {
    it.each<[string, () => Iterable<unknown> | Promise<Iterable<unknown>>]>([
      ['an array', () => []],
      ['a promise of one', async () => []],
      ['a Set', () => new Set()],
    ])("[A21] the slot is skipped with 'no-items', and builds no worker: %s", async (_, list) => {
      const { registry, begun, finished, skipped, next } = await forEachApp({ list });
      const event = next('tick:skipped');
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ outcome: 'skipped', reason: 'no-items', attempts: 0 });
      expect(report).toMatchObject({ items: [], built: 0 });
      expect(await event).toBe(report);
      expect([begun, finished, skipped]).toEqual([[], [], ['Worker.run no-items']]);
      expect(registry.stats().openedScopes).toBe(1);
    });

    it('[A21] the report of the last tick that ran stays', async () => {
      const items = ['one'];
      const { registry } = await forEachApp({ list: () => items });
      await registry.run('Worker.run');
      items.length = 0;
      await registry.run('Worker.run');
      expect(registry.get('Worker.run').lastReport).toMatchObject({ outcome: 'succeeded' });
    });
  });

  describe('when it is none', () => {
    it.each<[string, () => unknown, string]>([
      ['a string', () => 'acme', '"acme"'],
      ['a number', () => 7, '7'],
      ['null', () => null, 'null'],
      ['undefined', () => undefined, 'undefined'],
      ['an object', () => ({ length: 1 }), 'an object'],
      ['a promise of a string', async () => 'acme', '"acme"'],
      ['a promise of nothing', async () => undefined, 'undefined'],
      ['a function', () => () => ['a'], 'function'],
      [
        'an asynchronous generator',
        async function* () {
          yield 'a';
        },
        'an object',
      ],
    ])('[C13] the tick fails, and its error names the handler: %s', async (_, list, shown) => {
      const { registry, begun, finished, skipped, log } = await forEachApp({ list: list as never });
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ outcome: 'failed', phase: 'open', attempts: 0 });
      const { message } = report.error as Error;
      expect(message).toMatch(/^Worker\.run: the useFactory of forEach must return a list, not /);
      expect(message).toContain(shown);
      expect(finished).toEqual([report]);
      expect([begun, skipped]).toEqual([[], []]);
      expect(log.of('error')).toEqual([expect.stringContaining('Worker.run failed')]);
      expect(registry.get('Worker.run').lastReport?.error).toBe(report.error);
    });
  });

  describe('when it cannot be had', () => {
    const failure = new Error('database down');

    it.each<[string, () => unknown]>([
      [
        'throws',
        () => {
          throw failure;
        },
      ],
      ['rejects', () => Promise.reject(failure)],
      [
        'fails on the way through',
        function* () {
          yield 'a';
          throw failure;
        },
      ],
    ])('[B33] the tick fails with that error, and the next is tried: it %s', async (_, list) => {
      let runs = 0;
      const { registry, begun } = await forEachApp({
        list: (() => {
          runs += 1;
          return runs === 1 ? list() : ['a'];
        }) as never,
      });
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ outcome: 'failed', phase: 'open' });
      expect(report.error).toBe(failure);
      expect(begun).toEqual([]);
      expect((await registry.run('Worker.run')).outcome).toBe('succeeded');
    });

    it('[B26] what was built for it is disposed', async () => {
      const { journal, Probe } = probes();
      @RequestScoped()
      class Repository extends Probe {}
      const { registry } = await forEachApp({
        inject: [Repository],
        list: () => Promise.reject(failure),
        providers: [Repository],
      });
      expect((await registry.run('Worker.run')).error).toBe(failure);
      expect(journal.lines).toEqual(['built Repository', 'disposed Repository']);
    });

    it('[C14] the exception of a constructor arrives as it is', async () => {
      @Injectable({ scope: Scope.REQUEST })
      class Broken {
        constructor() {
          throw failure;
        }
      }
      const { registry } = await forEachApp({
        inject: [Broken],
        list: () => [],
        providers: [Broken],
      });
      expect((await registry.run('Worker.run')).error).toBe(failure);
    });

    it('a token that nobody provides is named', async () => {
      const { registry } = await forEachApp({ inject: ['TENANTS'], list: () => [] });
      const { outcome, error } = await registry.run('Worker.run');
      expect(outcome).toBe('failed');
      expect((error as Error).message).toContain('TENANTS');
    });

    it("'pause' pauses the schedule", async () => {
      const { registry } = await forEachApp({
        list: () => Promise.reject(failure),
        handler: { onFailure: 'pause', disabled: false },
      });
      await registry.run('Worker.run');
      expect(registry.get('Worker.run').state).toBe('paused');
    });
  });

  describe('when its options cannot work', () => {
    it.each<[string, unknown, string]>([
      ['a list', ['a'], 'must be { inject, useFactory }'],
      ['a function', () => ['a'], 'must be { inject, useFactory }'],
      ['no function', { useFactory: ['a'] }, 'with a function as useFactory'],
      [
        'a token in the place of a list',
        { inject: 'A', useFactory: () => [] },
        'a list of tokens as inject',
      ],
      [
        'an undefined token',
        { inject: ['A', undefined], useFactory: () => [] },
        'no token at inject[1]',
      ],
    ])('[C13] %s stops start-up in one sentence', async (_, forEach, words) => {
      @ScopedWorker()
      class Tenants {
        @ScopedInterval(1_000, { forEach: forEach as never })
        sync(): void {}
      }
      const error = await refusal({ providers: [Tenants] });
      expect(error.code).toBe('INVALID_SCHEDULE');
      expect(error.message).toMatch(/^Tenants\.sync: @ScopedInterval option forEach .*\.$/);
      expect(error.message).toContain(words);
    });

    it('[C13] it may be without inject', async () => {
      const { registry } = await forEachApp({ list: ['a'] });
      expect((await registry.run('Worker.run')).items).toHaveLength(1);
    });
  });

  it('comes from what the module of the worker sees first, when several have the token', async () => {
    const tenant = (useValue: string): Provider => ({ provide: 'TENANT', useValue });
    const sync = (name: string, isOwn: boolean): Type => {
      @ScopedWorker()
      class Sync {
        @ScopedInterval(3_600_000, {
          name,
          forEach: { inject: ['TENANT'], useFactory: (given: string) => [given] },
        })
        run({ payload }: Tick): unknown {
          return payload;
        }
      }
      @Module({ providers: [tenant(name)], exports: ['TENANT'] })
      class Shared {}
      @Module(
        isOwn ? { providers: [Sync, tenant(name)] } : { providers: [Sync], imports: [Shared] },
      )
      class Own {}
      return Own;
    };
    const { registry } = await startApp({
      imports: [sync('first', true), sync('second', false), sync('third', true)],
      providers: [tenant('root')],
    });
    const values = [];
    for (const name of ['first', 'second', 'third'])
      values.push((await registry.run(name)).items![0]!.value);
    expect(values).toEqual(['first', 'second', 'third']);
  });

  it('[F10] the slot is taken while it is asked for', async () => {
    const held = gate<string[]>();
    const { registry, begun } = await forEachApp({
      list: () => held.opened,
      handler: { overlap: 'skip' },
    });
    const first = registry.run('Worker.run');
    await turns();
    expect(await registry.run('Worker.run')).toMatchObject({ reason: 'overlap' });
    expect(await registry.run('Worker.run', { payload: 1 })).toMatchObject({ reason: 'overlap' });
    held.open(['a']);
    expect((await first).items).toHaveLength(1);
    expect(begun).toEqual(['a']);
  });
});
