import { afterEach, describe, expect, it } from '@jest/globals';
import { currentTick, type ConsumerOptions, type Delivery } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import {
  consumer,
  failingConsumer,
  HandSource,
  lettersOf,
  SOURCE,
  until,
} from '../support/consumers.js';
import { RequestScoped, Probe, ProbeJournal, PROBES } from '../support/probes.js';

afterEach(closeApps);

const fail = (): Promise<never> => Promise.reject(new Error('boom'));

describe('deadLetter', () => {
  it('has its own scope, which is disposed before the message is acknowledged', async () => {
    const source = new HandSource();
    const seen: unknown[] = [];
    const test = await startApp({
      providers: [
        ...PROBES,
        consumer(
          [Probe],
          (_, probe) => {
            seen.push(probe);
            return fail();
          },
          {
            maxDeliveries: 1,
            deadLetter: async (_, resolve) => {
              const probe = await resolve(Probe);
              seen.push(probe, probe === (await resolve(Probe)), currentTick());
            },
          },
        ),
        { provide: SOURCE, useValue: source },
      ],
    });
    const journal = test.app.get(ProbeJournal);
    source.give('bad', { ack: () => source.note(`ack, alive: ${journal.alive.length}`) });
    await source.settled(1);
    const [ofHandler, ofLetter] = journal.created;
    expect(seen).toEqual([ofHandler, ofLetter, true, undefined]);
    expect(ofLetter).not.toBe(ofHandler);
    expect(source.fates).toEqual(['ack, alive: 0']);
  });

  const troubles: [string, () => unknown][] = [
    ['rejects', () => Promise.reject(new Error('no store'))],
    [
      'throws',
      () => {
        throw new Error('no store');
      },
    ],
  ];

  it.each(troubles)('that %s is reported, and the message goes back', async (_, deadLetter) => {
    const { source, next, letters, log, reports } = await failingConsumer(new HandSource(), {
      maxDeliveries: 1,
      deadLetter,
    });
    const told = next('failure:stray');
    source.give('bad');
    await source.settled(1);
    expect(source.fates).toEqual(['nack 1: boom']);
    expect(letters).toEqual([]);
    await until(() => reports.length === 1);
    const { tickId } = reports[0]!;
    expect(await told).toMatchObject({ where: 'dead-letter', schedule: 'Consumer.handle', tickId });
    expect(log.of('error')[0]).toBe(`dead-letter of Consumer.handle (${tickId}) failed: no store`);
  });

  it('whose commit fails: the message goes back', async () => {
    @RequestScoped()
    class Store {
      onScopeCommit(): never {
        throw new Error('no store');
      }
    }
    const source = new HandSource();
    const deadLetter: ConsumerOptions['deadLetter'] = (_, resolve) => resolve(Store);
    const Consumer = consumer([], fail, { maxDeliveries: 1, deadLetter });
    const test = await startApp({
      providers: [Store, Consumer, { provide: SOURCE, useValue: source }],
    });
    const letters = lettersOf(test);
    source.give('bad');
    await source.settled(1);
    expect([source.fates, letters]).toEqual([['nack 1: boom'], []]);
  });

  it('that succeeded is reported although ack() fails, which is reported too; nack() is not called', async () => {
    const { source, next, letters, reports } = await failingConsumer(new HandSource(), {
      maxDeliveries: 1,
      deadLetter: () => undefined,
    });
    const told = next('failure:stray');
    source.give('bad', { ack: () => Promise.reject(new Error('broker gone')) });
    await until(() => reports.length === 1);
    expect(await told).toMatchObject({ where: 'dead-letter', error: new Error('broker gone') });
    expect(letters).toMatchObject([{ id: '1' }]);
    expect(source.fates).toEqual([]);
  });

  it('is asked again on the next delivery when it has failed, with the same error and without the handler', async () => {
    let isDown = true;
    const { source, letters, reports } = await failingConsumer(new HandSource(), {
      maxDeliveries: 2,
      deadLetter: () => (isDown ? fail() : undefined),
    });
    for (let count = 0; count < 2; count += 1) source.give('bad', { id: 'm' });
    await source.settled(2);
    isDown = false;
    source.give('bad', { id: 'm' });
    await source.settled(3);
    expect(source.fates.at(-1)).toBe('ack m');
    await until(() => letters.length > 0);
    expect(letters).toMatchObject([{ id: 'm', deliveries: 3, error: new Error('boom') }]);
    expect(reports).toHaveLength(2);
  });

  it('[XG4] that succeeded while ack() failed is asked again on the next delivery, without the handler', async () => {
    const { source, letters, reports } = await failingConsumer(new HandSource(), {
      maxDeliveries: 1,
      deadLetter: () => undefined,
    });
    source.give('bad', { id: 'm', ack: () => Promise.reject(new Error('broker gone')) });
    await until(() => letters.length === 1);
    source.give('bad', { id: 'm' });
    await until(() => letters.length === 2);
    expect(letters).toMatchObject([
      { id: 'm', deliveries: 1, error: new Error('boom') },
      { id: 'm', deliveries: 2, error: new Error('boom') },
    ]);
    expect([source.fates, reports]).toMatchObject([['ack m'], [{ outcome: 'failed' }]]);
  });

  it.each<[string, Partial<Delivery>]>([
    ['rejects', { deadLetter: () => Promise.reject(new Error('no store')) }],
    ['is missing', { deadLetter: undefined as never }],
  ])('of a delivery that %s is reported, and the message goes back', async (_, delivery) => {
    const source = new HandSource({ keepsDeadLetters: true });
    const { next } = await failingConsumer(source, { maxDeliveries: 1 });
    const told = next('failure:stray');
    source.give('bad', delivery);
    await source.settled(1);
    expect(source.fates).toEqual(['nack 1: boom']);
    expect(await told).toMatchObject({ where: 'dead-letter' });
  });
});
