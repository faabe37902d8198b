import { afterEach, describe, expect, it } from '@jest/globals';
import { Scope } from '@nestjs/common';
import type { Tick, TickReport } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate } from '../support/gate.js';
import { worker } from '../support/probes.js';

type Ending = 'well' | 'open' | 'resolve' | 'handler' | 'commit' | 'dispose' | 'timeout' | 'cancel';

describe('Opened and closed scopes', () => {
  afterEach(closeApps);

  it('[B28] are equally many after any mix of outcomes, and what they built is disposed', async () => {
    let built = 0;
    let disposed = 0;
    const failAt = (tick: Tick, here: Ending): void => {
      if (tick.payload === here) throw new Error(`fails in ${here}`);
    };
    const { registry, scopes, events } = await startApp({
      options: { onOpen: (tick) => failAt(tick, 'open') },
      providers: [
        worker(
          ['PROBE'],
          async (tick) => {
            const endings: Partial<Record<Ending, () => unknown>> = {
              handler: () => failAt(tick, 'handler'),
              cancel: () => registry.cancel('Worker.run'),
              timeout: () =>
                new Promise((resolve) => tick.signal.addEventListener('abort', resolve)),
            };
            await endings[tick.payload as Ending]?.();
            tick.signal.throwIfAborted();
          },
          { timeoutMs: 50 },
        ),
        {
          provide: 'PROBE',
          scope: Scope.REQUEST,
          inject: ['REQUEST'],
          useFactory: (tick: Tick) => {
            failAt(tick, 'resolve');
            built += 1;
            return {
              onScopeCommit: () => failAt(tick, 'commit'),
              [Symbol.dispose]: () => {
                disposed += 1;
                failAt(tick, 'dispose');
              },
            };
          },
        },
      ],
    });
    const closings: unknown[] = [];
    events.on('scope:closed', (notice) => closings.push(notice));

    const reports: TickReport[] = [];
    const endings = ['well', 'open', 'resolve', 'handler', 'commit', 'dispose', 'timeout'] as const;
    for (const payload of [...endings, 'cancel'])
      reports.push(await registry.run('Worker.run', { payload }));
    registry.pause('Worker.run');
    await scopes.run(() => undefined);
    await scopes.run(() => Promise.reject(new Error('down'))).catch(() => undefined);
    await (await scopes.open()).complete();
    await (await scopes.open())[Symbol.asyncDispose]();

    expect(reports.map(({ outcome, phase }) => `${outcome} ${phase ?? ''}`.trim())).toEqual([
      'succeeded',
      'failed open',
      'failed resolve',
      'failed handler',
      'failed commit',
      'failed dispose',
      'timed-out handler',
      'cancelled handler',
    ]);
    expect([built, disposed]).toEqual([6, 6]);
    expect(closings).toHaveLength(12);
    expect(registry.stats()).toMatchObject({
      openedScopes: 12,
      closedScopes: 12,
      openScopes: 0,
      runningTicks: 0,
    });
  });

  it('[B28] differ by the ticks that run at this moment', async () => {
    const started = gate();
    const mayEnd = gate();
    const { registry } = await startApp({
      providers: [
        worker([], () => {
          started.open();
          return mayEnd.opened;
        }),
      ],
    });
    const ended = Promise.all([registry.run('Worker.run'), registry.run('Worker.run')]);
    await started.opened;
    expect(registry.stats()).toMatchObject({ openedScopes: 2, closedScopes: 0, openScopes: 2 });
    mayEnd.open();
    await ended;

    expect(registry.stats()).toMatchObject({ openedScopes: 2, closedScopes: 2, openScopes: 0 });
  });

  it('[B28] are equally many in the end also for a tick that the shutdown abandoned', async () => {
    let disposed = 0;
    const started = gate();
    const mayEnd = gate();
    const { app, registry } = await startApp({
      options: { shutdownTimeoutMs: 5 },
      providers: [
        worker(['PROBE'], () => {
          started.open();
          return mayEnd.opened;
        }),
        {
          provide: 'PROBE',
          scope: Scope.REQUEST,
          useFactory: () => ({ onModuleDestroy: () => (disposed += 1) }),
        },
      ],
    });
    const ended = registry.run('Worker.run');
    await started.opened;
    await app.close();
    expect(registry.stats()).toMatchObject({ openScopes: 1 });
    expect(disposed).toBe(0);
    mayEnd.open();
    await ended;

    expect(registry.stats()).toMatchObject({ openedScopes: 1, closedScopes: 1 });
    expect(disposed).toBe(1);
  });
});
