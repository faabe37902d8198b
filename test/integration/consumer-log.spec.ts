import { afterEach, describe, expect, it } from '@jest/globals';
import { inMemoryQueue } from '../../lib/index.js';
import { closeApps } from '../support/app.js';
import { failingConsumer, HandSource, startConsumer, until } from '../support/consumers.js';
import { turns } from '../support/running-tick.js';

afterEach(closeApps);

/** The log of the parts that are named, without the ids of ticks. */
const withoutIds = (lines: readonly string[]): string[] =>
  lines.map((line) => line.replace(/tick-[\w-]+/, 'tick-id'));

describe('the log of a consumer', () => {
  it('[G12] says once that its source failed, why, and when it is read again', async () => {
    const { source, log } = await startConsumer(new HandSource(), () => undefined);
    source.fail(new Error('broker gone'));
    await until(() => source.opened === 2);
    expect(log.of('error')).toEqual([
      'The source of Consumer.handle failed (reading again in 100 ms): broker gone',
    ]);
    expect(log.of('warn')).toEqual([]);
  });

  it('[G12] warns once that its source has ended, and when it is read again', async () => {
    const { source, log } = await startConsumer(new HandSource(), () => undefined);
    source.end();
    await until(() => source.opened === 2);
    expect(log.of('warn')).toEqual([
      'The source of Consumer.handle has ended (reading again in 100 ms)',
    ]);
    expect(log.of('error')).toEqual([]);
  });

  it('warns of each dead letter, and logs each failure once', async () => {
    const source = new HandSource({ keepsDeadLetters: true });
    const { reports, log } = await failingConsumer(source, { maxDeliveries: 2 });
    for (const deliveries of [1, 2]) source.give('bad', { id: 'm-7', deliveries });
    await until(() => reports.length === 2);
    expect(withoutIds(log.of('warn'))).toEqual([
      'Consumer.handle: message m-7 was put aside after 2 deliveries. Last error: boom',
    ]);
    expect(withoutIds(log.of('error'))).toEqual([
      'Consumer.handle failed (tick-id, message m-7, phase handler): boom',
      'Consumer.handle failed (tick-id, message m-7, phase handler): boom',
    ]);
  });

  it('warns of a dead letter after its only delivery', async () => {
    const source = new HandSource({ keepsDeadLetters: true });
    const { log } = await failingConsumer(source, { maxDeliveries: 1 });
    source.give('bad');
    await until(() => log.of('warn').length > 0);
    expect(log.of('warn')).toEqual([
      'Consumer.handle: message 1 was put aside after 1 delivery. Last error: boom',
    ]);
  });

  it('says nothing of what goes well, of a pause, and of a message that is interrupted', async () => {
    const queue = inMemoryQueue<number>();
    const { registry, app, log } = await startConsumer(queue, turns);
    await queue.put(1);
    await until(() => registry.stats().closedScopes === 1);
    registry.pause('Consumer.handle');
    await queue.put(2);
    await turns();
    registry.resume('Consumer.handle');
    await until(() => registry.stats().openScopes === 1);
    await app.close();
    expect([...log.of('error'), ...log.of('warn')]).toEqual([]);
  });

  it('names it at start-up, and what the shutdown waits for', async () => {
    const { source, app, log, next } = await startConsumer(
      new HandSource(),
      ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        }),
    );
    const started = next('tick:started');
    source.give();
    await started;
    await app.close();
    const own = log.of('log').filter((line) => line.includes('Consumer.handle'));
    expect(withoutIds(own)).toEqual([
      '1 scheduled, with the next run: Consumer.handle (active)',
      'Shutting down: waiting for Consumer.handle (tick-id, message 1)',
      expect.stringMatching(
        / finished after \d+ ms; cancelled: Consumer\.handle \(tick-id, message 1\)$/,
      ),
    ]);
  });
});
