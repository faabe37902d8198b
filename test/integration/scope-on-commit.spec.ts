import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ScopeClosedError, type ProviderScope, type Tick } from '../../lib/index.js';
import { closeApps, startApp, type TestAppOptions } from '../support/app.js';
import { turn } from '../support/gate.js';
import { probes, RequestScoped, worker } from '../support/probes.js';

describe('scope.onCommit() and scope.onRollback()', () => {
  const { journal, Probe } = probes();
  const note = (line: string) => async (): Promise<void> => {
    await turn();
    journal.note(line);
  };

  class Hooked extends Probe {
    readonly onScopeCommit = note(`committed ${this.constructor.name}`);
    readonly onScopeRollback = note(`rolled back ${this.constructor.name}`);
  }
  @RequestScoped()
  class First extends Hooked {}
  @RequestScoped()
  class Second extends Hooked {}

  beforeEach(() => void (journal.lines.length = 0));
  afterEach(closeApps);

  async function run(handler: (tick: Tick) => unknown, options: TestAppOptions = {}) {
    const { registry } = await startApp({
      ...options,
      providers: [worker([First], handler), First, Second],
    });
    const report = await registry.run('Worker.run');
    return { report, lines: journal.lines.filter((line) => !line.startsWith('built ')) };
  }
  const disposals = ['disposed Second', 'disposed First'];

  async function register({ scope }: Tick): Promise<void> {
    scope.onCommit(note('committed 1'));
    scope.onRollback(note('rolled back 1'));
    await scope.resolve(Second);
    scope.onCommit(note('committed 2'));
    scope.onRollback(note('rolled back 2'));
  }

  it('[L5] are called with the hooks of providers, the last registered first, before any disposer', async () => {
    const { report, lines } = await run(register);

    expect(report).toMatchObject({ outcome: 'succeeded', built: 3, disposed: 2 });
    expect(lines).toEqual([
      'committed 2',
      'committed Second',
      'committed 1',
      'committed First',
      ...disposals,
    ]);
  });

  it('[L5] roll back with the error of the work', async () => {
    const error = new Error('down');
    const seen: unknown[] = [];
    const { lines } = await run(async (tick) => {
      tick.scope.onRollback((cause) => seen.push(cause));
      await register(tick);
      throw error;
    });

    expect(lines).toEqual([
      'rolled back 2',
      'rolled back Second',
      'rolled back 1',
      'rolled back First',
      ...disposals,
    ]);
    expect(seen).toEqual([error]);
    expect(seen[0]).toBe(error);
  });

  it("[L5] a failing onCommit is the phase 'commit', and what has not committed is rolled back", async () => {
    const error = new Error('not sent');
    const { report, lines } = await run(async ({ scope }) => {
      scope.onCommit(() => Promise.reject(error));
      scope.onRollback(note('rolled back, registered after it'));
      await scope.resolve(Second);
    });

    expect(report).toMatchObject({ outcome: 'failed', phase: 'commit', disposeErrors: [] });
    expect(report.error).toBe(error);
    expect(lines).toEqual([
      'committed Second',
      'rolled back, registered after it',
      'rolled back First',
      ...disposals,
    ]);
  });

  it('[L5] the error of a failing onRollback is kept beside that of the work', async () => {
    const { report, lines } = await run(({ scope }) => {
      scope.onRollback(() => {
        throw new Error('not rolled back');
      });
      throw new Error('down');
    });

    expect(report).toMatchObject({ phase: 'handler', error: new Error('down') });
    expect(report.disposeErrors).toEqual([new Error('not rolled back')]);
    expect(lines).toEqual(['rolled back First', 'disposed First']);
  });

  it('[L5] can be registered by a hook of around before next(), and by work that the scope waits for', async () => {
    const { lines } = await run(
      ({ scope }) => {
        scope.waitFor(turn().then(() => scope.onCommit(note('committed by work'))));
      },
      {
        options: {
          around: [
            ({ scope }, next) => {
              scope.onCommit(note('committed by hook'));
              return next();
            },
          ],
        },
      },
    );

    expect(lines).toEqual([
      'committed by work',
      'committed First',
      'committed by hook',
      'disposed First',
    ]);
  });

  it.each(['onCommit', 'onRollback'] as const)(
    '[L5] %s() is refused once the work has settled: in another hook, in a disposer, after the end',
    async (method) => {
      const refused: unknown[] = [];
      let scope: ProviderScope | undefined;
      const attempt = (): void => {
        try {
          scope![method](() => journal.note('called too late'));
        } catch (error) {
          refused.push(error);
        }
      };
      const { report } = await run((tick) => {
        scope = tick.scope;
        scope.onCommit(attempt);
        scope.defer(attempt);
      });
      attempt();

      expect(report.outcome).toBe('succeeded');
      expect(refused).toHaveLength(3);
      for (const error of refused) expect(error).toBeInstanceOf(ScopeClosedError);
      expect((refused[0] as Error).message).toBe(
        `Cannot register a hook with ${method}(): scope ${scope!.id} of Worker.run (${report.tickId}) is closed. Await all work before the handler returns, or pass it to scope.waitFor().`,
      );
      expect(journal.lines).not.toContain('called too late');
    },
  );

  it('[L5, B34] refuse a hook that is not a function, and go on', async () => {
    const { report } = await run(({ scope }) => {
      // As in scope.defer(connection.close()). Jest fails if the rejection is unhandled.
      expect(() => scope.defer(Promise.reject(new Error('close failed')) as never)).toThrow(
        new TypeError(
          'scope.defer() takes a function, not a promise. Pass a function that starts the work; to wait for work that has begun, call scope.waitFor().',
        ),
      );
      expect(() => scope.onCommit(function* () {})).toThrow(
        new TypeError(
          'scope.onCommit() takes a function, not a generator, whose body would never run. Make it async, without the asterisk.',
        ),
      );
      expect(() => scope.onCommit(undefined as never)).toThrow(
        new TypeError('scope.onCommit() takes a function, not undefined.'),
      );
      expect(() => scope.onRollback({} as never)).toThrow(
        new TypeError('scope.onRollback() takes a function, not an object.'),
      );
      expect(() => scope.waitFor((() => Promise.resolve()) as never)).toThrow(
        new TypeError(
          'scope.waitFor() takes a promise, not function (anonymous). Call the function, and pass the promise that it returns.',
        ),
      );
      expect(() => scope.waitFor(undefined as never)).toThrow(
        new TypeError('scope.waitFor() takes a promise, not undefined.'),
      );
      scope.waitFor(turn());
    });
    expect(report.error).toBeUndefined();
  });

  describe('in a standalone scope', () => {
    it('[L5] of run(), follow its work', async () => {
      const { scopes } = await startApp({});
      const work = (fails: boolean) =>
        scopes.run((scope) => {
          scope.onCommit(note('committed'));
          scope.onRollback(note('rolled back'));
          if (fails) throw new Error('down');
        });
      await work(false);
      await expect(work(true)).rejects.toThrow('down');

      expect(journal.lines).toEqual(['committed', 'rolled back']);
    });

    it.each([{}, { options: { leakDetection: {} } }])(
      '[L5] of open(), follow close(), with %j',
      async (options) => {
        const { scopes } = await startApp(options);
        {
          await using scope = await scopes.open();
          scope.onCommit(note('committed'));
          await scope.complete();
          expect(() => scope.onCommit(() => undefined)).toThrow(ScopeClosedError);
        }
        {
          await using scope = await scopes.open();
          scope.onRollback(note('rolled back'));
        }

        expect(journal.lines).toEqual(['committed', 'rolled back']);
      },
    );
  });
});
