import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Inject, Scope, type Provider } from '@nestjs/common';
import { closeApps, startApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { probes, RequestScoped } from '../support/probes.js';
import { turns } from '../support/running-tick.js';

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
      '[B22] fails the resolve of %s, and disposes the half-built objects of a standalone scope',
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

  it('[B22, B39] a constructor that closes it leaves its disposer the injected properties', async () => {
    @RequestScoped()
    class Closing extends Probe {
      @Inject(Connection) readonly connection!: Connection;

      constructor() {
        super();
        closed = scope.complete();
      }

      override async [Symbol.asyncDispose](): Promise<void> {
        journal.note(`disposed Closing with ${this.connection.constructor.name}`);
      }
    }
    let closed: Promise<void> | undefined;
    const { scopes } = await startApp({ providers: [Connection, Closing] });
    const scope = await scopes.open();
    await expect(scope.resolve(Closing)).rejects.toMatchObject({ code: 'SCOPE_CLOSED' });
    await closed;

    expect(journal.of('disposed')).toEqual(['Closing with Connection', 'Connection']);
  });

  it('[B22, B38] commits no instance that it has not initialized', async () => {
    const held = gate();
    class Session extends Probe {
      onScopeInit = (): void => journal.note('initialized Session');
      onScopeCommit = (): void => journal.note('committed Session');
    }
    const session: Provider = {
      provide: Session,
      scope: Scope.REQUEST,
      useFactory: async () => {
        await held.opened;
        return new Session();
      },
    };
    const { scopes } = await startApp({ providers: [session] });
    const scope = await scopes.open();
    const resolved = scope.resolve(Session);
    await turns();
    const completed = scope.complete();
    held.open();
    await expect(resolved).rejects.toMatchObject({ code: 'SCOPE_CLOSED' });
    await completed;

    expect(journal.lines).toEqual(['built Session', 'disposed Session']);
  });

  it('[B22] waits for a build under way when a timer that a finished build has set closes it', async () => {
    const held = gate();
    const lines = journal.lines;
    const starter: Provider = {
      provide: 'STARTER',
      scope: Scope.REQUEST,
      useFactory: () => {
        void closeNow.opened.then(() => scope.complete()).then(closed.open);
        return {};
      },
    };
    const slow: Provider = {
      provide: 'SLOW',
      inject: [Connection],
      useFactory: async () => {
        await held.opened;
        journal.note('SLOW has used Connection');
        return {};
      },
    };
    const closeNow = gate();
    const closed = gate();
    const { scopes } = await startApp({ providers: [Connection, starter, slow] });
    const scope = await scopes.open();
    await scope.resolve('STARTER');
    const resolved = scope.resolve('SLOW');
    resolved.catch(() => undefined);
    await turns();
    closeNow.open();
    await turns();
    held.open();
    await closed.opened;
    expect(lines.slice(1)).toEqual(['SLOW has used Connection', 'disposed Connection']);
  });
});
