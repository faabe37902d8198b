import { afterEach, describe, expect, it } from '@jest/globals';
import { inMemoryQueue, type DeadLetter, type Tick } from '../../lib/index.js';
import { closeApps } from '../support/app.js';
import { failingConsumer, HandSource, startConsumer, until } from '../support/consumers.js';
import { gate } from '../support/gate.js';
import { turns, untilAborted } from '../support/running-tick.js';

afterEach(closeApps);

const fail = (): Promise<never> => Promise.reject(new Error('boom'));

describe('a message that fails again and again', () => {
  it('without maxDeliveries goes back each time, and is never put aside', async () => {
    const { source, letters } = await failingConsumer(
      new HandSource({ keepsDeadLetters: true }),
      {},
    );
    for (let count = 1; count <= 5; count += 1) source.give('bad', { id: 'm', deliveries: count });
    await source.settled(5);
    expect(source.fates).toEqual(Array(5).fill('nack m: boom'));
    expect(letters).toEqual([]);
  });

  it('goes back until maxDeliveries, then the option deadLetter gets it, and it is acknowledged', async () => {
    const seen: unknown[] = [];
    const { source, letters } = await failingConsumer(new HandSource(), {
      maxDeliveries: 3,
      deadLetter: (letter: DeadLetter<string>) => {
        seen.push(letter);
        source.note('deadLetter()');
      },
    });
    for (const deliveries of [1, 2, 3]) source.give('bad', { id: 'm', deliveries });
    await source.settled(4);
    expect(source.fates).toEqual(['nack m: boom', 'nack m: boom', 'deadLetter()', 'ack m']);
    await until(() => letters.length > 0);
    const letter = { body: 'bad', id: 'm', schedule: 'Consumer.handle', deliveries: 3 };
    expect(seen).toEqual([{ ...letter, error: new Error('boom') }]);
    expect(letters).toEqual(seen);
  });

  it('is put aside by a source that keeps dead letters', async () => {
    const source = new HandSource({ keepsDeadLetters: true });
    const { letters } = await failingConsumer(source, { maxDeliveries: 2 });
    source.give('bad', { id: 'm', deliveries: 1 });
    source.give('bad', { id: 'm', deliveries: 2 });
    await source.settled(2);
    expect(source.fates).toEqual(['nack m: boom', 'dead m: boom']);
    await until(() => letters.length > 0);
    expect(letters).toMatchObject([{ id: 'm', deliveries: 2 }]);
  });

  it('goes to the option deadLetter rather than to the source', async () => {
    const source = new HandSource({ keepsDeadLetters: true });
    const deadLetter = (): void => source.note('deadLetter()');
    await failingConsumer(source, { maxDeliveries: 1, deadLetter });
    source.give('bad', { deliveries: 1 });
    await source.settled(2);
    expect(source.fates).toEqual(['deadLetter()', 'ack 1']);
  });

  it.each([3, 9])(
    'is put aside without a tick or a scope when it comes once more: delivery %i',
    async (deliveries) => {
      const called: unknown[] = [];
      const source = new HandSource({ keepsDeadLetters: true });
      const { letters, reports, registry } = await failingConsumer(
        source,
        { maxDeliveries: 2 },
        ({ payload }) => called.push(payload),
      );
      source.give('bad', { id: 'm', deliveries });
      source.give('good', { id: 'n', deliveries: 2 });
      await source.settled(2);
      await until(() => reports.length > 0);
      const message = `Message m of Consumer.handle arrived as delivery ${deliveries}, but maxDeliveries is 2. The earlier deliveries failed, or their process died, so the handler was not called again. If the process died, find out why: it may have run out of memory.`;
      expect(source.fates).toEqual([`dead m: ${message}`, 'ack n']);
      expect(letters).toEqual([
        {
          body: 'bad',
          id: 'm',
          schedule: 'Consumer.handle',
          deliveries,
          error: new Error(message),
        },
      ]);
      expect(called).toEqual(['good']);
      expect(registry.stats()).toMatchObject({ openedScopes: 1, openScopes: 0 });
    },
  );

  it('that comes once more goes back when it cannot be put aside', async () => {
    const source = new HandSource({ keepsDeadLetters: true });
    const { letters, next } = await failingConsumer(source, { maxDeliveries: 2 });
    const told = next('failure:stray');
    const deadLetter = (): Promise<never> => Promise.reject(new Error('no store'));
    source.give('bad', { id: 'm', deliveries: 3, deadLetter });
    await source.settled(1);
    expect(source.fates).toEqual([expect.stringMatching(/^nack m: Message m of /)]);
    expect(await told).toMatchObject({ where: 'dead-letter', tickId: undefined });
    expect(letters).toEqual([]);
  });

  it('that comes once more while the consumer is paused goes back', async () => {
    const source = new HandSource({ keepsDeadLetters: true });
    const { registry, letters } = await failingConsumer(source, { maxDeliveries: 2 });
    await until(() => source.pending === 1);
    registry.pause('Consumer.handle');
    source.give('bad', { id: 'm', deliveries: 3 });
    await source.settled(1);
    expect([source.fates, letters]).toEqual([['nack m'], []]);
  });

  it('that succeeds on its last delivery does not become a dead letter', async () => {
    const source = new HandSource({ keepsDeadLetters: true });
    const { letters } = await failingConsumer(source, { maxDeliveries: 2 }, () => undefined);
    source.give('good', { deliveries: 2 });
    await source.settled(1);
    expect([source.fates, letters]).toEqual([['ack 1'], []]);
  });

  it('[G4] that is interrupted on its last delivery does not become a dead letter', async () => {
    const source = new HandSource({ keepsDeadLetters: true });
    const { registry, letters } = await failingConsumer(source, { maxDeliveries: 1 }, untilAborted);
    source.give('order', { deliveries: 1 });
    await until(() => registry.cancel('Consumer.handle') > 0);
    await source.settled(1);
    expect([source.fates, letters]).toEqual([['nack 1'], []]);
  });

  it('counts its deliveries, not the attempts of retry', async () => {
    const source = new HandSource({ keepsDeadLetters: true });
    const { reports } = await failingConsumer(source, { maxDeliveries: 2, retry: { attempts: 3 } });
    for (let count = 0; count < 2; count += 1) source.give('bad', { id: 'm' });
    await source.settled(2);
    await until(() => reports.length === 2);
    expect(source.fates).toEqual(['nack m: boom', 'dead m: boom']);
    expect(reports.map(({ attempts }) => attempts)).toEqual([3, 3]);
  });

  it('[XG4] ends in an in-memory queue, and the others are handled meanwhile', async () => {
    const queue = inMemoryQueue<string>();
    const lines: string[] = [];
    const dead = gate();
    await startConsumer(
      queue,
      ({ payload }: Tick<string>) => {
        lines.push(payload);
        if (payload === 'bad') throw undefined; // as bad code does
      },
      { maxDeliveries: 2, deadLetter: () => dead.open() },
    );
    for (const body of ['bad', 'a', 'b']) await queue.put(body);
    await dead.opened;
    await turns();
    expect(lines).toEqual(['bad', 'a', 'b', 'bad']);
    expect(queue.size).toBe(0);
  });
});

