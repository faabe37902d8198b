import { afterEach, describe, expect, it } from '@jest/globals';
import type { Delivery, Tick, TickReport } from '../../lib/index.js';
import { closeApps, startApp, type TestApp } from '../support/app.js';
import { boom, consumer, HandSource, SOURCE, startConsumer, until } from '../support/consumers.js';
import { gate } from '../support/gate.js';
import { probes, RequestScoped } from '../support/probes.js';
import { turns } from '../support/running-tick.js';

afterEach(closeApps);

/** The next report of the consumer. */
function finished({ next }: Pick<TestApp, 'next'>): Promise<TickReport> {
  return next('tick:finished');
}

describe('ack()', () => {
  it('[G5] runs after commit and disposal, before tick:finished', async () => {
    const { journal, Probe } = probes();
    @RequestScoped()
    class Connection extends Probe {
      async onScopeCommit(): Promise<void> {
        await turns();
        journal.note('committed');
      }
    }
    const source = new HandSource();
    const test = await startApp({
      providers: [
        Connection,
        consumer([Connection], (tick) => {
          tick.scope.waitFor(turns().then(() => journal.note('waited')));
          tick.scope.defer(async () => {
            await turns();
            journal.note('deferred');
          });
        }),
        { provide: SOURCE, useValue: source },
      ],
    });
    test.events.on('scope:closed', () => journal.note('scope:closed'));
    test.events.on('tick:finished', () => journal.note('tick:finished'));
    const ack = async (): Promise<void> => {
      await turns();
      journal.note('acknowledged');
    };
    const report = finished(test);
    source.give(undefined, { ack });
    await report;
    expect(journal.lines).toEqual([
      'built Connection',
      'waited',
      'committed',
      'deferred',
      'disposed Connection',
      'scope:closed',
      'acknowledged',
      'tick:finished',
    ]);
  });

  it('[G5] is called once, on its delivery, and nack() is not', async () => {
    const calls: unknown[] = [];
    class Own implements Delivery {
      readonly id = 'own';
      readonly body = 'order';
      ack(): void {
        calls.push(['ack', this instanceof Own]);
      }
      nack(): void {
        calls.push('nack');
      }
    }
    const test = await startConsumer(new HandSource(), () => undefined);
    const report = finished(test);
    test.source.giveRaw(new Own());
    expect((await report).outcome).toBe('succeeded');
    await test.app.close();
    expect(calls).toEqual([['ack', true]]);
  });

  const troubles: [string, string, (tick: Tick) => unknown][] = [
    ['the handler throws', 'handler', () => Promise.reject(boom())],
    ['waitFor work fails', 'handler', ({ scope }) => scope.waitFor(Promise.reject(boom()))],
    ['a disposer fails', 'dispose', ({ scope }) => scope.defer(() => Promise.reject(boom()))],
  ];

  it.each(troubles)('[G5] is not called when %s: the message goes back', async (_, phase, work) => {
    const test = await startConsumer(new HandSource(), work);
    const report = finished(test);
    test.source.give();
    expect(await report).toMatchObject({ outcome: 'failed', phase, error: boom() });
    expect(test.source.fates).toEqual(['nack 1: boom']);
  });

  it('[G5] is not called when the commit fails: the message goes back', async () => {
    @RequestScoped()
    class Connection {
      onScopeCommit(): void {
        throw boom();
      }
    }
    const source = new HandSource();
    const providers = [Connection, consumer([Connection]), { provide: SOURCE, useValue: source }];
    const test = await startApp({ providers });
    const report = finished(test);
    source.give();
    expect(await report).toMatchObject({ outcome: 'failed', phase: 'commit' });
    expect(source.fates).toEqual(['nack 1: boom']);
  });

  it('[L3] is not called when a hook of around throws after next(): the message goes back', async () => {
    let isDown = true;
    const test = await startConsumer(new HandSource(), () => undefined, undefined, {
      options: {
        around: [
          async (_tick, next) => {
            await next();
            if (isDown) throw boom();
          },
        ],
      },
    });
    const report = finished(test);
    test.source.give();
    expect(await report).toMatchObject({ outcome: 'failed', phase: 'around', error: boom() });
    isDown = false;
    const next = finished(test);
    test.source.give();
    expect(await next).toMatchObject({ outcome: 'succeeded' });
    expect(test.source.fates).toEqual(['nack 1: boom', 'ack 2']);
  });

  it('[G5] that fails makes the tick fail in the phase ack, reported once, with its own error', async () => {
    const error = boom();
    const { source, next, registry, log } = await startConsumer(new HandSource(), () => 'value');
    const reports = next('tick:finished');
    source.give(undefined, {
      ack: () => {
        throw error;
      },
    });
    const report = await reports;
    expect(report).toMatchObject({ outcome: 'failed', phase: 'ack', disposeErrors: [] });
    expect(report.error).toBe(error);
    expect(registry.get('Consumer.handle').lastReport).toMatchObject({ phase: 'ack' });
    expect(log.of('error')).toEqual([
      `Consumer.handle failed (${report.tickId}, message 1, phase ack): boom`,
    ]);
    expect(source.fates).toEqual([]);
  });

  it('[G5] that rejects does not stop the consumer', async () => {
    const { source, reports } = await startConsumer(new HandSource(), () => undefined);
    source.give(undefined, { ack: () => Promise.reject(boom()) });
    source.give();
    await source.settled(1);
    await until(() => reports.length === 2);
    expect(source.fates).toEqual(['ack 2']);
    expect(reports.map(({ phase }) => phase)).toEqual(['ack', undefined]);
  });

  it('[G5] holds the place of its message until it has ended', async () => {
    const held = gate();
    const { source, reports, registry } = await startConsumer(new HandSource(), () => undefined);
    source.give(undefined, { ack: () => held.opened });
    source.give();
    await until(() => registry.stats().closedScopes === 1);
    await turns();
    expect([source.asked, reports.length]).toEqual([1, 0]);
    const byHand = registry.run('Consumer.handle', { payload: 'by hand' });
    await turns();
    expect(registry.stats().openedScopes).toBe(1); // the overlap slot is taken as well
    held.open();
    expect((await byHand).outcome).toBe('succeeded');
    await source.settled(1);
    expect(source.fates).toEqual(['ack 2']);
  });

  it('is not called by a run by hand, which has no message', async () => {
    const seen: unknown[] = [];
    const { source, registry } = await startConsumer(new HandSource(), ({ payload, trigger }) =>
      seen.push([payload, trigger]),
    );
    const report = await registry.run('Consumer.handle', { payload: 'order' });
    expect(report).toMatchObject({ outcome: 'succeeded', trigger: 'manual' });
    expect(seen).toEqual([['order', 'manual']]);
    expect(source.fates).toEqual([]);
  });
});

