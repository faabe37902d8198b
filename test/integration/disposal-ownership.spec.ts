import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Scope, type Provider } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { InvalidOptionsError, shared, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { probes, RequestScoped, worker } from '../support/probes.js';

describe('What a scope owns', () => {
  const { journal, Probe, probe } = probes();
  const request = { scope: Scope.REQUEST };

  @Injectable()
  class Single extends Probe {}
  @RequestScoped()
  class Scoped extends Probe {}

  beforeEach(() => void (journal.lines.length = 0));
  afterEach(closeApps);

  async function run(
    inject: Parameters<typeof worker>[0],
    providers: Provider[],
    handler?: (tick: Tick) => unknown,
  ) {
    const test = await startApp({ providers: [worker(inject, handler), ...providers] });
    return { ...test, report: await test.registry.run('Worker.run') };
  }

  describe('when an object was not built by Nest', () => {
    it('[B16] leaves useValue, though a request-scoped provider holds it', async () => {
      const value = probe('Value');
      @RequestScoped()
      class Holder extends Probe {
        constructor(readonly single: Single) {
          super();
        }
        readonly value = value;
      }
      await run([Holder, 'VALUE'], [Holder, Single, { provide: 'VALUE', useValue: value }]);

      expect(journal.of('disposed')).toEqual(['Holder']);
    });

    it('[B16] leaves the payload, the result of the handler and the seed of a standalone scope', async () => {
      @RequestScoped()
      class Seeded extends Probe {
        constructor(@Inject(REQUEST) readonly request: { name: string }) {
          super();
        }
      }
      const { registry, scopes } = await run([Seeded], [Seeded], () => probe('Result'));
      await registry.run('Worker.run', { payload: probe('Payload') });
      const scope = await scopes.open({ request: probe('Request') });
      const { request } = await scope.resolve(Seeded);
      await scope.complete();

      expect(request.name).toBe('Request');
      expect(journal.of('disposed')).toEqual(['Seeded', 'Seeded', 'Seeded']);
    });

    it('[B16] leaves a singleton that is resolved through the scope or by an alias', async () => {
      const { registry, report } = await run(
        ['ALIAS'],
        [Single, { provide: 'ALIAS', useExisting: Single }],
        (tick) => tick.scope.resolve(Single),
      );
      expect(report.outcome).toBe('succeeded');
      await registry.run('Worker.run');

      expect(journal.lines).toEqual(['built Single']);
    });
  });

  describe('when a factory returns an object that another provider has', () => {
    it.each([
      ['a singleton', Single],
      ['a ready-made value', 'VALUE'],
    ])('[B17] leaves %s', async (_what, token) => {
      const handOn = { provide: 'HANDED_ON', ...request, inject: [token] };
      await run(
        ['HANDED_ON'],
        [
          Single,
          { provide: 'VALUE', useValue: probe('Value') },
          { ...handOn, useFactory: (it: object) => it },
        ],
      );

      expect(journal.of('disposed')).toEqual([]);
    });

    it('[B17] disposes an object of the scope once, when all that injects it is gone', async () => {
      @RequestScoped()
      class Dependent extends Probe {}
      await run(
        ['DEPENDENT', 'HANDED_ON'],
        [
          Scoped,
          Dependent,
          { provide: 'HANDED_ON', inject: [Scoped], useFactory: (scoped: Scoped) => scoped },
          {
            provide: 'DEPENDENT',
            inject: ['HANDED_ON'],
            useFactory: () => probe('Dependent'),
          },
        ],
      );

      expect(journal.of('disposed')).toEqual(['Dependent', 'Scoped']);
    });
  });

  describe('when a static provider holds what a factory returns', () => {
    class Pool {
      readonly fixed = probe('Fixed');
      readonly byName = { eu: probe('ByName') };
      readonly byKey = new Map([['eu', probe('ByKey')]]);
    }
    const pools = { provide: Pool, useFactory: () => new Pool() };
    const pick = (what: (pool: Pool) => object): Provider => ({
      provide: 'PICKED',
      ...request,
      inject: [Pool],
      useFactory: what,
    });

    it.each([
      ['as a property', (pool: Pool) => pool.fixed],
      ['in an object', (pool: Pool) => pool.byName.eu],
      ['in a map', (pool: Pool) => pool.byKey.get('eu')!],
    ])('[B17] leaves it: %s', async (_where, what) => {
      const { registry } = await run(['PICKED'], [pools, pick(what)]);
      await registry.run('Worker.run');

      expect(journal.of('disposed')).toEqual([]);
    });

    it('[B17] disposes what the static provider makes and does not hold', async () => {
      await run(['PICKED'], [pools, pick(() => probe('Made'))]);

      expect(journal.of('disposed')).toEqual(['Made']);
    });

    it.each([
      [1_000, []],
      [1_001, ['Picked']],
    ])(
      '[B17] searches a map of %d entries, and disposes what it did not find: %j',
      async (size, disposed) => {
        class Sessions {
          readonly byId = new Map<number, object>();
        }
        const sessions = new Sessions();
        for (let id = 1; id < size; id += 1) sessions.byId.set(id, {});
        sessions.byId.set(0, probe('Picked'));
        await run(
          ['PICKED'],
          [
            { provide: Sessions, useValue: sessions },
            {
              provide: 'PICKED',
              ...request,
              inject: [Sessions],
              useFactory: ({ byId }: Sessions) => byId.get(0),
            },
          ],
        );

        expect(journal.of('disposed')).toEqual(disposed);
      },
    );

    it('[B17] leaves what it begins to hold while the tick runs', async () => {
      @Injectable()
      class Cache {
        current: object | undefined;
      }
      await run(
        ['CURRENT'],
        [
          Cache,
          {
            provide: 'CURRENT',
            ...request,
            inject: [Cache],
            useFactory: (cache: Cache) => (cache.current = probe('Cached')),
          },
        ],
      );

      expect(journal.of('disposed')).toEqual([]);
    });
  });

  describe('when a factory shares an object that it keeps', () => {
    const kept = (object: object): Provider => ({
      provide: 'KEPT',
      ...request,
      useFactory: () => object,
    });

    it.each([undefined, null, 'eu'])('shared() says that it cannot mark %p', (value) => {
      expect(() => shared(value as never)).toThrow(InvalidOptionsError);
      expect(() => shared(value as never)).toThrow(
        `shared() takes an object or a function, not ${value}.`,
      );
    });

    it('[B17] leaves it when it is marked as shared', async () => {
      await run(['KEPT'], [kept(shared(probe('Kept')))]);

      expect(journal.of('disposed')).toEqual([]);
    });

    it('[B17] disposes it when each tick that received it finishes, as a pooled connection is released', async () => {
      const { registry } = await run(['KEPT'], [kept(probe('Kept'))]);
      expect(journal.of('disposed')).toEqual(['Kept']);
      await registry.run('Worker.run');

      expect(journal.of('disposed')).toEqual(['Kept', 'Kept']);
    });

    it('[B17] commits it in each tick that it was handed to, also when it has nothing to dispose', async () => {
      const commits: string[] = [];
      const unit = { onScopeCommit: () => void commits.push('commit') };
      const { registry } = await run(['KEPT'], [kept(unit)]);
      await registry.run('Worker.run');

      expect(commits).toEqual(['commit', 'commit']);
    });

    it('[B17] disposes it once under two tokens of one tick', async () => {
      const object = probe('Kept');
      await run(['KEPT', 'AGAIN'], [kept(object), { ...kept(object), provide: 'AGAIN' }] as never);

      expect(journal.of('disposed')).toEqual(['Kept']);
    });
  });
});
