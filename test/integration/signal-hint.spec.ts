import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable, Module, ShutdownSignal, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BackgroundWorker, ScopedCron, ScopedWorker, ScopedWorkerModule } from '../../lib/index.js';
import { closeApps, RecordingLogger, startApp } from '../support/app.js';
import { advance, useFakeClock } from '../support/fake-clock.js';
import { turns } from '../support/running-tick.js';

@ScopedWorker()
class Yearly {
  @ScopedCron('0 0 0 1 1 *', { timeZone: 'UTC' })
  run(): void {}
}

@Injectable()
class Loop extends BackgroundWorker {
  async execute(): Promise<void> {}
}

const HINT = [
  "This process doesn't handle any signals. SIGTERM ends it immediately or, if it is PID 1 in a container, has no effect. Either way, running work is not drained. Call app.enableShutdownHooks(), or call app.close() in your own signal handler.",
];

describe('The warning that no signal is handled', () => {
  const apps: INestApplicationContext[] = [];
  /** What Jest and the server of the tests listen to; it is put back. */
  const others = new Map<string, ((...args: unknown[]) => void)[]>();
  const ways = [...Object.values(ShutdownSignal), 'message'];

  beforeEach(() => {
    for (const way of ways) {
      others.set(way, process.listeners(way as never) as never);
      process.removeAllListeners(way);
    }
    useFakeClock();
  });
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    await closeApps();
    jest.useRealTimers();
    for (const [way, listeners] of others) {
      process.removeAllListeners(way);
      for (const listener of listeners) process.on(way, listener);
    }
  });

  async function start(providers: NonNullable<Parameters<typeof startApp>[0]['providers']>) {
    class App {}
    Module({ imports: [ScopedWorkerModule.forRoot()], providers })(App);
    const log = new RecordingLogger();
    const app = await NestFactory.createApplicationContext(App, { logger: log });
    apps.push(app);
    await advance(0);
    await turns();
    return { app, log };
  }

  it.each([
    ['a schedule', Yearly],
    ['a background worker', Loop],
  ])('is logged once, ten seconds after start-up, with %s', async (_, provider) => {
    const { log } = await start([provider]);
    await advance(9_999);
    expect(log.of('warn')).toEqual([]);
    await advance(1);
    expect(log.of('warn')).toEqual(HINT);
    await advance(600_000);
    expect(log.of('warn')).toEqual(HINT);
  });

  it.each<[string, (app: INestApplicationContext) => unknown]>([
    ['all signals are enabled', (app) => app.enableShutdownHooks()],
    ['one signal is enabled', (app) => app.enableShutdownHooks([ShutdownSignal.SIGINT])],
    ['it has its own listener', (app) => process.on('SIGTERM', () => void app.close())],
    ['it is ended by a message', (app) => process.on('message', () => void app.close())],
    ['it is closed before', (app) => app.close()],
  ])('is not logged when %s, also long after start-up', async (_, act) => {
    const { app, log } = await start([Yearly]);
    await advance(9_000);
    await act(app);
    await advance(600_000);
    expect(log.of('warn')).toEqual([]);
  });

  @ScopedWorker()
  class OnDemand {
    @ScopedCron('0 0 0 1 1 *', { disabled: true })
    run(): void {}
  }

  it.each([
    ['nothing would run', []],
    ['nothing would run by itself', [OnDemand]],
  ])('is not logged when %s', async (_, providers) => {
    const { log } = await start(providers);
    await advance(600_000);
    expect(log.of('warn')).toEqual([]);
  });

  it('is not logged in an application of Test.createTestingModule(), and leaves no timer there', async () => {
    const { log } = await startApp({ providers: [Loop] });
    await advance(0);
    expect(jest.getTimerCount()).toBe(0);
    await advance(600_000);
    expect(log.of('warn')).toEqual([]);
  });

  it('[D41] leaves no timer when the application is closed', async () => {
    const { app } = await start([Loop]);
    expect(jest.getTimerCount()).toBe(1);
    await app.close();
    expect(jest.getTimerCount()).toBe(0);
  });
});
