import { describe, expect, it, jest } from '@jest/globals';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { type MessageSource } from '../../lib/index.js';
import { appsOnFakeClock } from '../support/app.js';
import { begin, untilStopped } from '../support/background.js';
import {
  boom,
  readingConsumer,
  HandSource,
  idle,
  scripted,
  startConsumer,
} from '../support/consumers.js';
import { advance } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { closing, turns } from '../support/running-tick.js';

appsOnFakeClock();

describe('a source at the shutdown', () => {
  /** One that is written by hand, with no `return()`. */
  const withoutReturn = (source: HandSource): MessageSource => ({
    read: (signal) => ({
      [Symbol.asyncIterator]: () => {
        const iterator = source.read(signal)[Symbol.asyncIterator]();
        return { next: () => iterator.next() };
      },
    }),
  });

  it.each<[string, (source: HandSource) => MessageSource]>([
    ['has no return()', withoutReturn],
    ['answers return() at once', (source) => source],
  ])(
    '[D20] whose next() is under way is waited for: a message that arrives goes back before onModuleDestroy, when it %s',
    async (_, sourceOf) => {
      const source = new HandSource({ isDeaf: true });
      @Injectable()
      class Connection implements OnModuleDestroy {
        onModuleDestroy(): void {
          source.note('disconnected');
        }
      }
      const test = await startConsumer(sourceOf(source), () => undefined, undefined, {
        providers: [Connection],
      });
      await begin();
      const ended = test.next('shutdown:finished');
      const close = closing(test);
      await turns();
      expect(close.done).toBe(false);
      source.give();
      await close.promise;
      expect(source.fates).toEqual(['nack 1', 'disconnected']);
      expect((await ended).abandoned).toEqual([]);
      expect(test.log.of('error')).toEqual([]);
    },
  );

  it.each<[string, () => MessageSource]>([
    ['a next() without return()', () => withoutReturn(new HandSource({ isDeaf: true }))],
    ['a next() with return()', () => new HandSource({ isDeaf: true })],
    [
      'its generator',
      () => ({
        async *read() {
          await new Promise(() => undefined);
          yield undefined as never;
        },
      }),
    ],
    [
      'its return()',
      () => new HandSource({ isDeaf: true, onReturn: () => new Promise(() => undefined) }),
    ],
  ])(
    '[D6] that hangs in %s is reported after a second, and abandoned by name when shutdownTimeoutMs is over',
    async (_, sourceOf) => {
      const { app, log, ended } = await readingConsumer(
        sourceOf(),
        undefined,
        {},
        {
          shutdownTimeoutMs: 5_000,
        },
      );
      const close = closing({ app });
      await advance(999);
      expect(log.of('error')).toEqual([]);
      await advance(1);
      expect(log.of('error')).toEqual([
        'source of Consumer.handle (no tick) failed: The source of Consumer.handle did not end within 1000 ms after its signal was aborted. A message that it still delivers is returned to it unhandled. Make read(signal) end when the signal is aborted.',
      ]);
      await advance(3_999);
      expect(close.done).toBe(false);
      await advance(1);
      await close.promise;
      expect((await ended).abandoned).toEqual(['Consumer.handle (its source)']);
    },
  );

  it.each([
    ['rejects', () => Promise.reject(boom())],
    [
      'throws',
      () => {
        throw boom();
      },
    ],
  ])('whose return() %s stops nothing, and is reported', async (_, onReturn) => {
    const { app, log } = await readingConsumer(new HandSource({ onReturn }));
    await app.close();
    expect(performance.now()).toBe(0);
    expect(log.of('error')).toEqual(['source of Consumer.handle (no tick) failed: boom']);
  });

  it('that delivers late: the message goes back, and that is waited for', async () => {
    const held = gate();
    const returned = gate();
    const onReturn = () => returned.opened;
    const { source, app } = await readingConsumer(new HandSource({ isDeaf: true, onReturn }));
    const close = closing({ app });
    await turns();
    source.give(undefined, {
      nack: async (error) => {
        await held.opened;
        source.note(`back ${String(error)}`);
      },
    });
    await turns();
    returned.open();
    await turns();
    expect(close.done).toBe(false);
    held.open();
    await close.promise;
    expect(source.fates).toEqual(['back undefined']);
  });

  it('that delivers after the shutdown: the message goes back', async () => {
    const deaf = new HandSource({ isDeaf: true });
    const { source, app } = await readingConsumer(deaf, undefined, {}, { shutdownTimeoutMs: 0 });
    await app.close();
    source.give();
    await source.settled(1);
    expect(source.fates).toEqual(['nack 1']);
  });

  it('[D9] that has an abort listener that throws: the others hear, the drain goes on, and it is reported', async () => {
    const heard: string[] = [];
    const source = scripted((signal) => {
      signal.addEventListener('abort', () => {
        throw boom();
      });
      signal.addEventListener('abort', () => heard.push('second'));
      return idle(signal);
    });
    const { app, next } = await readingConsumer(source);
    const told = next('failure:stray');
    await app.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual(['second']);
    expect(await told).toMatchObject({ where: 'abort-listener', schedule: 'Consumer.handle' });
  });

  it('that fails because it was asked to stop is not reported', async () => {
    const source = scripted((signal) => ({
      [Symbol.asyncIterator]: () => ({ next: () => untilStopped(signal) }),
    }));
    const { app, log, events } = await readingConsumer(source);
    const failures: unknown[] = [];
    events.on('source:failed', (failure) => failures.push(failure));
    await app.close();
    await advance(60_000);
    expect([failures, source.opened]).toEqual([[], 1]);
    expect(log.of('error')).toEqual([]);
  });

  describe('that fails in the turn in which its consumer is stopped', () => {
    it('after the stop, is reported', async () => {
      const { source, log, registry } = await readingConsumer(new HandSource({ isDeaf: true }));
      registry.remove('Consumer.handle');
      source.fail(boom());
      await turns();
      expect(log.of('error')).toEqual(['source of Consumer.handle (no tick) failed: boom']);
    });

    it.each(Array.from({ length: 25 }, (_, steps) => steps))(
      'is reported once, with %d steps of promises between its failure and the stop',
      async (steps) => {
        const { source, log, registry } = await readingConsumer(new HandSource({ isDeaf: true }));
        source.fail(boom());
        for (let step = 0; step < steps; step += 1) await Promise.resolve();
        registry.remove('Consumer.handle');
        await turns();
        expect(log.of('error')).toEqual([
          expect.stringMatching(/^(source of|The source of) Consumer\.handle .*: boom$/),
        ]);
        expect(source.opened).toBe(1);
      },
    );

    it('is not reported when the error is that of an abort', async () => {
      const { source, log, registry } = await readingConsumer(new HandSource({ isDeaf: true }));
      source.fail(new DOMException('gone', 'AbortError'));
      registry.remove('Consumer.handle');
      await turns();
      expect(log.of('error')).toEqual([]);
    });

    it('is reported when it was stopped while its iteration was being ended', async () => {
      const returned = gate();
      const { source, log, registry } = await readingConsumer(
        new HandSource({ onReturn: () => returned.opened }),
      );
      source.giveRaw('order');
      await turns();
      expect(source.returned).toBe(1);
      registry.remove('Consumer.handle');
      returned.open();
      await turns();
      expect(log.of('error')).toEqual([
        'source of Consumer.handle (no tick) failed: TypeError: The source yielded "order", which isn\'t a delivery: its id is undefined, not a string. A delivery is { id: string, body, ack(), nack(error?) }.',
      ]);
    });
  });

  it('whose return() throws a proxy that was revoked stops nothing, and is reported', async () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const onReturn = (): never => {
      throw proxy;
    };
    const { app, log } = await readingConsumer(new HandSource({ onReturn }));
    await app.close();
    expect(performance.now()).toBe(0);
    expect(log.of('error')).toEqual([expect.stringMatching(/^source of Consumer\.handle/)]);
  });

  it('[D41] that waits to be read again leaves no timer, and is not read again after the shutdown', async () => {
    const source = scripted(() => {
      throw boom();
    });
    const { app } = await readingConsumer(source);
    await advance(5_000);
    const { opened } = source;
    await app.close();
    expect(jest.getTimerCount()).toBe(0);
    await advance(60_000);
    expect(source.opened).toBe(opened);
  });
});
