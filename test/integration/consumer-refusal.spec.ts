import { afterEach, describe, expect, it } from '@jest/globals';
import { Module, Scope, type Provider } from '@nestjs/common';
import {
  inMemoryQueue,
  ScopedConsumer,
  ScopedCron,
  ScopedWorker,
  type ConsumerOptions,
  type ScopedWorkerModuleOptions,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { consumer, HandSource, SOURCE, until } from '../support/consumers.js';
import { YEARLY } from '../support/probes.js';
import { refusal } from '../support/refusal.js';

afterEach(closeApps);

const OF = 'Consumer.handle: the source of @ScopedConsumer';
const OF_OPTIONS = 'Consumer.handle: @ScopedConsumer';
const OPTION = `${OF_OPTIONS} option`;
const OPTIONS =
  'name, disabled, maxConcurrency, timeoutMs, retry, once, onFailure, resolution, concurrency, maxDeliveries, deadLetter';

/** What is said of a consumer that is refused. */
async function problemsOf(providers: Provider[], options: ScopedWorkerModuleOptions = {}) {
  const error = await refusal({ providers, options });
  expect(error.code).toBe('INVALID_SCHEDULE');
  return (error as unknown as { problems: string[] }).problems;
}

/** Starts, and reads the source. */
async function accepted(providers: Provider[], source: HandSource): Promise<void> {
  const { registry } = await startApp({ providers });
  await until(() => source.opened === 1);
  expect(registry.list()).toHaveLength(1);
}

const provided = (source: unknown): Provider => ({
  provide: SOURCE,
  useValue: source,
});

describe('a consumer is refused at start-up', () => {
  it('[XC8] when no module provides its source', async () => {
    expect(await problemsOf([consumer([])])).toEqual([
      `${OF} names Symbol(SOURCE), which no module provides. Provide it in a module.`,
    ]);
  });

  it('[XC8] when its source is request-scoped', async () => {
    const source = { provide: SOURCE, scope: Scope.REQUEST, useFactory: () => new HandSource() };
    expect(await problemsOf([consumer([]), source])).toEqual([
      expect.stringContaining(
        `${OF} names Symbol(SOURCE), which is not a singleton, because it or one of its dependencies has a scope`,
      ),
    ]);
  });

  it('[XC8] when the token is undefined', async () => {
    @ScopedWorker()
    class Consumer {
      @ScopedConsumer(undefined as never)
      handle(): void {}
    }
    expect(await problemsOf([Consumer])).toEqual([
      `${OF} is undefined. Look for a circular import.`,
    ]);
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['an object', {}],
    ['an array', [1]],
    ['an object', { read: 'no function' }],
    ['"queue"', 'queue'],
  ])('[XC8] when its source is %s', async (shown, source) => {
    expect(await problemsOf([consumer([]), provided(source)])).toEqual([
      `${OF} names SOURCE, which is ${shown}, not a MessageSource: it has no read(signal). Write async *read(signal), or provide inMemoryQueue().`,
    ]);
  });

  it('[XC8] when the class of its source has no read()', async () => {
    class Orders {}
    @ScopedWorker()
    class Consumer {
      @ScopedConsumer(Orders as never)
      handle(): void {}
    }
    expect(await problemsOf([Consumer, Orders])).toEqual([
      `${OF} names Orders, which is an object, not a MessageSource: it has no read(signal). Write async *read(signal), or provide inMemoryQueue().`,
    ]);
  });

  it('but not when its source is an object or made by a factory, wherever it is provided', async () => {
    const source = new HandSource();
    await accepted([consumer([]), provided(source)], source);
    await closeApps();

    const made = new HandSource();
    const useFactory = async (): Promise<HandSource> => made;
    await accepted([consumer([]), { provide: SOURCE, useFactory }], made);
    await closeApps();

    const elsewhere = new HandSource();
    @Module({ providers: [provided(elsewhere)] })
    class QueueModule {}
    await startApp({ imports: [QueueModule], providers: [consumer([])] });
    await until(() => elsewhere.opened === 1);
    expect(made.opened).toBe(1);
  });

  it.each<[ConsumerOptions, string]>([
    [{ concurrency: 0 }, 'concurrency must be a whole number of at least 1, not 0'],
    [{ concurrency: 1.5 }, 'concurrency must be a whole number of at least 1, not 1.5'],
    [{ concurrency: Infinity }, 'concurrency must be a whole number of at least 1, not Infinity'],
    [{ concurrency: '2' as never }, 'concurrency must be a whole number of at least 1, not "2"'],
    [
      { maxDeliveries: 0, deadLetter: () => 0 },
      'maxDeliveries must be a whole number of at least 1, not 0',
    ],
    [{ deadLetter: 'no' as never }, 'deadLetter must be a function, not "no"'],
    [
      { deadLetter: async function* () {} as never },
      'deadLetter must not be a generator, whose body would never run. Make it async, without the asterisk',
    ],
    [
      { timeoutMs: 0 },
      'timeoutMs must be a number of milliseconds from 1 to 2147483647 (24.8 days), not 0',
    ],
    [{ name: ' ' }, 'name must not be empty; omit it to get the default'],
    ...['overlap', 'overlapKey', 'misfire', 'timeZone', 'runOnStart', 'fixedDelay', 'forEach'].map(
      (option): [ConsumerOptions, string] => [
        { [option]: 'skip' } as never,
        `has no option "${option}"; the options are ${OPTIONS}`,
      ],
    ),
  ])('[XC8] with the options %p', async (options, problem) => {
    expect(
      await problemsOf([consumer([], undefined, options), provided(new HandSource())]),
    ).toEqual([`${problem.startsWith('has') ? OF_OPTIONS : OPTION} ${problem}.`]);
  });

  it('[XC8] with everything that is wrong at once', async () => {
    const options = { concurrency: 0, maxDeliveries: -1, overlap: 'skip' } as never;
    expect(await problemsOf([consumer([], undefined, options)])).toHaveLength(4);
  });

  it('but not with options that can work', async () => {
    const source = new HandSource();
    const options: Required<ConsumerOptions> = {
      name: 'orders',
      disabled: false,
      concurrency: 1_000,
      maxConcurrency: 1,
      maxDeliveries: 1,
      deadLetter: () => undefined,
      timeoutMs: 1,
      retry: { attempts: 1 },
      once: false,
      onFailure: 'continue',
      resolution: 'nest',
    };
    await accepted([consumer([], undefined, options), provided(source)], source);
    expect(source.opened).toBe(1);
  });

  const lost = `${OF} keeps no dead letters, so a message that reaches maxDeliveries would be lost. Set deadLetter as well.`;

  it('[XC8] with maxDeliveries and nowhere to put dead letters', async () => {
    const options = { maxDeliveries: 3 };
    expect(
      await problemsOf([consumer([], undefined, options), provided(new HandSource())]),
    ).toEqual([lost]);
    const queue = provided(inMemoryQueue());
    expect(await problemsOf([consumer([], undefined, options), queue])).toEqual([lost]);
    const overrides = { 'Consumer.handle': { maxDeliveries: 3 } };
    expect(await problemsOf([consumer([]), provided(new HandSource())], { overrides })).toEqual([
      lost,
    ]);
  });

  it('but not with maxDeliveries and a source that keeps them, or with deadLetter alone', async () => {
    const keeping = new HandSource({ keepsDeadLetters: true });
    const Limited = consumer([], undefined, { maxDeliveries: 3 });
    await accepted([Limited, provided(keeping)], keeping);
    await closeApps();
    const source = new HandSource();
    const Unlimited = consumer([], undefined, { deadLetter: () => undefined });
    await accepted([Unlimited, provided(source)], source);
    expect([keeping.opened, source.opened]).toEqual([1, 1]);
  });

  it.each([
    [{ cron: '@yearly' }, "has cron, but @ScopedConsumer isn't a cron. Remove cron"],
    [{ everyMs: 1_000 }, "has everyMs, but @ScopedConsumer isn't an interval. Remove everyMs"],
    [{ concurrency: 0 }, 'concurrency must be a whole number of at least 1, not 0'],
    [{ maxDeliveries: 0 }, 'maxDeliveries must be a whole number of at least 1, not 0'],
  ])('[XC8] with the overrides %p', async (override, problem) => {
    const overrides = { 'Consumer.handle': override };
    const problems = await problemsOf([consumer([]), provided(new HandSource())], { overrides });
    expect(problems).toContain(`Consumer.handle: overrides["Consumer.handle"] ${problem}.`);
  });

  it('[XC8] and so is a cron with the concurrency of a consumer', async () => {
    @ScopedWorker()
    class Report {
      @ScopedCron(YEARLY)
      send(): void {}
    }
    const overrides = { 'Report.send': { concurrency: 2 } };
    expect(await problemsOf([Report], { overrides })).toEqual([
      `Report.send: overrides["Report.send"] has concurrency or maxDeliveries, but @ScopedCron isn't a consumer. Use maxConcurrency.`,
    ]);
  });
});
