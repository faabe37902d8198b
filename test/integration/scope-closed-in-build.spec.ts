import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Scope, type Provider } from '@nestjs/common';
import { closeApps, startApp } from '../support/app.js';
import { turn } from '../support/gate.js';
import { probes, RequestScoped } from '../support/probes.js';

describe('A scope', () => {
  const { journal, Probe, probe } = probes();

  @RequestScoped()
  class Connection extends Probe {}

  beforeEach(() => void (journal.lines.length = 0));
  afterEach(closeApps);

  describe('when a provider closes it while it is being built', () => {
    const closing = (close: () => Promise<void>): Provider[] => [
      {
        provide: 'BY_FACTORY',
        inject: [Connection],
        scope: Scope.REQUEST,
        useFactory: async () => {
          await close();
          return probe('Closing');
        },
      },
      {
        provide: 'NOT_WAITING',
        inject: [Connection],
        scope: Scope.REQUEST,
        useFactory: async () => {
          void close();
          await turn();
          return probe('Closing');
        },
      },
      {
        provide: 'DEPENDENT',
        inject: ['BY_FACTORY'],
        useFactory: () => probe('Dependent'),
      },
    ];

    it.each(['BY_FACTORY', 'NOT_WAITING', 'DEPENDENT'])(
      '[B22] fails the resolve of %s, and disposes the half-built objects of a scope by hand',
      async (token) => {
        const { scopes } = await startApp({
          providers: [Connection, ...closing(() => scope.complete())],
        });
        const scope = await scopes.open();
        await expect(scope.resolve(token)).rejects.toMatchObject({ code: 'SCOPE_CLOSED' });
        await scope.complete();

        expect(journal.of('built')).toEqual(['Connection', 'Closing']);
        expect(journal.of('disposed').sort()).toEqual(['Closing', 'Connection']);
      },
    );

    it('[B22] neither fails nor hangs a build when another scope is closed in it', async () => {
      const { scopes } = await startApp({
        providers: [Connection, ...closing(() => another.complete())],
      });
      const [scope, another] = [await scopes.open(), await scopes.open()];
      await expect(scope.resolve('BY_FACTORY')).resolves.toMatchObject({ name: 'Closing' });
      await scope.complete();

      expect(journal.of('disposed')).toEqual(['Closing', 'Connection']);
    });
  });
});
