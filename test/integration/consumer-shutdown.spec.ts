import { describe, expect, it, jest } from '@jest/globals';
import { inMemoryQueue, type Delivery, type MessageSource, type Tick } from '../../lib/index.js';
import { appsOnFakeClock } from '../support/app.js';
import { begin } from '../support/background.js';
import { boom, readingConsumer, HandSource, startConsumer } from '../support/consumers.js';
import { advance } from '../support/fake-clock.js';
import { gate, type Gate } from '../support/gate.js';
import { closing, turns, untilAborted } from '../support/running-tick.js';

appsOnFakeClock();

/** The one message that a queue holds. */
async function heldBy(queue: MessageSource<unknown>) {
  const stopping = new AbortController();
  const { value } = await queue.read(stopping.signal)[Symbol.asyncIterator]().next();
  return value as { body: unknown; deliveries: number };
}

describe('the shutdown of a consumer', () => {
  it('[E5] resolves at once when it is idle, and ends the reading', async () => {
    const { source, app, ended, log } = await readingConsumer(new HandSource());
    source.give();
    await source.settled(1);
    await app.close();
    expect(performance.now()).toBe(0);
    expect([source.returned, source.pending]).toEqual([1, 0]);
    expect((await ended).abandoned).toEqual([]);
    expect([...log.of('error'), ...log.of('warn')]).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('[G4] a message that is interrupted goes back without an error, and has not failed', async () => {
    const { source, app, reports, log } = await readingConsumer(new HandSource(), untilAborted);
    source.give();
    await turns();
    await app.close();
    expect(source.fates).toEqual(['nack 1']);
    expect(reports).toEqual([
      expect.objectContaining({ outcome: 'cancelled', reason: 'shutdown', trigger: 'message' }),
    ]);
    expect(log.of('error')).toEqual([]);
  });

  it('[G4] a message that is interrupted is delivered again, as often as before', async () => {
    const queue = inMemoryQueue<string>();
    const { app } = await readingConsumer(queue, untilAborted, {
      maxDeliveries: 1,
      deadLetter: () => undefined,
    });
    await queue.put('order');
    await turns();
    expect(queue.size).toBe(0);
    await app.close();
    expect(await heldBy(queue)).toMatchObject({ body: 'order', deliveries: 1 });
  });

  it('[G4] a message that waits to be retried goes back without an error, at once', async () => {
    const handler = (): Promise<never> => Promise.reject(boom());
    const retry = { attempts: 5, backoffMs: 3_600_000 };
    const { source, app, next } = await readingConsumer(new HandSource(), handler, { retry });
    const waiting = next('tick:retrying');
    source.give();
    await waiting;
    const finished = next('tick:finished');
    await app.close();
    expect(source.fates).toEqual(['nack 1']);
    expect(await finished).toMatchObject({ outcome: 'cancelled', reason: 'shutdown', attempts: 1 });
    expect(performance.now()).toBe(0);
  });

  it('[G4] a message that waits behind a run by hand goes back', async () => {
    const held = gate();
    const { source, app, registry } = await readingConsumer(new HandSource(), () => held.opened);
    const byHand = registry.run('Consumer.handle');
    await turns();
    source.give();
    await turns();
    expect(source.fates).toEqual([]);
    const close = closing({ app });
    await turns();
    expect(source.fates).toEqual(['nack 1']);
    held.open();
    await Promise.all([close.promise, byHand]);
  });

  it('[G8] loses nothing, whichever moment it comes at', async () => {
    for (let moment = 0; moment < 10; moment += 1) {
      const queue = inMemoryQueue<number>();
      const { app, reports } = await readingConsumer(queue, untilAborted, { concurrency: 2 });
      for (let message = 0; message < 4; message += 1) void queue.put(message);
      for (let passed = 0; passed < moment * 3; passed += 1) await Promise.resolve();
      await app.close();
      expect([moment, queue.size, reports.every(({ outcome }) => outcome === 'cancelled')]).toEqual(
        [moment, 4, true],
      );
    }
  });

  it('[D3] before start-up has settled leaves the source unread', async () => {
    const source = new HandSource();
    const { app } = await startConsumer(source, () => undefined);
    await app.close();
    await begin();
    await advance(1_000);
    expect(source.opened).toBe(0);
  });

  it('[G5] a message that was finished all the same is acknowledged', async () => {
    const { source, app, reports } = await readingConsumer(
      new HandSource(),
      ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)),
    );
    source.give();
    await turns();
    await app.close();
    expect([source.fates, reports[0]?.outcome]).toEqual([['ack 1'], 'succeeded']);
  });

  it('[D12] a message that failed for another reason has failed', async () => {
    const { source, app } = await readingConsumer(new HandSource(), async (tick) => {
      await untilAborted(tick).catch(() => undefined);
      throw boom();
    });
    source.give();
    await turns();
    await app.close();
    expect(source.fates).toEqual(['nack 1: boom']);
  });

  it.each<[string, (held: Gate) => object, () => unknown]>([
    ['ack()', (held) => ({ ack: () => held.opened }), () => undefined],
    ['nack()', (held) => ({ nack: () => held.opened }), () => Promise.reject(boom())],
  ])('[D20] waits for %s', async (_, delivery, handler) => {
    const held = gate();
    const { source, app, ended } = await readingConsumer(new HandSource(), handler);
    source.give(undefined, delivery(held));
    await turns();
    const close = closing({ app });
    await advance(20_000);
    expect(close.done).toBe(false);
    held.open();
    await close.promise;
    expect((await ended).abandoned).toEqual([]);
  });

  it('[D6] abandons a handler that hangs when shutdownTimeoutMs is over, and names the message', async () => {
    const held = gate();
    const options = { shutdownTimeoutMs: 5_000 };
    const { source, app, ended, reports } = await readingConsumer(
      new HandSource(),
      () => held.opened,
      {},
      options,
    );
    source.give(undefined, { id: 'm-7' });
    await turns();
    const close = closing({ app });
    await advance(4_999);
    expect(close.done).toBe(false);
    await advance(1);
    await close.promise;
    expect((await ended).abandoned).toEqual([
      expect.stringMatching(/^Consumer\.handle \(tick-.+, message m-7\)$/),
    ]);
    expect(source.fates).toEqual([]); // nobody else may have it while the handler runs
    held.open();
    await turns();
    expect(reports[0]?.outcome).toBe('succeeded');
  });

  it('[D6] abandons an ack() that hangs', async () => {
    const held = gate();
    const options = { shutdownTimeoutMs: 5_000 };
    const { source, app, ended } = await readingConsumer(new HandSource(), () => 1, {}, options);
    source.give(undefined, { ack: () => held.opened });
    await turns();
    const close = closing({ app });
    await advance(5_000);
    await close.promise;
    expect((await ended).abandoned).toEqual([
      expect.stringMatching(/^Consumer\.handle \(tick-.+, message 1\)$/),
    ]);
    held.open();
    await turns();
  });

  it('[D35] lets messages finish for drainTimeoutMs, and takes no other', async () => {
    const held = gate<Tick>();
    const release = gate();
    const { source, app } = await readingConsumer(
      new HandSource(),
      async (tick) => {
        held.open(tick);
        await release.opened;
      },
      { concurrency: 2 },
      { drainTimeoutMs: 5_000 },
    );
    source.give();
    const { signal } = await held.opened;
    const close = closing({ app });
    await turns();
    expect(source.signals[0]!.aborted).toBe(true);
    expect(signal.aborted).toBe(false);
    source.give();
    release.open();
    await close.promise;
    expect(source.fates).toEqual(['ack 1']);
    expect(source.opened).toBe(1);
  });
});

describe('app.close() inside a source', () => {
  it('[D28] does not wait for the source, but for the messages that it has delivered', async () => {
    const app: { close(): Promise<void> }[] = [];
    const [go, held] = [gate(), gate()];
    const lines: string[] = [];
    const source = {
      async *read(): AsyncGenerator<Delivery> {
        yield { id: '1', body: 1, ack: () => lines.push('ack'), nack: () => lines.push('nack') };
        await go.opened;
        await app[0]!.close();
        lines.push('closed');
      },
    };
    const { ended, ...test } = await readingConsumer(source, () => held.opened, {
      concurrency: 2,
    });
    app.push(test.app);
    go.open();
    await turns();
    expect(lines).toEqual([]);
    held.open();
    expect((await ended).abandoned).toEqual([]);
    await turns();
    expect(lines).toEqual(['ack', 'closed']);
    expect(performance.now()).toBe(0);
  });
});

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

  it('[D28] never names a message whose deadLetter handler began it, whenever that handler ends', async () => {
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
