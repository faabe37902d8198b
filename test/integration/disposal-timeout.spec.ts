import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable, Scope } from '@nestjs/common';
import { ScopedInterval, ScopedWorker } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate } from '../support/gate.js';
import { probes, RequestScoped, worker } from '../support/probes.js';

describe('disposeTimeoutMs', () => {
  const { journal, Probe } = probes();
  const hang = gate();

  @RequestScoped()
  class Connection extends Probe {}
  @RequestScoped()
  class Hanging {
    constructor(readonly connection: Connection) {}
    async [Symbol.asyncDispose](): Promise<void> {
      journal.note('disposing Hanging');
      await hang.opened;
    }
  }

  beforeEach(() => {
    journal.lines.length = 0;
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  });
  afterEach(async () => {
    jest.useRealTimers();
    await closeApps();
  });

  const start = (options = { disposeTimeoutMs: 5_000 }) =>
    startApp({ options, providers: [worker([Hanging]), Hanging, Connection] });

  it('[B35] bounds a disposer that hangs: the others are disposed, and the report names it', async () => {
    const { registry } = await start();
    const ended = registry.run('Worker.run');
    await jest.advanceTimersByTimeAsync(4_999);
    expect(journal.of('disposed')).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    const report = await ended;

    expect(journal.of('disposed')).toEqual(['Connection']);
    expect(report).toMatchObject({ outcome: 'failed', phase: 'dispose' });
    expect(report.error).toMatchObject({
      code: 'DISPOSE_TIMEOUT',
      disposer: 'Hanging.[Symbol.asyncDispose]',
      timeoutMs: 5_000,
    });
  });

  it('[B35] leaves alone a disposer that ends in time', async () => {
    @RequestScoped()
    class Slow {
      onModuleDestroy(): Promise<void> {
        return new Promise((resolve) => setTimeout(resolve, 4_999));
      }
    }
    const { registry } = await startApp({
      options: { disposeTimeoutMs: 5_000 },
      providers: [worker([Slow]), Slow],
    });
    const ended = registry.run('Worker.run');
    await jest.advanceTimersByTimeAsync(4_999);

    expect((await ended).outcome).toBe('succeeded');
    expect(jest.getTimerCount()).toBe(0);
  });

  it('[B35] applies to each disposer and each deferred cleanup separately', async () => {
    const { registry } = await startApp({
      options: { disposeTimeoutMs: 5_000 },
      providers: [
        worker([Hanging, 'ALSO'], (tick) => tick.scope.defer(() => hang.opened)),
        Hanging,
        Connection,
        {
          provide: 'ALSO',
          scope: Scope.REQUEST,
          useFactory: () => ({ onModuleDestroy: () => hang.opened }),
        },
      ],
    });
    const ended = registry.run('Worker.run');
    await jest.advanceTimersByTimeAsync(15_000);
    const report = await ended;

    expect(report.disposeErrors).toHaveLength(3);
    expect((report.error as AggregateError).errors).toEqual(report.disposeErrors);
    expect(journal.of('disposed')).toEqual(['Connection']);
  });

  it('[B35] does not keep the next ticks of the schedule from running', async () => {
    @ScopedWorker()
    class Poller {
      constructor(readonly hanging: Hanging) {}
      @ScopedInterval(10_000)
      poll(): void {
        journal.note('called poll');
      }
    }
    await startApp({
      options: { disposeTimeoutMs: 5_000 },
      providers: [Poller, Hanging, Connection],
    });
    await jest.advanceTimersByTimeAsync(36_000);

    expect(journal.of('called')).toEqual(['poll', 'poll', 'poll']);
    expect(journal.of('disposed')).toEqual(['Connection', 'Connection', 'Connection']);
  });

  it('[B35] does not keep the application from closing, and singletons stay until the scope is gone', async () => {
    @Injectable()
    class Single {
      onModuleDestroy(): void {
        journal.note('disposed Single');
      }
    }
    const { app, registry } = await startApp({
      options: { disposeTimeoutMs: 5_000, shutdownTimeoutMs: 60_000 },
      providers: [worker([Hanging]), Hanging, Connection, Single],
    });
    const ended = registry.run('Worker.run');
    await jest.advanceTimersByTimeAsync(0);
    expect(journal.of('disposing')).toEqual(['Hanging']);
    const closed = app.close();
    await jest.advanceTimersByTimeAsync(5_000);
    await closed;
    await ended;

    expect(journal.of('disposed')).toEqual(['Connection', 'Single']);
  });

  it('[B33] does not affect a schedule whose construction fails on every tick: it goes on', async () => {
    @RequestScoped()
    class Database {
      constructor() {
        attempts += 1;
        if (attempts < 4) throw new Error('database down');
      }
    }
    @ScopedWorker()
    class Poller {
      constructor(readonly database: Database) {}
      @ScopedInterval(10_000)
      poll(): void {
        journal.note('called poll');
      }
    }
    let attempts = 0;
    await startApp({ providers: [Poller, Database] });
    await jest.advanceTimersByTimeAsync(30_000);
    expect(attempts).toBe(3);
    expect(journal.lines).toEqual([]);
    await jest.advanceTimersByTimeAsync(10_000);

    expect(journal.lines).toEqual(['called poll']);
  });
});
