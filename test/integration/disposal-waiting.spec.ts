import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Observable } from 'rxjs';
import type { ProviderScope, ScopedWorkerRegistry, StrayFailure, Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate, turn, type Gate } from '../support/gate.js';
import { probes, RequestScoped, thenable, worker } from '../support/probes.js';

describe('Disposal waits', () => {
  const { journal, Probe } = probes();

  @RequestScoped()
  class Connection extends Probe {}

  beforeEach(() => void (journal.lines.length = 0));
  afterEach(closeApps);

  /** Runs a tick whose handler is held by a gate; shows that nothing is disposed before the gate is open. */
  async function runHeld(
    handler: (held: Promise<void>, tick: Tick) => unknown,
    release: (held: Gate, registry: ScopedWorkerRegistry) => void = (held) => held.open(),
  ) {
    const held = gate();
    held.opened.catch(() => undefined);
    const { registry } = await startApp({
      providers: [worker([Connection], (tick) => handler(held.opened, tick)), Connection],
    });
    const ended = registry.run('Worker.run');
    await turn();
    await turn();
    expect(journal.lines).toEqual(['built Connection']);
    journal.note('opened gate');
    release(held, registry);
    const report = await ended;
    expect(journal.lines).toEqual(['built Connection', 'opened gate', 'disposed Connection']);
    return report;
  }

  it('[B36] for the promise that the handler returns', async () => {
    const report = await runHeld((held) => held.then(() => 7));

    expect(report).toMatchObject({ outcome: 'succeeded', value: 7 });
  });

  it('[B36] for a thenable that is not a promise', async () => {
    const report = await runHeld((held) => thenable(held.then(() => 7)));

    expect(report).toMatchObject({ outcome: 'succeeded', value: 7 });
  });

  it('[B36] for the completion of an Observable, whose last value counts', async () => {
    const report = await runHeld(
      (held) =>
        new Observable((subscriber) => {
          subscriber.next(6);
          subscriber.next(7);
          void held.then(() => subscriber.complete());
        }),
    );

    expect(report).toMatchObject({ outcome: 'succeeded', value: 7 });
  });

  it('[B36] for an Observable in a promise', async () => {
    const report = await runHeld(
      async (held) =>
        new Observable((subscriber) => void held.then(() => subscriber.error(new Error('down')))),
    );

    expect(report).toMatchObject({ outcome: 'failed', error: new Error('down') });
  });

  it('[B36] for the promise that the handler returns though it rejects', async () => {
    const report = await runHeld(
      (held) => held,
      (held) => held.fail(new Error('down')),
    );

    expect(report).toMatchObject({ outcome: 'failed', error: new Error('down') });
  });

  it('[B36] for the handler though the tick was cancelled', async () => {
    const report = await runHeld(
      (held, tick) => held.then(() => tick.signal.throwIfAborted()),
      (held, registry) => {
        registry.cancel('Worker.run');
        setImmediate(() => held.open());
      },
    );

    expect(report).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
  });

  describe('when work was passed to waitFor', () => {
    it('[B36] for that work', async () => {
      const report = await runHeld((held, tick) => tick.scope.waitFor(held));

      expect(report.outcome).toBe('succeeded');
    });

    it('[B36] for work that the work passes to waitFor', async () => {
      const report = await runHeld((held, tick) =>
        tick.scope.waitFor(turn().then(() => tick.scope.waitFor(held))),
      );

      expect(report.outcome).toBe('succeeded');
    });

    it('[B36] for that work though the handler has thrown, whose error stays the first', async () => {
      const report = await runHeld((held, tick) => {
        tick.scope.waitFor(held.then(() => Promise.reject(new Error('work down'))));
        throw new Error('handler down');
      });

      expect(report).toMatchObject({
        outcome: 'failed',
        error: new Error('handler down'),
        disposeErrors: [],
      });
    });

    it('[B36] for all of it though one piece has failed, which fails the tick', async () => {
      const report = await runHeld((held, tick) => {
        tick.scope.waitFor(Promise.reject(new Error('work down')));
        tick.scope.waitFor(held);
      });

      expect(report).toMatchObject({
        outcome: 'failed',
        phase: 'handler',
        error: new Error('work down'),
      });
    });

    describe('that failed after the handler had failed', () => {
      const workDown = new Error('work down');
      let cancel: () => void;

      async function straysOf(handler: (tick: Tick) => unknown): Promise<StrayFailure[]> {
        const strays: StrayFailure[] = [];
        const { registry, events } = await startApp({ providers: [worker([], handler)] });
        cancel = () => void registry.cancel('Worker.run');
        events.on('failure:stray', (stray) => void strays.push(stray));
        const report = await registry.run('Worker.run');
        expect(report).toMatchObject({ outcome: 'failed', disposeErrors: [] });
        return strays;
      }

      it('[B36] and reports its error apart from that of the tick', async () => {
        const strays = await straysOf((tick) => {
          tick.scope.waitFor(Promise.reject(workDown));
          throw new Error('handler down');
        });

        expect(strays).toMatchObject([
          { where: 'wait-for', schedule: 'Worker.run', error: workDown },
        ]);
      });

      it('[B36] and reports nothing when the handler has awaited the same work', async () => {
        const strays = await straysOf((tick) => {
          const work = Promise.reject(workDown);
          tick.scope.waitFor(work);
          return work;
        });

        expect(strays).toEqual([]);
      });

      it('[B36] and reports nothing when the work stopped because the tick was aborted', async () => {
        const strays = await straysOf((tick) => {
          const aborted = new Promise((resolve) => tick.signal.addEventListener('abort', resolve));
          const gaveUp = new DOMException('given up', 'AbortError');
          tick.scope.waitFor(aborted.then(() => Promise.reject(gaveUp)));
          cancel();
          throw new Error('handler down');
        });

        expect(strays).toEqual([]);
      });

      it('[B36] and reports its error when a standalone scope is left without complete()', async () => {
        const { scopes, events } = await startApp({ providers: [worker([])] });
        const strays: StrayFailure[] = [];
        events.on('failure:stray', (stray) => void strays.push(stray));
        const scope = await scopes.open();
        scope.waitFor(Promise.reject(workDown));
        await scope[Symbol.asyncDispose]();

        expect(strays).toMatchObject([{ where: 'wait-for', schedule: undefined, error: workDown }]);
      });
    });

    it('[B36] for work that a commit hook passes to waitFor', async () => {
      let scope!: ProviderScope;
      const held = gate();
      @RequestScoped()
      class Outbox {
        constructor(readonly connection: Connection) {}
        onScopeCommit(): void {
          scope.waitFor(held.opened.then(() => journal.note('sent outbox')));
        }
      }
      const { registry } = await startApp({
        options: { onOpen: (opened) => void (scope = opened.scope) },
        providers: [worker([Outbox]), Outbox, Connection],
      });
      const ended = registry.run('Worker.run');
      await turn();
      await turn();
      held.open();
      await ended;

      expect(journal.lines).toEqual(['built Connection', 'sent outbox', 'disposed Connection']);
    });

    it('[B36] in a standalone scope', async () => {
      const { scopes } = await startApp({ providers: [Connection] });
      const held = gate();
      const scope = await scopes.open();
      await scope.resolve(Connection);
      scope.waitFor(held.opened.then(() => journal.note('done work')));
      const closed = scope.complete();
      await turn();
      held.open();
      await closed;

      expect(journal.lines).toEqual(['built Connection', 'done work', 'disposed Connection']);
    });
  });
});