describe('nack()', () => {
  it('that fails is reported, and does not stop the consumer', async () => {
    const test = await startConsumer(new HandSource(), ({ payload }) => {
      if (payload === 'bad') throw boom();
    });
    const told = test.next('failure:stray');
    test.source.give('bad', { nack: () => Promise.reject(new Error('broker gone')) });
    test.source.give('good');
    await test.source.settled(1);
    expect(test.source.fates).toEqual(['ack 2']);
    const { tickId } = test.reports[0]!;
    expect(await told).toMatchObject({ where: 'nack', schedule: 'Consumer.handle', tickId });
    expect(test.log.of('error')).toEqual([
      `nack of Consumer.handle (${tickId}) failed: broker gone`,
      `Consumer.handle failed (${tickId}, message 1, phase handler): boom`,
    ]);
  });

  it.each([
    ['undefined', undefined],
    ['null', null],
  ])('receives an error when the handler throws %s: the message has failed', async (_, thrown) => {
    const errors: unknown[] = [];
    const { source, next } = await startConsumer(new HandSource(), () =>
      Promise.reject(thrown as unknown as Error),
    );
    const report = next('tick:finished');
    source.give(undefined, { nack: (error) => errors.push(error) });
    expect((await report).error).toBe(thrown);
    expect(errors).toEqual([expect.any(Error)]);
  });
});
