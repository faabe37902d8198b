import {
  InvalidScheduleError,
  ScopedCron,
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { refusal } from '../support/refusal.js';
import { YEARLY } from '../support/probes.js';

/** A worker whose one handler `Job.run` carries the decorator. */
function jobWith(decorator: MethodDecorator, options?: object): new () => object {
  @ScopedWorker(options)
  class Job {
    @decorator
    run(): void {}
  }
  return Job;
}

const cron = (expression: unknown, options?: object): MethodDecorator =>
  ScopedCron(expression as string, options);
const interval = (everyMs: unknown, options?: object): MethodDecorator =>
  ScopedInterval(everyMs as number, options);
const timeout = (delayMs: unknown, options?: object): MethodDecorator =>
  ScopedTimeout(delayMs as number, options);

describe('Start-up', () => {
  afterEach(closeApps);

  describe('when one thing about a schedule is wrong', () => {
    it.each<[string, MethodDecorator, string, MethodDecorator]>([
      ['a cron that cannot be read', cron('every day'), 'every day', cron('@daily')],
      ['a cron with four fields', cron('* * * *'), 'five fields, or six', cron('* * * * *')],
      [
        'a cron with seven fields',
        cron('0 0 0 * * * *'),
        'five fields, or six',
        cron('0 0 0 * * *'),
      ],
      ['a second that does not exist', cron('60 * * * * *'), '60', cron('59 * * * * *')],
      ['an empty cron', cron(''), "'-' to disable the schedule", cron('-')],
      ['a cron of two dashes', cron('--'), "'-' to disable the schedule", cron('-')],
      [
        'a cron that is a Date',
        cron(new Date()),
        'Job.run: the cron expression of @ScopedCron must be a string, not a Date; for a single run, use @ScopedTimeout with a delay in milliseconds.',
        cron(YEARLY),
      ],
      ['a cron that is missing', cron(undefined), 'must be a string', cron(YEARLY)],
      ['an interval of 0', interval(0), 'from 1', interval(1)],
      ['a negative interval', interval(-1_000), '-1000', interval(1_000)],
      ['an interval that is NaN', interval(NaN), 'NaN', interval(1_000)],
      ['an interval that is endless', interval(Infinity), 'Infinity', interval(4_294_967_294)],
      ['an over-long interval', interval(4_294_967_295), '49.7 days', interval(4_294_967_294)],
      ['an interval that is text', interval('1000'), 'must be a number', interval(1_000)],
      ['an interval that is switched off as a cron', interval('-'), 'number', cron('-')],
      ['a negative delay', timeout(-1), 'from 0', timeout(0)],
      ['a delay that is NaN', timeout(NaN), 'NaN', timeout(1)],
      [
        'a zone that does not exist',
        cron(YEARLY, { timeZone: 'Europe/Atlantis' }),
        "such as 'Europe/Berlin'",
        cron(YEARLY, { timeZone: 'Europe/Lisbon' }),
      ],
      [
        'an offset of a day',
        cron(YEARLY, { utcOffset: 1_440 }),
        'from -840 to 840',
        cron(YEARLY, { utcOffset: -570 }),
      ],
      [
        'a zone and an offset together',
        cron(YEARLY, { timeZone: 'UTC', utcOffset: 0 }),
        'both timeZone and utcOffset; keep one',
        cron(YEARLY, { timeZone: 'UTC', utcOffset: undefined }),
      ],
      ['an empty name', cron(YEARLY, { name: '' }), 'omit it', cron(YEARLY, { name: 'a' })],
      ['a name of spaces', cron(YEARLY, { name: ' ' }), 'empty', cron(YEARLY, { name: 'a b' })],
      ['a name with a line feed', cron(YEARLY, { name: 'a\nb' }), 'control', cron(YEARLY)],
      [
        'a name that is a number',
        cron(YEARLY, { name: 7 }),
        'a string',
        cron(YEARLY, { name: '7' }),
      ],
      [
        'a negative timeout',
        cron(YEARLY, { timeoutMs: -1 }),
        'timeoutMs must be a number of milliseconds from 1',
        cron(YEARLY, { timeoutMs: 1 }),
      ],
      [
        'a timeout of 0',
        interval(9, { timeoutMs: 0 }),
        'timeoutMs',
        interval(9, { timeoutMs: 0.5e3 }),
      ],
      [
        'a negative initial delay',
        interval(9_999, { initialDelayMs: -1 }),
        'initialDelayMs',
        interval(9_999, { initialDelayMs: 0 }),
      ],
      [
        'a jitter that is text',
        cron(YEARLY, { jitterMs: '5' }),
        'jitterMs',
        cron(YEARLY, { jitterMs: 5 }),
      ],
      [
        'an unknown option',
        cron(YEARLY, { limitMs: 5 }),
        'Job.run: @ScopedCron has no option "limitMs"; the options are',
        cron(YEARLY, { timeoutMs: 5 }),
      ],
      [
        'an option of @Cron',
        cron(YEARLY, { waitForCompletion: true }),
        `Job.run: @ScopedCron has no option "waitForCompletion"; use overlap: 'skip' instead.`,
        cron(YEARLY, { overlap: 'skip' }),
      ],
      [
        'the option of repositories',
        cron(YEARLY, { transaction: true }),
        'Job.run: @ScopedCron has no option "transaction"; use ScopedTypeOrmModule.forFeature([...], { transaction: true }) in the module instead.',
        cron(YEARLY, {}),
      ],
      [
        'an unknown word',
        cron(YEARLY, { overlap: 'queue' }),
        "'skip', 'buffer-one', 'allow', 'cancel-other'",
        cron(YEARLY, { overlap: 'buffer-one' }),
      ],
      [
        'an unknown failure rule',
        cron(YEARLY, { onFailure: 'exit' }),
        "'continue', 'pause', 'stop-app'",
        cron(YEARLY, { onFailure: 'pause' }),
      ],
      [
        'a switch that is text',
        cron(YEARLY, { disabled: 'false' }),
        'true or false',
        cron(YEARLY, { disabled: false }),
      ],
      [
        'a fixed delay for a cron',
        cron(YEARLY, { fixedDelay: true }),
        '@ScopedInterval',
        interval(9_999, { fixedDelay: true }),
      ],
      ['options that are null', cron(YEARLY, null as never), 'an object', cron(YEARLY, {})],
    ])('[C13] refuses %s, and starts its neighbor', async (_what, bad, says, good) => {
      const error = await refusal({ providers: [jobWith(bad)] });
      expect(error).toBeInstanceOf(InvalidScheduleError);
      expect((error as InvalidScheduleError).problems).toEqual([expect.stringContaining(says)]);
      expect(error.message).toMatch(/^Job\.run: .+\.$/);

      const { registry } = await startApp({ providers: [jobWith(good)] });
      expect(registry.list()).toHaveLength(1);
    });

    it.each([
      ['@ScopedInterval', interval('poll', 1_000 as never)],
      ['@ScopedTimeout', timeout('poll', 1_000 as never)],
    ])(
      '[C13] says where the name goes when %s has it first, as with Nest',
      async (decorator, use) => {
        const error = await refusal({ providers: [jobWith(use)] });

        expect((error as InvalidScheduleError).problems).toEqual([
          `Job.run: ${decorator} takes its name as an option. Write ${decorator}(1000, { name: "poll" }) instead.`,
        ]);
      },
    );

    it.each<[string, object, string, object]>([
      ['a bad zone', { timeZone: 'Mars' }, "such as 'Europe/Berlin'", { timeZone: 'UTC' }],
      ['a negative timeout', { timeoutMs: -5 }, 'timeoutMs', { timeoutMs: 5 }],
      ['an unknown option', { retries: 3 }, '"retries"', { overlap: 'allow' }],
      ['a name for many', { name: 'nightly' }, 'name', { disabled: true }],
    ])(
      '[C13] refuses %s in @ScopedWorker(), and starts its neighbor',
      async (_, bad, says, good) => {
        const error = await refusal({ providers: [jobWith(cron(YEARLY), bad)] });
        expect(error.message).toMatch(/^Job\.run: @ScopedWorker/);
        expect(error.message).toContain(says);
        const { registry } = await startApp({ providers: [jobWith(cron(YEARLY), good)] });
        expect(registry.list()).toHaveLength(1);
      },
    );
  });

  it('[C13] refuses a scope in the options of a worker, and starts the worker without it', async () => {
    const error = await refusal({ providers: [jobWith(cron(YEARLY), { scope: 'REQUEST' })] });
    expect(error.message).toBe(
      'Job.run: @ScopedWorker has no option "scope": each tick has its own worker anyway. Remove it.',
    );
    await startApp({ providers: [jobWith(cron(YEARLY), {})] });
  });
});
