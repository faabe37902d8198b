import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, describe, expect, it } from '@jest/globals';
import { inMemoryQueue } from '../../lib/index.js';
import { closeApps } from '../support/app.js';
import { HandSource, idle, scripted, startConsumer, until } from '../support/consumers.js';
import { countdown } from '../support/gate.js';
import { turns } from '../support/running-tick.js';

afterEach(closeApps);

describe('the AsyncLocalStorage context of a message', () => {
  const storage = new AsyncLocalStorage<string>();

  it('[A19] what a handler enters is invisible to the next message, to a parallel one and to ack()', async () => {
    const seen: unknown[] = [];
    const both = countdown(2);
    const { source } = await startConsumer(
      new HandSource(),
      async ({ payload }) => {
        seen.push(storage.getStore());
        storage.enterWith(String(payload));
        both.hit();
        if (payload !== 'next') await both.done;
        expect(storage.getStore()).toBe(payload);
      },
      { concurrency: 2 },
    );
    const ack = (): void => {
      seen.push(storage.getStore());
      source.note('acked');
    };
    for (const body of ['a', 'b', 'next']) source.give(body, { ack });
    await source.settled(3);
    expect(seen).toEqual(Array(6).fill(undefined));
  });

  it('[A20] a message never sees the store of the code that started the application, or that put it into the queue', async () => {
    const seen: unknown[] = [];
    const queue = inMemoryQueue();
    const done = countdown(3);
    const handler = (): void => {
      seen.push(storage.getStore());
      done.hit();
    };
    await storage.run('starter', () => startConsumer(queue, handler));
    await storage.run('first', () => queue.put('waits for the start'));
    await turns();
    await storage.run('second', () => queue.put('is waited for'));
    await storage.run('third', () => queue.put('is waited for as well'));
    await done.done;
    expect(seen).toEqual([undefined, undefined, undefined]);
  });

  it('[A20] neither does the source, each time that it is read', async () => {
    const seen: unknown[] = [];
    const source = scripted((signal) => {
      seen.push(storage.getStore());
      if (seen.length === 1) throw new Error('boom');
      return idle(signal);
    });
    await storage.run('starter', () => startConsumer(source, () => undefined));
    await until(() => source.opened === 2);
    expect(seen).toEqual([undefined, undefined]);
  });

  it('[A20] a message never sees what its source has entered', async () => {
    const seen: unknown[] = [];
    const delivery = { id: '1', body: 1, nack: () => undefined };
    const done = countdown(2);
    const source = {
      async *read(signal: AbortSignal) {
        storage.enterWith('source');
        yield { ...delivery, ack: done.hit };
        await Promise.resolve();
        yield { ...delivery, ack: done.hit };
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      },
    };
    await startConsumer(source, () => seen.push(storage.getStore()));
    await done.done;
    expect(seen).toEqual([undefined, undefined]);
  });
});
