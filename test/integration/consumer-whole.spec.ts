import { Module } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { inMemoryQueue, type Engine } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { consumer, HandSource, SOURCE, startConsumer, until } from '../support/consumers.js';
import { gate } from '../support/gate.js';
import { turns } from '../support/running-tick.js';

/** Consumers beside the other parts of the application. */
describe('a consumer in the application', () => {
  afterEach(closeApps);

  it.each([true, false])(
    '[G1] reads the source that the module of its worker imports (it comes first: %p)',
    async (first) => {
      const [mine, other] = [new HandSource(), new HandSource()];
      @Module({ providers: [{ provide: SOURCE, useValue: mine }], exports: [SOURCE] })
      class MineModule {}
      @Module({ providers: [{ provide: SOURCE, useValue: other }], exports: [SOURCE] })
      class OtherModule {}
      @Module({ imports: [MineModule], providers: [consumer([])] })
      class WorkerModule {}
      await startApp({
        imports: first ? [WorkerModule, OtherModule] : [OtherModule, WorkerModule],
      });
      await until(() => mine.opened + other.opened === 1);
      expect([mine.opened, other.opened]).toEqual([1, 0]);
    },
  );

  it('[G11] obeys overrides.maxConcurrency rather than its own concurrency', async () => {
    const held = gate();
    const options = { overrides: { 'Consumer.handle': { maxConcurrency: 1 } } };
    const { source } = await startConsumer(
      new HandSource(),
      () => held.opened,
      { concurrency: 3 },
      { options },
    );
    for (let count = 0; count < 5; count += 1) source.give(count);
    await until(() => source.asked > 0);
    await turns();
    held.open();
    expect(source.asked).toBe(1);
  });

  it('[XC8] refuses an override that consumers lack, and takes its neighbour', async () => {
    const start = (override: object) =>
      startConsumer(
        new HandSource(),
        () => 1,
        {},
        {
          options: { overrides: { 'Consumer.handle': override } },
        },
      );
    await expect(start({ overlap: 'skip' })).rejects.toMatchObject({ code: 'INVALID_SCHEDULE' });
    await expect(start({ timeoutMs: 1_000 })).resolves.toBeDefined();
  });

  it('is not registered with an engine, which knows due times only', async () => {
    const told: string[] = [];
    const engine: Engine = {
      name: 'hand',
      start: (schedules) => void told.push(...schedules.map(({ name }) => name)),
      stop: () => undefined,
      add: () => undefined,
      replace: () => undefined,
      remove: (name) => void told.push(`remove ${name}`),
      pause: (name) => void told.push(`pause ${name}`),
      resume: (name) => void told.push(`resume ${name}`),
      nextRun: (name) => void told.push(`nextRun ${name}`) as undefined,
    };
    const { registry } = await startConsumer(
      new HandSource(),
      () => 1,
      {},
      { options: { engine } },
    );
    registry.pause('Consumer.handle');
    registry.resume('Consumer.handle');
    registry.remove('Consumer.handle');
    expect(told).toEqual([]);
  });

  it('[B28] counts as running until its message is acknowledged', async () => {
    const held = gate();
    const { source, registry, next } = await startConsumer(new HandSource(), () => 1);
    const finished = next('tick:finished');
    source.give(1, { ack: () => held.opened });
    await until(() => registry.stats().closedScopes === 1);
    await turns();
    expect(registry.stats().runningTicks).toBe(1);
    held.open();
    await finished;
    expect(registry.stats().runningTicks).toBe(0);
  });

  it('[E5] is no reason to wait, nor to say so, while it is idle', async () => {
    const { app, next } = await startConsumer(inMemoryQueue(), () => 1);
    await turns();
    const started = next('shutdown:started');
    await app.close();
    expect((await started).waitingFor).toEqual([]);
  });
});
