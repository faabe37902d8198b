import { afterEach, describe, expect, it } from '@jest/globals';
import { currentTick, type LeakedScope } from '../../lib/index.js';
import { IS_SCOPE } from '../../lib/scope/ownership.js';
import { closeApps, startApp } from '../support/app.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { turn } from '../support/gate.js';
import { probes, RequestScoped } from '../support/probes.js';

describe('leak:scope', () => {
  afterEach(closeApps);

  async function start() {
    const { journal, Probe } = probes();
    @RequestScoped()
    class Session extends Probe {}
    const test = await startApp({
      options: { leakDetection: { graceMs: 0 } },
      providers: [Session],
    });
    const leaked: LeakedScope[] = [];
    test.events.on('leak:scope', (scope) => leaked.push(scope));
    return { ...test, journal, Session, leaked };
  }

  it('[C22] names a scope that was dropped while it was open, with the place that opened it', async () => {
    const { scopes, Session, leaked, journal, log, app } = await start();
    const forget = async (): Promise<string> => {
      const scope = await scopes.open();
      await scope.resolve(Session);
      return scope.id;
    };
    const scopeId = await forget();
    await collectGarbage();
    await turn();

    expect(leaked).toEqual([
      {
        scopeId,
        place: expect.stringMatching(/^\/.*leak-scope\.spec\.ts:\d+:\d+$/),
        openedAt: expect.any(Date),
        ageMs: expect.any(Number),
      },
    ]);
    expect(log.of('warn')).toEqual([
      expect.stringMatching(
        /^Leak: scope scope-\S+, opened at \S+ \d+ s ago, was dropped while it was open\. The library disposes its instances when the application closes\. /,
      ),
    ]);
    expect(journal.of('disposed')).toEqual([]);
    await app.close();
    expect(journal.of('disposed')).toEqual(['Session']);
  });

  it('does not name a scope that is kept, was closed, or ends by itself', async () => {
    const { scopes, Session, leaked, journal } = await start();
    const kept = await scopes.open();
    await (async () => (await scopes.open()).complete())();
    await (async () => {
      await using scope = await scopes.open();
      await scope.resolve(Session);
    })().catch(() => undefined);
    await (async () => void (await scopes.open()).complete())(); // nobody waits
    await scopes.run((scope) => scope.resolve(Session));
    await collectGarbage();
    await turn();

    expect(leaked).toEqual([]);
    expect(kept.closed).toBe(false);
    expect(journal.of('disposed')).toEqual(['Session', 'Session']);
    await kept.complete();
  });

  it('returns a handle that does all that the scope does', async () => {
    const { scopes, Session, journal } = await start();
    const scope = await scopes.open({ request: 'seed' });
    scope.defer(() => journal.note('deferred cleanup'));
    scope.waitFor(turn().then(() => journal.note('awaited work')));
    const session = await scope.resolve(Session, { strict: true });

    expect(JSON.parse(JSON.stringify(scope))).toEqual({ id: scope.id, closed: false });
    expect((scope as unknown as { [IS_SCOPE]: true })[IS_SCOPE]).toBe(true);
    expect(scope.contextId).toEqual(expect.objectContaining({ id: expect.any(Number) }));
    expect(await scope.resolve(Session)).toBe(session);
    expect(currentTick()).toBeUndefined();
    const closing = scope.complete();
    expect(scope.closed).toBe(true);
    await closing;
    await expect(scope.resolve(Session)).rejects.toMatchObject({ code: 'SCOPE_CLOSED' });
    expect(journal.lines).toEqual([
      'built Session',
      'awaited work',
      'disposed Session',
      'deferred cleanup',
    ]);
  });
});
