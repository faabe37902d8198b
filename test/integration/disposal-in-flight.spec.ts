import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { forwardRef, Inject, Scope, type Provider } from '@nestjs/common';
import { ModuleRef, REQUEST } from '@nestjs/core';
import type { Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { probes, RequestScoped, worker } from '../support/probes.js';

describe('What is still being built when the work ends', () => {
  const { journal, Probe, probe } = probes();

  @RequestScoped()
  class Connection extends Probe {}

  /** A provider that depends on `Connection`, and is finished when the test opens the gate. */
  function slow() {
    const started = gate();
    const mayFinish = gate();
    const provider: Provider = {
      provide: 'SLOW',
      inject: [Connection],
      useFactory: async () => {
        started.open();
        await mayFinish.opened;
        return probe('Slow');
      },
    };
    return { provider, started, mayFinish };
  }

  beforeEach(() => void (journal.lines.length = 0));
  afterEach(closeApps);

  const all = ['built Connection', 'built Slow', 'disposed Slow', 'disposed Connection'];

  it.each<[string, (tick: Tick, moduleRef: ModuleRef) => Promise<unknown>]>([
    ['the scope', (tick) => tick.scope.resolve('SLOW')],
    [
      'ModuleRef',
      (tick, moduleRef) => moduleRef.resolve('SLOW', tick.scope.contextId, { strict: false }),
    ],
  ])('[B18, B39] is waited for and disposed: a resolve through %s', async (_what, resolve) => {
    const { provider, started, mayFinish } = slow();
    const { registry } = await startApp({
      providers: [
        Connection,
        provider,
        worker([ModuleRef], async (tick, moduleRef: ModuleRef) => {
          resolve(tick, moduleRef).catch(() => undefined);
          await started.opened;
        }),
      ],
    });
    const ended = registry.run('Worker.run');
    await started.opened;
    await turn();
    await turn();
    mayFinish.open();
    const report = await ended;
    await turn();

    expect(report.outcome).toBe('succeeded');
    expect(journal.lines).toEqual(all);
  });

  it('[B26, B39] is waited for and disposed: the sibling of a provider that failed, by ModuleRef', async () => {
    const { provider, started, mayFinish } = slow();
    const { registry } = await startApp({
      providers: [
        Connection,
        provider,
        {
          provide: 'BROKEN',
          scope: Scope.REQUEST,
          useFactory: async () => {
            await started.opened;
            throw new Error('database down');
          },
        },
        { provide: 'BOTH', inject: ['SLOW', 'BROKEN'], useFactory: () => probe('Both') },
        worker([ModuleRef], (tick, moduleRef: ModuleRef) =>
          moduleRef.resolve('BOTH', tick.scope.contextId, { strict: false }),
        ),
      ],
    });
    const ended = registry.run('Worker.run');
    await started.opened;
    await turn();
    await turn();
    mayFinish.open();
    const report = await ended;
    await turn();

    expect(report.error).toEqual(new Error('database down'));
    expect(journal.lines).toEqual(all);
  });

  it('[B12, B18] is disposed when a standalone scope is closed meanwhile, and its resolve is refused', async () => {
    const { provider, started, mayFinish } = slow();
    const { scopes } = await startApp({ providers: [Connection, provider] });
    const scope = await scopes.open();
    const resolved = scope.resolve('SLOW').catch((error: unknown) => error);
    await started.opened;
    const closed = scope.complete();
    await turn();
    mayFinish.open();
    await closed;

    expect(await resolved).toMatchObject({ code: 'SCOPE_CLOSED' });
    expect(journal.lines).toEqual(all);
  });

  it('[B35] is not waited for longer than disposeTimeoutMs, and is disposed when it comes', async () => {
    const { provider, started, mayFinish } = slow();
    const { registry } = await startApp({
      options: { disposeTimeoutMs: 5 },
      providers: [
        Connection,
        provider,
        worker([], async (tick) => {
          tick.scope.resolve('SLOW').catch(() => undefined);
          await started.opened;
        }),
      ],
    });
    await registry.run('Worker.run');
    expect(journal.lines).toEqual(['built Connection', 'disposed Connection']);
    mayFinish.open();
    await turn();

    expect(journal.lines.slice(2)).toEqual(['built Slow', 'disposed Slow']);
  });

  it.each(['nest', 'compiled'] as const)(
    '[B16] is not disposed if it is the payload, which a factory returns when the tick has ended: %s',
    async (resolution) => {
      const [mayFinish, finished] = [gate(), gate()];
      const payload = { ...probe('Payload'), isLate: false };
      const item: Provider = {
        provide: 'ITEM',
        scope: Scope.REQUEST,
        inject: [REQUEST],
        useFactory: async ({ payload: given }: Tick<typeof payload>) => {
          if (given.isLate) {
            await mayFinish.opened;
            finished.open();
          }
          return given;
        },
      };
      const failing: Provider = {
        provide: 'FAILING',
        scope: Scope.REQUEST,
        useFactory: async () => {
          if (payload.isLate) throw new Error('no network');
        },
      };
      const { registry } = await startApp({
        options: { resolution, disposeTimeoutMs: 20 },
        providers: [item, failing, worker(['ITEM', 'FAILING'])],
      });
      for (let tick = 0; tick < 3; tick += 1) await registry.run('Worker.run', { payload });
      payload.isLate = true;
      await registry.run('Worker.run', { payload });
      mayFinish.open();
      await finished.opened;
      await turn();
      expect(journal.of('disposed')).toEqual([]);
    },
  );

  it('[B26] is disposed when the shutdown aborts a tick whose worker is being built, which is cancelled', async () => {
    const { provider, started, mayFinish } = slow();
    const { app, registry } = await startApp({
      providers: [
        Connection,
        provider,
        { provide: 'DEPENDENT', inject: ['SLOW'], useFactory: () => probe('Dependent') },
        worker(['DEPENDENT'], () => journal.note('called handler')),
      ],
    });
    const ended = registry.run('Worker.run');
    await started.opened;
    const closed = app.close();
    await turn();
    mayFinish.open();
    await closed;

    expect(await ended).toMatchObject({ outcome: 'cancelled', reason: 'shutdown' });
    expect(journal.lines).toEqual(all);
  });

  it('[B4] is disposed once each when two providers depend on each other', async () => {
    @RequestScoped()
    class Hen extends Probe {
      constructor(@Inject(forwardRef(() => Egg)) readonly egg: object) {
        super();
      }
    }
    @RequestScoped()
    class Egg extends Probe {
      constructor(@Inject(forwardRef(() => Hen)) readonly hen: object) {
        super();
      }
    }
    const { registry } = await startApp({ providers: [worker([Hen, Egg]), Hen, Egg] });
    const report = await registry.run('Worker.run');

    expect(report.outcome).toBe('succeeded');
    expect(journal.of('disposed').sort()).toEqual(['Egg', 'Hen']);
  });
});
