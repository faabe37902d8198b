import { describe, expect, it } from '@jest/globals';
import { appsOnFakeClock } from '../support/app.js';
import { boom, readingConsumer, HandSource } from '../support/consumers.js';
import { gate } from '../support/gate.js';
import { turns } from '../support/running-tick.js';

appsOnFakeClock();

describe('app.close() inside the work on a message', () => {
  it('[D28] does not wait for its own message, which is acknowledged after it', async () => {
    const app: { close(): Promise<void> }[] = [];
    const lines: string[] = [];
    const { source, ended, ...test } = await readingConsumer(
      new HandSource(),
      async ({ signal }) => {
        await app[0]!.close();
        lines.push(`closed, aborted: ${signal.aborted}`);
      },
    );
    app.push(test.app);
    source.give(undefined, { ack: () => (lines.push('acknowledged'), source.note('ack')) });
    await source.settled(1);
    expect(lines).toEqual(['closed, aborted: true', 'acknowledged']);
    expect((await ended).abandoned).toEqual([]);
    expect(performance.now()).toBe(0);
  });

  it('[D28] waits for the other messages', async () => {
    const app: { close(): Promise<void> }[] = [];
    const held = gate();
    const lines: unknown[] = [];
    const { source, ...test } = await readingConsumer(
      new HandSource(),
      async ({ payload }) => {
        await (payload === 'closer' ? app[0]!.close() : held.opened);
        lines.push(payload);
      },
      { concurrency: 2 },
    );
    app.push(test.app);
    source.give('other');
    source.give('closer');
    await turns();
    expect(lines).toEqual([]);
    held.open();
    await source.settled(2);
    expect(lines).toEqual(['other', 'closer']);
    expect(source.fates).toEqual(['ack 1', 'ack 2']);
  });

  it.each<[string, (close: () => Promise<void>) => object, () => unknown]>([
    ['ack()', (ack) => ({ ack }), () => undefined],
    ['nack()', (nack) => ({ nack }), () => Promise.reject(boom())],
  ])('[D28] does not wait for itself in %s', async (_, delivery, handler) => {
    const { source, app, ended } = await readingConsumer(new HandSource(), handler);
    const done = gate();
    source.give(
      undefined,
      delivery(() => app.close().then(done.open)),
    );
    await done.opened;
    expect((await ended).abandoned).toEqual([]);
    expect(performance.now()).toBe(0);
  });

  it('[D28] names no message that is put aside, has begun it and ends while it runs, whenever that is', async () => {
    const abandoned: string[] = [];
    for (let later = 0; later < 20; later += 1) {
      const app: { close(): Promise<void> }[] = [];
      const { source, ended, ...test } = await readingConsumer(new HandSource(), undefined, {
        maxDeliveries: 1,
        deadLetter: async () => {
          void app[0]!.close();
          for (let turn = 0; turn < later; turn += 1) await Promise.resolve();
        },
      });
      app.push(test.app);
      source.give(undefined, { deliveries: 2 });
      abandoned.push(...(await ended).abandoned);
    }
    expect(abandoned).toEqual([]);
  });
});
