import { afterEach, describe, expect, it } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  Controller,
  forwardRef,
  Get,
  Inject,
  Injectable,
  Module,
  Scope,
  UseGuards,
  type Provider,
  type Type,
} from '@nestjs/common';
import { INQUIRER, REQUEST } from '@nestjs/core';
import { ScopedInterval, ScopedWorker, type Tick, type TickReport } from '../../lib/index.js';
import { appsOnFakeClock, closeApps, startApp } from '../support/app.js';
import { advance } from '../support/fake-clock.js';
import { forEachApp } from '../support/for-each.js';
import { gate, turn } from '../support/gate.js';
import { probes, RequestScoped } from '../support/probes.js';
import { refusal } from '../support/refusal.js';
import { turns } from '../support/running-tick.js';
import { unhandledDuring } from '../support/unhandled.js';

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

  it('[XF6] is loaded again each time, and no item sees its instances', async () => {
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

  it('receives what inject names, in its order: classes, tokens, singletons', async () => {
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

  it('receives what forwardRef() refers to', async () => {
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

  describe('when no module provides what inject names', () => {
    const failing = { inject: ['nope'], useFactory: () => [] };

    it.each<[string, object, object, string]>([
      ['of the decorator', failing, {}, 'nope'],
      ['of a symbol', { ...failing, inject: [Symbol('tenants')] }, {}, 'tenants'],
      ['behind forwardRef()', { ...failing, inject: [forwardRef(() => 'nope')] }, {}, 'nope'],
      [
        'of an object',
        { ...failing, inject: [{ token: 'nope', optional: true }] },
        {},
        'an object',
      ],
      ['of defaults', {}, { defaults: { forEach: failing } }, 'nope'],
      ['of overrides', {}, { overrides: { 'Worker.run': { forEach: failing } } }, 'nope'],
    ])('[XC9] start-up is refused with one sentence: %s', async (_, forEach, options, token) => {
      @ScopedWorker()
      class Worker {
        @ScopedInterval(1_000, 'useFactory' in forEach ? { forEach: forEach as never } : {})
        run(): void {}
      }
      const error = await refusal({ providers: [Worker], options });
      expect(error).toMatchObject({ code: 'INVALID_SCHEDULE' });
      expect(error.message).toBe(
        `Worker.run: forEach of @ScopedInterval injects ${token}, but no module provides it: add it to the providers of RootTestModule.`,
      );
    });

    it('[XC9] a token that forwardRef() leaves undefined is refused, too', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedInterval(1_000, {
          forEach: { inject: [forwardRef(() => undefined)], useFactory: () => [] },
        })
        run(): void {}
      }
      const { message } = await refusal({ providers: [Worker] });
      expect(message).toBe(
        'Worker.run: forEach of @ScopedInterval has no token at inject[0]: look for a circular import.',
      );
    });

    it('[XC9] a factory for the timing changes nothing', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedInterval({ useFactory: () => 1_000 }, { forEach: failing })
        run(): void {}
      }
      const { message } = await refusal({ providers: [Worker] });
      expect(message).toMatch(/^Worker\.run: forEach of @ScopedInterval injects nope,/);
    });

    it('useMocker() mocks no such token, as with a token of a cron', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedInterval(1_000, { forEach: failing })
        run(): void {}
      }
      const { message } = await refusal({
        providers: [Worker],
        build: (builder) => builder.useMocker(() => ({})),
      });
      expect(message).toMatch(/injects nope, but no module provides it/);
    });

    it('a token that useMocker() has mocked for a constructor is found', async () => {
      class Tenants {}
      @Injectable()
      class Invoices {
        constructor(@Inject(Tenants) readonly tenants: Tenants) {}
      }
      @ScopedWorker()
      class Worker {
        @ScopedInterval(1_000, { forEach: { inject: [Tenants], useFactory: () => ['a'] } })
        run(): void {}
      }
      const { registry } = await startApp({
        providers: [Worker, Invoices],
        build: (builder) => builder.useMocker(() => ({})),
      });
      expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
    });

    it('a token of a module that the worker does not import is found', async () => {
      @Module({ providers: [{ provide: 'tenants', useValue: ['a', 'b'] }] })
      class Elsewhere {}
      const { registry, begun } = await forEachApp({
        imports: [Elsewhere],
        inject: ['tenants'],
        list: (tenants: string[]) => tenants,
      });
      await registry.run('Worker.run');
      expect(begun).toEqual(['a', 'b']);
    });

    it('an enhancer and a request-scoped controller are found, since the run finds them', async () => {
      @RequestScoped()
      class Tenants {
        readonly all = ['a'];
      }
      @Controller({ scope: Scope.REQUEST })
      class Pages {
        readonly all = ['b'];
      }
      @Injectable()
      class Guard {
        readonly all = ['c'];

        canActivate(): boolean {
          return true;
        }
      }
      @UseGuards(Guard)
      @Controller()
      class Guarded {
        @Get()
        page(): void {}
      }
      const { registry, begun } = await forEachApp({
        inject: [Tenants, Pages, Guard],
        providers: [Tenants],
        controllers: [Pages, Guarded],
        list: (...lists: { all: string[] }[]) => lists.flatMap(({ all }) => all),
      });
      await registry.run('Worker.run');
      expect(begun).toEqual(['a', 'b', 'c']);
    });

    it('[XC9] a singleton controller is refused, since the run does not find it', async () => {
      @Controller()
      class Pages {}
      @ScopedWorker()
      class Worker {
        @ScopedInterval(1_000, { forEach: { inject: [Pages], useFactory: () => [] } })
        run(): void {}
      }
      const { message } = await refusal({ providers: [Worker], controllers: [Pages] });
      expect(message).toMatch(/injects Pages, but no module provides it/);
    });

    it.each([REQUEST, INQUIRER])(
      '[XC9] %s is refused, since the list has no tick',
      async (token) => {
        @ScopedWorker()
        class Worker {
          @ScopedInterval(1_000, { forEach: { inject: [token], useFactory: () => [] } })
          run(): void {}
        }
        const { message } = await refusal({ providers: [Worker] });
        expect(message).toBe(
          `Worker.run: forEach of @ScopedInterval injects ${token}, which does not exist yet: the factory runs before the ticks of its items begin.`,
        );
      },
    );

    it('[XC9] a value that the application provides as REQUEST is injected', async () => {
      const { registry, begun } = await forEachApp({
        inject: [REQUEST],
        providers: [{ provide: REQUEST, useValue: ['a'] }],
        list: (request: string[]) => request,
      });
      await registry.run('Worker.run');
      expect(begun).toEqual(['a']);
    });

    it('[XC9] registry.add() refuses it with the same sentence', async () => {
      const { registry } = await forEachApp({ list: [] });
      const add = (inject: string[]) =>
        registry.add({
          name: 'more',
          handler: 'Worker.run',
          everyMs: 1_000,
          forEach: { inject, useFactory: () => [] },
        });
      expect(() => add(['nope'])).toThrow(
        'registry.add("more"): forEach injects nope, but no module provides it: add it to the providers of RootTestModule.',
      );
      expect(add([]).name).toBe('more');
    });
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

    describe('the log', () => {
      appsOnFakeClock();

      it('[F10] mentions it at debug only, and warns of the next tick that is really skipped', async () => {
        let held = gate();
        const items: number[] = [];
        const { registry, log } = await forEachApp(
          { list: () => items.splice(0), handler: { overlap: 'skip' } },
          () => held.opened,
        );
        const overlap = async (): Promise<void> => {
          held = gate();
          items.push(1);
          const running = registry.run('Worker.run');
          expect(await registry.run('Worker.run')).toMatchObject({ reason: 'overlap' });
          held.open();
          await running;
          await advance(1);
        };
        await registry.run('Worker.run');
        expect(log.of('warn')).toEqual([]);
        expect(log.of('debug')).toEqual([expect.stringMatching(/: no-items$/)]);
        await overlap();
        await registry.run('Worker.run');
        await overlap();
        expect(log.of('warn')).toEqual([
          expect.stringMatching(/: overlap$/),
          expect.stringMatching(/: overlap$/),
        ]);
      });
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

  describe('when it is not a list', () => {
    it.each<[string, () => unknown, string]>([
      ['a string', () => 'acme', '"acme"'],
      ['a number', () => 7, '7'],
      ['null', () => null, 'null'],
      ['undefined', () => undefined, 'undefined'],
      ['an object', () => ({ length: 1 }), 'an object'],
      ['a promise of a string', async () => 'acme', '"acme"'],
      ['a promise of nothing', async () => undefined, 'undefined'],
      ['a function', () => () => ['a'], 'function'],
    ])('[XC9] the tick fails, and its error names the handler: %s', async (_, list, shown) => {
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

    it('[XC9, B34, B36] a list of promises fails the tick, after the promises have settled', async () => {
      const { journal, Probe } = probes();
      @RequestScoped()
      class Tenants extends Probe {}
      const { registry, begun } = await forEachApp({
        inject: [Tenants],
        list: () =>
          [1, 2].map(async (id) => {
            await turn();
            journal.note(`loaded ${id}`);
            throw new Error('no such tenant');
          }),
        providers: [Tenants],
      });
      let report: TickReport | undefined;
      const unhandled = await unhandledDuring(async () => {
        report = await registry.run('Worker.run');
      });
      expect(report).toMatchObject({
        outcome: 'failed',
        phase: 'open',
        error: {
          message:
            'Worker.run: the useFactory of forEach returned a list that contains promises. Return Promise.all() of this list.',
        },
      });
      expect([begun, unhandled]).toEqual([[], []]);
      expect(journal.lines).toEqual(['built Tenants', 'loaded 1', 'loaded 2', 'disposed Tenants']);
    });

    it('[B34, B36] an iterable that yields a promise and then throws fails the tick with its own error', async () => {
      const { journal, Probe } = probes();
      @RequestScoped()
      class Tenants extends Probe {
        async load(): Promise<never> {
          await turn();
          journal.note('loaded');
          throw new Error('no such tenant');
        }
      }
      const failure = new Error('database down');
      const { registry, begun } = await forEachApp({
        inject: [Tenants],
        *list(tenants: Tenants) {
          yield tenants.load();
          throw failure;
        },
        providers: [Tenants],
      });
      let report: TickReport | undefined;
      const unhandled = await unhandledDuring(async () => {
        report = await registry.run('Worker.run');
      });
      expect(report).toMatchObject({ outcome: 'failed', phase: 'open' });
      expect(report?.error).toBe(failure);
      expect([begun, unhandled]).toEqual([[], []]);
      expect(journal.lines).toEqual(['built Tenants', 'loaded', 'disposed Tenants']);
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
        'an async generator',
        {
          async *useFactory() {
            yield await Promise.resolve('a');
          },
        },
        'has an async generator as useFactory: make it an async function that returns the value',
      ],
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
    ])('[XC9] %s stops start-up in one sentence', async (_, forEach, words) => {
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

    it('[XC9] it may be without inject', async () => {
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

  it('[XF5] the slot is taken while it is asked for', async () => {
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
