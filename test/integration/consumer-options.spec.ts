import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  ScopedConsumer,
  ScopedWorker,
  type ConsumerOptions,
  type ScopedWorkerModuleOptions,
  type Tick,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { begin } from '../support/background.js';
import {
  boom,
  type AnyTick,
  consumer,
  HandSource,
  SOURCE,
  startConsumer,
} from '../support/consumers.js';
import { advance, useFakeClock } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { Probe, ProbeJournal, PROBES } from '../support/probes.js';
import { turns, untilAborted } from '../support/running-tick.js';

beforeEach(() => useFakeClock());
afterEach(async () => {
  await closeApps();
  jest.restoreAllMocks();
  jest.useRealTimers();
});

const fail = (): Promise<never> => Promise.reject(boom());

async function started(
  handler: (tick: AnyTick) => unknown,
  consumerOptions?: ConsumerOptions,
  options: ScopedWorkerModuleOptions = {},
  source = new HandSource(),
) {
  const test = await startConsumer(source, handler, consumerOptions, { options });
  await begin();
  return test;
}

describe('options of a consumer', () => {
  it("onFailure 'pause' pauses it after a failed message, which goes back; the next one waits", async () => {
    const { source, registry } = await started(
      ({ payload }) => (payload === 'bad' ? fail() : undefined),
      { onFailure: 'pause' },
    );
    source.give('bad');
    await source.settled(1);
    await turns();
    expect(registry.get('Consumer.handle').state).toBe('paused');
    source.give('good');
    await turns();
    expect([source.fates, source.asked]).toEqual([['nack 1: boom'], 1]);
    registry.resume('Consumer.handle');
    await source.settled(2);
    expect(source.fates.at(-1)).toBe('ack 2');
  });

  it("onFailure 'pause' pauses it when a message cannot be acknowledged", async () => {
    const { source, registry, next } = await started(() => undefined, { onFailure: 'pause' });
    const finished = next('tick:finished');
    source.give(undefined, { ack: fail });
    expect((await finished).phase).toBe('ack');
    expect(registry.get('Consumer.handle').state).toBe('paused');
  });

  it("onFailure 'pause' leaves it alone when a message is interrupted", async () => {
    const { source, registry } = await started(untilAborted, { onFailure: 'pause' });
    source.give();
    await turns();
    registry.cancel('Consumer.handle');
    await source.settled(1);
    await turns();
    expect(registry.get('Consumer.handle').state).toBe('active');
  });

  it("[D13] onFailure 'stop-app' closes the application; the message has gone back before", async () => {
    const exited = gate<unknown>();
    jest.spyOn(process, 'exit').mockImplementation(((code: unknown) => exited.open(code)) as never);
    const { exitCode } = process;
    const { source, next, log } = await started(fail, { onFailure: 'stop-app', concurrency: 2 });
    const ended = next('shutdown:finished');
    source.give('bad');
    await exited.opened;
    process.exitCode = exitCode;
    expect(source.fates).toEqual(['nack 1: boom']);
    expect((await ended).abandoned).toEqual([]);
    expect(log.of('fatal')).toEqual([expect.stringContaining('Consumer.handle failed')]);
    expect(source.signals[0]!.aborted).toBe(true);
  });

  it('[D32] timeoutMs aborts the signal; the message goes back with the TickTimeoutError', async () => {
    const errors: unknown[] = [];
    const { source, reports } = await started(untilAborted, { timeoutMs: 1_000 });
    source.give(undefined, { nack: (error) => (errors.push(error), source.note('back')) });
    await advance(999);
    expect(source.fates).toEqual([]);
    await advance(1);
    await source.settled(1);
    expect(errors).toEqual([expect.objectContaining({ code: 'TICK_TIMEOUT', timeoutMs: 1_000 })]);
    await turns();
    expect(reports[0]?.outcome).toBe('timed-out');
  });

  it('[A16] retry tries a message again in fresh scopes, and acknowledges it once', async () => {
    const source = new HandSource();
    const seen: unknown[] = [];
    const handler = ({ attempt, payload }: Tick, probe: Probe): unknown => {
      seen.push([attempt, payload, probe.id]);
      return attempt < 3 ? fail() : undefined;
    };
    const { app, registry } = await startApp({
      providers: [
        ...PROBES,
        consumer([Probe], handler, { retry: { attempts: 3, backoffMs: 1_000 } }),
        { provide: SOURCE, useValue: source },
      ],
    });
    await begin();
    source.give('order');
    await turns();
    expect(source.fates).toEqual([]);
    await advance(1_000);
    await advance(1_000);
    await source.settled(1);
    expect(seen).toEqual([
      [1, 'order', 1],
      [2, 'order', 2],
      [3, 'order', 3],
    ]);
    expect(source.fates).toEqual(['ack 1']);
    expect(app.get(ProbeJournal).alive).toEqual([]);
    await turns();
    expect(registry.get('Consumer.handle').lastReport).toMatchObject({ attempts: 3 });
  });

  it('retry that is used up sends it back once, with the last error', async () => {
    const { source } = await started(
      ({ attempt }) => Promise.reject(new Error(`attempt ${attempt}`)),
      { retry: { attempts: 3 } },
    );
    source.give();
    await source.settled(1);
    await turns();
    expect(source.fates).toEqual(['nack 1: attempt 3']);
  });

  it('a message that waits to be retried does not hold up the others', async () => {
    const { source } = await started(({ payload }) => (payload === 'bad' ? fail() : undefined), {
      concurrency: 2,
      retry: { attempts: 2, backoffMs: 60_000 },
    });
    source.give('bad');
    source.give('good');
    await source.settled(1);
    expect(source.fates).toEqual(['ack 2']);
  });

  it('overrides set another concurrency and another maxDeliveries', async () => {
    const source = new HandSource({ keepsDeadLetters: true });
    const overrides = { 'Consumer.handle': { concurrency: 3, maxDeliveries: 1 } };
    const held = gate();
    await started(
      () => held.opened.then(fail),
      { concurrency: 1, maxDeliveries: 5 },
      { overrides },
      source,
    );
    for (let body = 0; body < 5; body += 1) source.give(body);
    await turns();
    expect(source.asked).toBe(3);
    held.open();
    await source.settled(5);
    expect(source.fates).toContain('dead 1: boom');
  });

  it('[C17] disabled: it is listed, reads nothing, and can be run', async () => {
    const { source, registry } = await started(() => undefined, { disabled: true });
    await advance(1_000);
    registry.pause('Consumer.handle');
    registry.resume('Consumer.handle');
    expect([source.opened, registry.get('Consumer.handle').state]).toEqual([0, 'disabled']);
    expect((await registry.run('Consumer.handle')).outcome).toBe('succeeded');
    registry.remove('Consumer.handle');
    await advance(1_000);
    expect(source.opened).toBe(0);
  });

  it('overrides switch it off', async () => {
    const overrides = { 'Consumer.handle': { disabled: true } };
    const { source, registry } = await started(() => undefined, {}, { overrides });
    await advance(1_000);
    expect([source.opened, registry.get('Consumer.handle').state]).toEqual([0, 'disabled']);
  });

  it('follows the defaults of the module and of the class, except options about due times', async () => {
    const source = new HandSource();
    const seen: number[] = [];
    @ScopedWorker({ retry: { attempts: 2 }, overlap: 'skip', runOnStart: true })
    class Consumer {
      @ScopedConsumer(SOURCE)
      handle({ attempt }: Tick): Promise<void> {
        seen.push(attempt);
        return fail();
      }
    }
    const defaults: ScopedWorkerModuleOptions['defaults'] = {
      onFailure: 'pause',
      overlapKey: 'all',
      initialDelayMs: 60_000,
      forEach: { useFactory: () => ['not asked for'] },
    };
    const { registry } = await startApp({
      providers: [Consumer, { provide: SOURCE, useValue: source }],
      options: { defaults },
    });
    await begin();
    expect(seen).toEqual([]);
    source.give();
    await source.settled(1);
    await turns();
    expect(seen).toEqual([1, 2]);
    expect(registry.get('Consumer.handle').state).toBe('paused');
  });
});
