import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { closeApps, startApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { probes, RequestScoped } from '../support/probes.js';

describe('A scope by hand', () => {
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
