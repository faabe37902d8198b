import { afterEach, describe, expect, it } from '@jest/globals';
import { Inject, Scope, type Provider } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { throwError } from 'rxjs';
import type { Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { RequestScoped, worker } from '../support/probes.js';

/**
 * Jest fails a test in which a promise is rejected and nobody handles it; each of these waits long enough for
 * Node to notice.
 */
async function letNodeNotice(): Promise<void> {
  for (let round = 0; round < 5; round += 1) await turn();
}

const request = { scope: Scope.REQUEST };

describe('Rejections in a tick', () => {
  afterEach(async () => {
    await letNodeNotice();
    await closeApps();
    await letNodeNotice();
  });

  const failsLate = (provide: string): Provider => ({
    provide,
    ...request,
    useFactory: async () => {
      await turn();
      throw new Error(`${provide} down`);
    },
  });

  it('[B34] are handled when several providers fail to be built', async () => {
    @RequestScoped()
    class Both {
      constructor(@Inject('ONE') _one: object, @Inject('TWO') _two: object) {}
    }
    const { registry } = await startApp({
      providers: [worker(['ONE', Both, 'TWO']), Both, failsLate('ONE'), failsLate('TWO')],
    });

    expect((await registry.run('Worker.run')).error).toEqual(new Error('ONE down'));
  });

  it.each<[string, (tick: Tick) => unknown]>([
    ['the handler rejects', () => Promise.reject(new Error('down'))],
    [
      'the handler throws',
      () => {
        throw new Error('down');
      },
    ],
    ['an Observable fails', () => throwError(() => new Error('down'))],
    ['waitFor work rejects', ({ scope }) => scope.waitFor(Promise.reject(new Error('down')))],
    [
      'a deferred cleanup rejects',
      ({ scope }) => scope.defer(() => Promise.reject(new Error('down'))),
    ],
  ])('[B34] are handled when %s', async (_what, handler) => {
    const { registry } = await startApp({ providers: [worker([], handler)] });
    const report = await registry.run('Worker.run');

    expect(report).toMatchObject({ outcome: 'failed', error: new Error('down') });
  });

  it('[B34] are handled when handler, waitFor work, rollback hook and disposer all reject', async () => {
    @RequestScoped()
    class Broken {
      onScopeRollback(): Promise<void> {
        return Promise.reject(new Error('rollback down'));
      }
      onModuleDestroy(): Promise<void> {
        return Promise.reject(new Error('disposer down'));
      }
    }
    const { registry } = await startApp({
      providers: [
        worker([Broken], (tick) => {
          tick.scope.waitFor(Promise.reject(new Error('work down')));
          return Promise.reject(new Error('handler down'));
        }),
        Broken,
      ],
    });
    const report = await registry.run('Worker.run');

    expect(report.error).toEqual(new Error('handler down'));
    expect(report.disposeErrors).toEqual([new Error('rollback down'), new Error('disposer down')]);
  });

  it('[B34] are handled when the handler does not wait for a resolve that fails', async () => {
    const { registry } = await startApp({
      providers: [worker([], (tick) => void tick.scope.resolve('LATE')), failsLate('LATE')],
    });
    await registry.run('Worker.run');
    await letNodeNotice();

    expect(registry.stats().openScopes).toBe(0);
  });

  it('[B34] are handled when the handler does not wait for a resolve that is refused because the tick finishes', async () => {
    const mayFinish = gate();
    const { registry } = await startApp({
      options: { disposeTimeoutMs: 1 },
      providers: [
        worker([ModuleRef], (tick) => {
          tick.scope.resolve('SLOW').catch(() => undefined);
        }),
        { provide: 'SLOW', ...request, useFactory: () => mayFinish.opened },
      ],
    });
    const report = registry.run('Worker.run');
    await letNodeNotice();
    mayFinish.open();

    expect((await report).outcome).toBe('succeeded');
  });

  it('[B34] are handled when a disposer rejects after its time is up, and reported as failure:stray', async () => {
    const hang = gate();
    const { registry, next } = await startApp({
      options: { disposeTimeoutMs: 1 },
      providers: [
        worker(['HANGING']),
        {
          provide: 'HANGING',
          ...request,
          useFactory: () => ({ [Symbol.asyncDispose]: () => hang.opened }),
        },
      ],
    });
    const report = await registry.run('Worker.run');
    const stray = next('failure:stray');
    const tooLate = new Error('too late');
    hang.fail(tooLate);

    expect(report).toMatchObject({ phase: 'dispose', error: { code: 'DISPOSE_TIMEOUT' } });
    expect(await stray).toEqual({
      where: 'late-disposer',
      schedule: 'Worker.run',
      tickId: report.tickId,
      error: tooLate,
    });
  });

  it('[B35] a disposer that ends well after its time was up appears once, in the report', async () => {
    const hang = gate();
    const { registry, events } = await startApp({
      options: { disposeTimeoutMs: 1 },
      providers: [worker([], (tick) => tick.scope.defer(() => hang.opened))],
    });
    const strays: unknown[] = [];
    events.on('failure:stray', (stray) => strays.push(stray));
    const report = await registry.run('Worker.run');
    hang.open();
    await letNodeNotice();

    expect(report.disposeErrors).toHaveLength(1);
    expect(strays).toEqual([]);
  });

  it('[B34] are handled when work is handed in after disposal has begun', async () => {
    let refused: unknown;
    const { registry } = await startApp({
      providers: [
        worker([], (tick) =>
          tick.scope.defer(() => {
            try {
              tick.scope.waitFor(Promise.reject(new Error('too late')));
            } catch (error) {
              refused = error;
            }
          }),
        ),
      ],
    });
    const report = await registry.run('Worker.run');

    expect(refused).toMatchObject({ code: 'SCOPE_CLOSED' });
    expect(report.outcome).toBe('succeeded');
  });
});
