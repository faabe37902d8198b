import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Scope, type Provider } from '@nestjs/common';
import { ScopeClosedError, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { probes, RequestScoped, worker } from '../support/probes.js';

/** How ticks and standalone scopes end when something fails; it holds whether or not builds can be watched. */
export function describeDisposalEnd(mode: string): void {
  describe(`a scope that closes, ${mode}`, () => {
    const { journal, Probe, probe } = probes();

    @RequestScoped()
    class Connection extends Probe {}
    @RequestScoped()
    class Repository extends Probe {
      constructor(readonly connection: Connection) {
        super();
      }
      onScopeCommit(): void {
        journal.note('committed Repository');
      }
      onScopeRollback(error: unknown): void {
        journal.note(`rolled back Repository: ${(error as Error).message}`);
      }
    }

    beforeEach(() => void (journal.lines.length = 0));
    afterEach(closeApps);

    async function run(
      inject: Parameters<typeof worker>[0],
      handler: (tick: Tick) => unknown = () => journal.note('called handler'),
      providers: Provider[] = [],
    ) {
      const test = await startApp({
        providers: [worker(inject, handler), Connection, Repository, ...providers],
      });
      return { ...test, report: await test.registry.run('Worker.run') };
    }

    it('[B38] commits after the handler and before any disposer', async () => {
      await run([Repository]);

      expect(journal.lines.slice(2)).toEqual([
        'called handler',
        'committed Repository',
        'disposed Repository',
        'disposed Connection',
      ]);
    });

    it('[B24, B38] rolls back and disposes everything when the handler throws', async () => {
      const error = new Error('handler down');
      const { report } = await run([Repository], () => {
        throw error;
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'handler' });
      expect(report.error).toBe(error);
      expect(journal.lines.slice(2)).toEqual([
        'rolled back Repository: handler down',
        'disposed Repository',
        'disposed Connection',
      ]);
    });

    it('[B26] disposes what was built when a construction fails midway, and enters no handler', async () => {
      @RequestScoped()
      class Broken {
        constructor(_repository: Repository) {
          throw new Error('database down');
        }
      }
      const { report } = await run([Broken], undefined, [Broken]);

      expect(report).toMatchObject({ outcome: 'failed', phase: 'resolve' });
      expect(journal.lines).toEqual([
        'built Connection',
        'built Repository',
        'rolled back Repository: database down',
        'disposed Repository',
        'disposed Connection',
      ]);
    });

    it('[B26] waits for siblings that are still being built, and disposes them too', async () => {
      const mayFinish = gate();
      const failed = gate();
      const providers: Provider[] = [
        {
          provide: 'SLOW',
          inject: [Connection],
          useFactory: async () => {
            await mayFinish.opened;
            return probe('Slow');
          },
        },
        {
          provide: 'BROKEN',
          scope: Scope.REQUEST,
          useFactory: async () => {
            failed.open();
            throw new Error('database down');
          },
        },
      ];
      const { registry } = await startApp({
        providers: [worker(['SLOW', 'BROKEN']), Connection, ...providers],
      });
      const ended = registry.run('Worker.run');
      await failed.opened;
      await turn();
      expect(journal.of('disposed')).toEqual([]);
      mayFinish.open();

      expect(await ended).toMatchObject({ outcome: 'failed', phase: 'resolve' });
      expect(journal.of('disposed')).toEqual(['Slow', 'Connection']);
    });

    it('[B13] goes on after a failing disposer, and keeps its error as it is', async () => {
      const error = new Error('cannot disconnect');
      @RequestScoped()
      class Broken {
        constructor(readonly connection: Connection) {}
        onModuleDestroy(): void {
          throw error;
        }
      }
      const { report } = await run([Broken], undefined, [Broken]);

      expect(report).toMatchObject({ outcome: 'failed', phase: 'dispose' });
      expect(report.error).toBe(error);
      expect(journal.of('disposed')).toEqual(['Connection']);
    });

    it('[B12, B20] disposes a standalone scope once, and refuses to resolve from it afterwards', async () => {
      const { scopes } = await startApp({ providers: [Connection, Repository] });
      const scope = await scopes.open();
      await scope.resolve(Repository);
      await Promise.all([scope.complete(), scope.complete()]);
      await scope.complete();

      expect(journal.of('disposed')).toEqual(['Repository', 'Connection']);
      await expect(scope.resolve(Connection)).rejects.toThrow(ScopeClosedError);
      const other = await scopes.open();
      await expect(other.resolve(Connection)).resolves.toBeInstanceOf(Connection);
    });

    it('[B22] fails the resolve of a provider that closes its scope while it is being built, and disposes it', async () => {
      const { scopes } = await startApp({
        providers: [
          Connection,
          {
            provide: 'CLOSING',
            scope: Scope.REQUEST,
            inject: [Connection],
            useFactory: async () => {
              await scope.complete();
              return probe('Closing');
            },
          },
        ],
      });
      const scope = await scopes.open();
      await expect(scope.resolve('CLOSING')).rejects.toThrow(ScopeClosedError);
      await scope.complete();

      expect(journal.of('disposed').sort()).toEqual(['Closing', 'Connection']);
    });

    it('[B28] closes every scope that it opens', async () => {
      const { registry } = await run([Repository], () => {
        throw new Error('handler down');
      });

      const { openScopes, openedScopes, closedScopes } = registry.stats();
      expect({ openScopes, openedScopes, closedScopes }).toEqual({
        openScopes: 0,
        openedScopes: 1,
        closedScopes: 1,
      });
    });
  });
}