describe('deliveries of a source that does not count them', () => {
  it('are counted by id, and failures of others do not count', async () => {
    const source = new HandSource({ keepsDeadLetters: true });
    await failingConsumer(source, { maxDeliveries: 2 });
    for (const id of ['a', 'b', 'c', 'b', 'a']) source.give('bad', { id });
    await source.settled(5);
    expect(source.fates).toEqual([
      'nack a: boom',
      'nack b: boom',
      'nack c: boom',
      'dead b: boom',
      'dead a: boom',
    ]);
  });

  it('[XG4] are counted by id too when the source sets the count to null', async () => {
    const source = new HandSource({ keepsDeadLetters: true });
    await failingConsumer(source, { maxDeliveries: 2 });
    for (let delivery = 1; delivery <= 2; delivery += 1)
      source.give('poison', { id: 'x', deliveries: null as never });
    await source.settled(2);
    expect(source.fates).toEqual(['nack x: boom', 'dead x: boom']);
  });

  it('are counted afresh after a success, and after a dead letter', async () => {
    const source = new HandSource({ keepsDeadLetters: true });
    await failingConsumer(source, { maxDeliveries: 2 }, ({ payload }) =>
      payload === 'bad' ? fail() : 0,
    );
    for (const body of ['bad', 'good', 'bad', 'bad', 'bad']) source.give(body, { id: 'm' });
    await source.settled(5);
    expect(source.fates).toEqual([
      'nack m: boom',
      'ack m',
      'nack m: boom',
      'dead m: boom',
      'nack m: boom',
    ]);
  });

  it('[G4] are not counted when they were interrupted', async () => {
    const source = new HandSource({ keepsDeadLetters: true });
    const { registry } = await failingConsumer(source, { maxDeliveries: 1 }, (tick) =>
      tick.payload === 'wait' ? untilAborted(tick) : fail(),
    );
    for (let count = 1; count <= 3; count += 1) {
      source.give('wait', { id: 'm' });
      await until(() => registry.cancel('Consumer.handle') > 0);
      await source.settled(count);
    }
    expect(source.fates).toEqual(['nack m', 'nack m', 'nack m']);
  });
});
