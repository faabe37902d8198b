import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { closeApps, startApp } from '../support/app.js';
import { turn, gate } from '../support/gate.js';
import { probes, RequestScoped, worker } from '../support/probes.js';
import { Injectable } from '@nestjs/common';

describe('A standalone scope', () => {
  const { journal, Probe } = probes();

  @RequestScoped()
  class Connection extends Probe {}
  @RequestScoped()
  class Unit extends Probe {
    constructor(readonly connection: Connection) {
      super();
    }
    onScopeCommit(): void {
      journal.note('committed Unit');
    }
    onScopeRollback(error: unknown): void {
      journal.note(`rolled back Unit: ${(error as { code?: string }).code ?? String(error)}`);
    }
  }
  const providers = [Connection, Unit];
  const built = ['built Connection', 'built Unit'];
  const disposed = ['disposed Unit', 'disposed Connection'];

  beforeEach(() => void (journal.lines.length = 0));
  afterEach(closeApps);

  describe('when it comes from open()', () => {
    it('[XB2] commits and disposes in complete()', async () => {
      const { scopes } = await startApp({ providers });
      const scope = await scopes.open();
      await scope.resolve(Unit);
      await scope.complete();

      expect(journal.lines).toEqual([...built, 'committed Unit', ...disposed]);
      expect(scope.closed).toBe(true);
    });

    it('[XB2] commits in an `await using` block that ends with complete()', async () => {
      const { scopes } = await startApp({ providers });
      {
        await using scope = await scopes.open();
        await scope.resolve(Unit);
        await scope.complete();
      }

      expect(journal.lines).toEqual([...built, 'committed Unit', ...disposed]);
    });

    it('[XB2] rolls back when an `await using` block is left without complete()', async () => {
      const { scopes } = await startApp({ providers });
      {
        await using scope = await scopes.open();
        await scope.resolve(Unit);
      }

      expect(journal.lines).toEqual([...built, 'rolled back Unit: SCOPE_CLOSED', ...disposed]);
    });

    it('refuses an option that does not exist, and opens nothing', async () => {
      const { scopes, registry } = await startApp({ providers });
      const tenant = { tenant: 7 } as { request?: unknown };

      await expect(scopes.open(tenant)).rejects.toMatchObject({
        problems: [
          "ProviderScopeFactory.open(): tenant isn't an option; the only option is request.",
        ],
      });
      expect(registry.stats().openedScopes).toBe(0);
      const scope = await scopes.open({ request: 7 });
      await scope.complete();
    });

    it('[B24, XB2] rolls back and disposes when an error leaves the `await using` block', async () => {
      const { scopes } = await startApp({ providers });
      const error = new Error('work down');
      const work = async (): Promise<void> => {
        await using scope = await scopes.open();
        await scope.resolve(Unit);
        throw error;
      };

      await expect(work()).rejects.toBe(error);
      expect(journal.lines).toEqual([...built, 'rolled back Unit: SCOPE_CLOSED', ...disposed]);
    });

    it('[B13, B14] rejects complete() with the one error itself, and with several as one AggregateError', async () => {
      const { scopes } = await startApp({ providers });
      const [older, newer] = [new Error('older'), new Error('newer')];
      const scope = await scopes.open();
      scope.defer(() => Promise.reject(older));
      await expect(scope.complete()).rejects.toBe(older);

      const other = await scopes.open();
      await other.resolve(Unit);
      other.defer(() => Promise.reject(older));
      other.defer(() => Promise.reject(newer));
      const thrown = await other.complete().catch((error: unknown) => error);
      expect(thrown).toBeInstanceOf(AggregateError);
      expect((thrown as AggregateError).errors).toEqual([newer, older]);
      expect(journal.of('disposed')).toEqual(['Unit', 'Connection']);
    });

    it('[B36, XB2] rolls back when its waitFor work has failed, and complete() rejects with that error', async () => {
      const { scopes } = await startApp({ providers });
      const error = new Error('work down');
      const scope = await scopes.open();
      await scope.resolve(Unit);
      scope.waitFor(turn().then(() => Promise.reject(error)));

      await expect(scope.complete()).rejects.toBe(error);
      expect(journal.lines).toEqual([...built, 'rolled back Unit: Error: work down', ...disposed]);
    });

    it('[B26] disposes what a failed resolve has built', async () => {
      @RequestScoped()
      class Broken {
        constructor(readonly unit: Unit) {
          throw new Error('database down');
        }
      }
      const { scopes } = await startApp({ providers: [...providers, Broken] });
      const scope = await scopes.open();
      await expect(scope.resolve(Broken)).rejects.toEqual(new Error('database down'));
      await expect(scope.resolve(Unit)).resolves.toBeInstanceOf(Unit);
      await scope.complete();

      expect(journal.lines).toEqual([...built, 'committed Unit', ...disposed]);
    });

    it('[B28] is independent of a scope inside it, and of the tick around it', async () => {
      const { registry, scopes } = await startApp({
        providers: [
          ...providers,
          worker([Unit], async () => {
            const inner = await scopes.open();
            await inner.resolve(Unit);
            await inner.complete();
            journal.note('closed inner');
          }),
        ],
      });
      const { outcome } = await registry.run('Worker.run');

      expect(outcome).toBe('succeeded');
      const once = ['committed Unit', ...disposed];
      expect(journal.lines).toEqual([...built, ...built, ...once, 'closed inner', ...once]);
      expect(registry.stats()).toMatchObject({ openedScopes: 2, closedScopes: 2, openScopes: 0 });
    });
  });

  describe('when it comes from run()', () => {
    it('[XB2] commits and disposes when the work succeeds, and returns what it returns', async () => {
      const { scopes } = await startApp({ providers });
      const value = await scopes.run(async (scope) => {
        await scope.resolve(Unit);
        return 7;
      });

      expect(value).toBe(7);
      expect(journal.lines).toEqual([...built, 'committed Unit', ...disposed]);
    });

    it.each<[string, unknown]>([
      ['null', null],
      [
        'an object that refuses to be read',
        {
          get payload(): never {
            throw new Error('not yet');
          },
        },
      ],
    ])('[XB2] owns what it builds, for any request: %s', async (_what, request) => {
      const { scopes } = await startApp({ providers });
      await scopes.run((scope) => scope.resolve(Unit), { request });

      expect(journal.lines).toEqual([...built, 'committed Unit', ...disposed]);
    });

    it('[B24, XB2] rolls back and disposes when the work throws, and rejects with its error', async () => {
      const { scopes } = await startApp({ providers });
      const error = new Error('work down');
      const run = scopes.run(async (scope) => {
        await scope.resolve(Unit);
        throw error;
      });

      await expect(run).rejects.toBe(error);
      expect(journal.lines).toEqual([...built, 'rolled back Unit: Error: work down', ...disposed]);
    });

    it('[B30] rejects with the errors of the work and of disposal, that of the work first', async () => {
      const { scopes } = await startApp({ providers });
      const [work, cleanup] = [new Error('work down'), new Error('cleanup down')];
      const thrown: unknown = await scopes
        .run((scope) => {
          scope.defer(() => Promise.reject(cleanup));
          throw work;
        })
        .catch((error: unknown) => error);

      expect(thrown).toBeInstanceOf(AggregateError);
      expect((thrown as AggregateError).errors).toEqual([work, cleanup]);
    });
  });

  describe('when the application closes', () => {
    @Injectable()
    class Single {
      onModuleDestroy(): void {
        journal.note('disposed Single');
      }
    }

    it('[B28] is rolled back and disposed when nobody closed it, before the singletons', async () => {
      const { scopes, app, registry } = await startApp({ providers: [...providers, Single] });
      const scope = await scopes.open();
      await scope.resolve(Unit);
      await app.close();

      expect(journal.lines).toEqual([
        ...built,
        'rolled back Unit: SCOPE_CLOSED',
        ...disposed,
        'disposed Single',
      ]);
      expect(registry.stats().openScopes).toBe(0);
    });

    it('[B39] ends before the singletons when it is being closed already', async () => {
      const mayEnd = gate();
      const { scopes, app } = await startApp({ providers: [...providers, Single] });
      const scope = await scopes.open();
      await scope.resolve(Unit);
      scope.defer(() => mayEnd.opened);
      const closing = scope.complete();
      const closed = app.close();
      await turn();
      await turn();
      mayEnd.open();
      await Promise.all([closing, closed]);

      expect(journal.of('disposed')).toEqual(['Unit', 'Connection', 'Single']);
    });

    it('[B21] does not keep the application from closing though its work never settles', async () => {
      const { scopes, app } = await startApp({ options: { shutdownTimeoutMs: 10 }, providers });
      const never = gate();
      const scope = await scopes.open();
      scope.waitFor(never.opened);
      await app.close();

      expect(scope.closed).toBe(true);
      never.open();
      await scope.complete().catch(() => undefined);
    }, 2_000);
  });
});
