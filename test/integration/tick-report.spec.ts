import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable, Scope } from '@nestjs/common';
import type { Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { probes, RequestScoped, Transient, worker } from '../support/probes.js';

describe('The report of a tick', () => {
  const { Probe } = probes();

  @RequestScoped()
  class Connection extends Probe {}
  @RequestScoped()
  class Plain {}
  @Transient()
  class Part extends Probe {}
  @RequestScoped()
  class Repository extends Probe {
    constructor(
      readonly connection: Connection,
      readonly part: Part,
    ) {
      super();
    }
  }
  @Injectable()
  class Single extends Probe {}
  const providers = [Connection, Plain, Part, Repository, Single];

  afterEach(async () => {
    jest.useRealTimers();
    await closeApps();
  });

  it('[I14] counts the worker and all that was built for it, and of these those with a disposer', async () => {
    const { registry } = await startApp({
      providers: [worker([Repository, Plain, Part, Single]), ...providers],
    });

    // The worker, Repository, Connection, Plain, and Part in two places.
    expect(await registry.run('Worker.run')).toMatchObject({ built: 6, disposed: 4 });
  });

  it('[I14] counts what the handler resolves, and neither ready-made values nor cleanups', async () => {
    const handler = async ({ scope }: Tick): Promise<void> => {
      scope.defer(() => undefined);
      await scope.resolve(Connection);
      await scope.resolve(Connection);
      await scope.resolve(Single);
      await scope.resolve('VALUE');
    };
    const { registry } = await startApp({
      providers: [
        worker(['VALUE'], handler),
        ...providers,
        { provide: 'VALUE', useValue: { [Symbol.dispose]: () => undefined } },
      ],
    });

    expect(await registry.run('Worker.run')).toMatchObject({ built: 2, disposed: 1 });
  });

  it.each([
    ['with a disposer', { [Symbol.dispose]: () => undefined }],
    ['without one', {}],
  ])('[I14] counts an object once that goes through an alias and a factory: %s', async (_w, it) => {
    const { registry } = await startApp({
      providers: [
        worker(['REAL', 'ALIAS', 'HANDED_ON']),
        { provide: 'REAL', scope: Scope.REQUEST, useFactory: () => ({ ...it }) },
        { provide: 'ALIAS', useExisting: 'REAL' },
        { provide: 'HANDED_ON', inject: ['REAL'], useFactory: (real: object) => real },
      ],
    });

    expect((await registry.run('Worker.run')).built).toBe(2);
  });

  it.each([
    ['with a disposer', { [Symbol.dispose]: () => undefined }],
    ['without one', {}],
  ])('[I14] does not count what a static provider holds: %s', async (_what, held) => {
    const { registry } = await startApp({
      providers: [
        worker(['HELD']),
        { provide: 'HOLDER', useValue: { held } },
        { provide: 'HELD', scope: Scope.REQUEST, useFactory: () => held },
      ],
    });

    expect(await registry.run('Worker.run')).toMatchObject({ built: 1, disposed: 0 });
  });

  it('[I14] counts also for a tick whose construction failed midway', async () => {
    @RequestScoped()
    class Broken {
      constructor(readonly repository: Repository) {
        throw new Error('database down');
      }
    }
    const { registry } = await startApp({ providers: [worker([Broken]), Broken, ...providers] });

    expect(await registry.run('Worker.run')).toMatchObject({
      outcome: 'failed',
      built: 3,
      disposed: 3,
    });
  });

  it('[I14] counts a disposer that failed, for it was called', async () => {
    const { registry } = await startApp({
      providers: [
        worker(['BROKEN']),
        {
          provide: 'BROKEN',
          scope: Scope.REQUEST,
          useFactory: () => ({ onModuleDestroy: () => Promise.reject(new Error('down')) }),
        },
      ],
    });

    expect(await registry.run('Worker.run')).toMatchObject({ built: 2, disposed: 1 });
  });

  it('[I14] says how long disposal took, apart from the handler', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const { registry } = await startApp({
      providers: [
        worker(['SLOW'], () => jest.advanceTimersByTime(40)),
        {
          provide: 'SLOW',
          scope: Scope.REQUEST,
          useFactory: () => ({
            [Symbol.asyncDispose]: async () => jest.advanceTimersByTime(250),
          }),
        },
      ],
    });
    const report = await registry.run('Worker.run');

    expect(report.disposeMs).toBe(250);
    expect(report.durationMs).toBe(290);
    expect(report.endedAt.getTime() - report.firedAt.getTime()).toBe(290);
  });

  it('[I14] says the same in the event scope:closed', async () => {
    const { registry, next } = await startApp({ providers: [worker([Repository]), ...providers] });
    const closed = next('scope:closed');
    const { tickId, built, disposed, disposeMs } = await registry.run('Worker.run');

    expect(await closed).toMatchObject({ tickId, built, disposed, disposeMs, disposeErrors: [] });
  });
});
