import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Scope } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { ScopeClosedError, type ProviderScope, type Tick } from '../../lib/index.js';
import { closeApps, compileApp, startApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { probes, RequestScoped, worker } from '../support/probes.js';

describe('A closed scope', () => {
  const { journal, Probe } = probes();

  @RequestScoped()
  class Connection extends Probe {}
  @RequestScoped()
  class Other extends Probe {}

  beforeEach(() => void (journal.lines.length = 0));
  afterEach(closeApps);

  describe('when it is closed more than once', () => {
    it('[B12] disposes once, one call after the other', async () => {
      const { scopes } = await startApp({ providers: [Connection] });
      const scope = await scopes.open();
      await scope.resolve(Connection);
      await scope.complete();
      await scope.complete();
      await scope[Symbol.asyncDispose]();

      expect(journal.of('disposed')).toEqual(['Connection']);
    });

    it('[B12] disposes once, and settles every call only when disposal is over', async () => {
      const mayEnd = gate();
      const { scopes } = await startApp({ providers: [Connection] });
      const scope = await scopes.open();
      await scope.resolve(Connection);
      scope.defer(() => mayEnd.opened);
      const calls = [scope.complete(), scope.complete(), scope[Symbol.asyncDispose]()].map((call) =>
        call.then(() => journal.note('settled close')),
      );
      await turn();
      expect(journal.of('settled')).toEqual([]);
      mayEnd.open();
      await Promise.all(calls);

      expect(journal.lines.slice(1)).toEqual([
        'disposed Connection',
        'settled close',
        'settled close',
        'settled close',
      ]);
    });

    it('[B12] rejects every call of complete() with the same error', async () => {
      const { scopes } = await startApp({});
      const scope = await scopes.open();
      const error = new Error('cannot clean up');
      scope.defer(() => {
        throw error;
      });
      const [first, second] = await Promise.allSettled([scope.complete(), scope.complete()]);

      expect(first).toEqual({ status: 'rejected', reason: error });
      expect(second).toEqual({ status: 'rejected', reason: error });
    });

    it.each(['onScopeInit', 'onScopeCommit', 'onModuleDestroy'])(
      '[B12] settles a call that is made in %s, and waited for there',
      async (hook) => {
        const { scopes, registry } = await startApp({
          options: { disposeTimeoutMs: 60_000 },
          providers: [
            {
              provide: 'CLOSING',
              scope: Scope.REQUEST,
              useFactory: () => ({
                [hook]: async () => {
                  await scope.complete();
                  journal.note('settled close');
                },
              }),
            },
          ],
        });
        const scope = await scopes.open();
        await scope.resolve('CLOSING').catch(() => undefined);
        await scope.complete();

        expect(journal.of('settled')).toEqual(['close']);
        expect(registry.stats()).toMatchObject({ openedScopes: 1, closedScopes: 1, openScopes: 0 });
      },
      1_000,
    );
  });

  describe('when something is resolved from it', () => {
    const closedError = (id: string) => ({ code: 'SCOPE_CLOSED', scopeId: id });

    it('[B20] refuses with ScopeClosedError, while other scopes go on working', async () => {
      const { scopes } = await startApp({ providers: [Connection, Other] });
      const [scope, other] = [await scopes.open(), await scopes.open()];
      await scope.resolve(Connection);
      await scope.complete();

      for (const token of [Connection, Other]) {
        const refusal = await scope.resolve(token).catch((error: unknown) => error);
        expect(refusal).toBeInstanceOf(ScopeClosedError);
        expect(refusal).toMatchObject(closedError(scope.id));
      }
      expect(await other.resolve(Connection)).toBeInstanceOf(Connection);
      await other.complete();
      expect(journal.of('built')).toEqual(['Connection', 'Connection']);
    });

    it.each(['the id that it had', 'the id that it has'])(
      '[B20] also refuses ModuleRef.resolve() with %s, even of built instances, and builds nothing',
      async (which) => {
        const { scopes, app } = await startApp({ providers: [Connection, Other] });
        const scope = await scopes.open();
        const had = scope.contextId;
        await scope.resolve(Connection);
        await scope.complete();
        const contextId = which === 'the id that it had' ? had : scope.contextId;

        for (const token of [Connection, Other])
          await expect(
            app.get(ModuleRef).resolve(token, contextId, { strict: false }),
          ).rejects.toMatchObject(closedError(scope.id));
        expect(journal.of('built')).toEqual(['Connection']);
      },
    );

    it.each(['onCommit', 'defer'] as const)(
      '[B20] refuses even built instances in %s, also through ModuleRef',
      async (hook) => {
        const refused: unknown[] = [];
        const { registry, app } = await startApp({
          providers: [
            worker([Connection], ({ scope }) =>
              scope[hook](async () => {
                const { contextId } = scope;
                const again = app.get(ModuleRef).resolve(Connection, contextId, { strict: false });
                for (const resolved of [scope.resolve(Connection), again])
                  refused.push(await resolved.catch(({ code }: ScopeClosedError) => code));
              }),
            ),
            Connection,
          ],
        });
        await registry.run('Worker.run');

        expect(refused).toEqual(['SCOPE_CLOSED', 'SCOPE_CLOSED']);
      },
    );

    it('[B20] also refuses ModuleRef.create() with its context id, in a hook and afterwards', async () => {
      @Injectable()
      class ByConstructor {
        constructor(readonly connection: Connection) {}
      }
      @Injectable()
      class ByProperty {
        @Inject(Connection) readonly connection!: Connection;
      }
      const made: unknown[] = [];
      let create!: () => Promise<void>;
      const handler = async ({ scope }: Tick, _: Connection, moduleRef: ModuleRef) => {
        const { contextId } = scope;
        create = async () => {
          for (const type of [ByConstructor, ByProperty]) {
            const created = moduleRef.create<object>(type, contextId);
            made.push(await created.catch(({ code }: ScopeClosedError) => code));
          }
        };
        await create();
        scope.onCommit(create);
      };
      const { registry } = await startApp({
        providers: [worker([Connection, ModuleRef], handler), Connection],
      });
      await registry.run('Worker.run');
      await create();

      expect(made.slice(0, 2)).toMatchObject([{ connection: {} }, { connection: {} }]);
      expect(made.slice(2)).toEqual(Array.from({ length: 4 }, () => 'SCOPE_CLOSED'));
    });

    it('[B20] refuses from the scope of a tick after the tick', async () => {
      let kept!: Tick;
      const { registry } = await startApp({
        providers: [worker([Connection], (tick) => void (kept = tick)), Connection, Other],
      });
      await registry.run('Worker.run');

      await expect(kept.scope.resolve(Other)).rejects.toThrow(ScopeClosedError);
    });
  });

  describe('when the handler runs', () => {
    it('[B23] is open to the last line of the handler, and closed in the report', async () => {
      const seen: boolean[] = [];
      const { registry, events } = await startApp({
        providers: [
          worker([], async (tick) => {
            scope = tick.scope;
            await turn();
            tick.scope.waitFor(turn().then(() => seen.push(tick.scope.closed)));
            await tick.scope.resolve(Connection);
            seen.push(tick.scope.closed);
          }),
          Connection,
        ],
      });
      let scope!: ProviderScope;
      events.on('tick:finished', () => seen.push(scope.closed));
      await registry.run('Worker.run');

      expect(seen).toEqual([false, false, true]);
    });
  });

  describe('when the application closes', () => {
    it('[B21] is never opened afterwards', async () => {
      const { app, registry, scopes } = await startApp({
        providers: [worker([Connection]), Connection],
      });
      await app.close();

      await expect(scopes.open()).rejects.toThrow(ScopeClosedError);
      await expect(scopes.run(() => undefined)).rejects.toThrow(ScopeClosedError);
      expect(await registry.run('Worker.run')).toMatchObject({
        outcome: 'skipped',
        reason: 'stopping',
      });
      expect(journal.lines).toEqual([]);
      expect(registry.stats().openedScopes).toBe(0);
    });

    it('[B21] is never opened after an application that was not initialized has closed', async () => {
      const { app, scopes } = await compileApp({});
      await app.close();

      await expect(scopes.open()).rejects.toThrow(ScopeClosedError);
    });

    it('[B21] refuses a late resolve of the tick in flight, and lets the tick end', async () => {
      const running = gate();
      const { app, registry } = await startApp({
        providers: [
          worker([], async (tick) => {
            running.open();
            await new Promise((resolve) => tick.signal.addEventListener('abort', resolve));
            return tick.scope.resolve(Connection).catch((error: unknown) => error);
          }),
          Connection,
        ],
      });
      const ended = registry.run('Worker.run');
      await running.opened;
      await app.close();

      expect((await ended).value).toBeInstanceOf(ScopeClosedError);
      expect(journal.lines).toEqual([]);
    });

    it('[B21] lets the tick in flight resolve as long as it drains without being aborted', async () => {
      const running = gate();
      const mayResolve = gate();
      const { app, registry } = await startApp({
        options: { drainTimeoutMs: 60_000 },
        providers: [
          worker([], async (tick) => {
            running.open();
            await mayResolve.opened;
            await tick.scope.resolve(Connection);
          }),
          Connection,
        ],
      });
      const ended = registry.run('Worker.run');
      await running.opened;
      const closed = app.close();
      await turn();
      mayResolve.open();
      await closed;

      expect((await ended).outcome).toBe('succeeded');
      expect(journal.lines).toEqual(['built Connection', 'disposed Connection']);
    });
  });
});
