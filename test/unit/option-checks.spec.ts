import {
  decoratorProblems,
  defaultsProblems,
  handlerOptionProblems,
} from '../../lib/schedule/check-handler-options.js';
import {
  booleanProblem,
  choiceProblem,
  delayProblem,
  limitProblem,
  MAX_PERIOD_MS,
  MAX_TIMER_MS,
  nameProblem,
  periodProblem,
  show,
} from '../../lib/util/option-checks.js';

const NO_NUMBERS = [undefined, null, '5', true, {}, [5], 5n, new Date(5), Symbol('5')];

describe('The checks of options', () => {
  describe('when a period is checked', () => {
    it.each([1, 1.5, 1_000, 2 ** 31, MAX_PERIOD_MS])('accepts %p', (value) => {
      expect(periodProblem(value)).toBeUndefined();
    });

    it.each([0, -0, 0.5, -1, NaN, Infinity, -Infinity, MAX_PERIOD_MS + 1, ...NO_NUMBERS])(
      'refuses %p',
      (value) => {
        expect(periodProblem(value)).toMatch(
          /^must be a number of milliseconds from 1 to 4294967294/,
        );
      },
    );
  });

  describe('when a delay is checked', () => {
    it.each([0, -0, 0.5, 1, MAX_PERIOD_MS])('accepts %p', (value) => {
      expect(delayProblem(value)).toBeUndefined();
    });

    it.each([-0.1, -1, NaN, Infinity, MAX_PERIOD_MS + 1, ...NO_NUMBERS])('refuses %p', (value) => {
      expect(delayProblem(value)).toMatch(/^must be a number of milliseconds from 0/);
    });
  });

  describe('when a time limit is checked', () => {
    it.each([1, 1.5, MAX_TIMER_MS])('accepts %p', (value) => {
      expect(limitProblem(value, 1)).toBeUndefined();
    });

    it.each([0, 0.5, -1, NaN, Infinity, MAX_TIMER_MS + 1, ...NO_NUMBERS])('refuses %p', (value) => {
      expect(limitProblem(value, 1)).toMatch(
        /^must be a number of milliseconds from 1 to 2147483647/,
      );
    });

    it('accepts 0 where 0 means none', () => {
      expect(limitProblem(0, 0)).toBeUndefined();
      expect(limitProblem(-1, 0)).toMatch(/^must be a number of milliseconds from 0/);
    });
  });

  describe('when a choice is checked', () => {
    it('accepts one of the words', () => {
      expect(choiceProblem('b', ['a', 'b'])).toBeUndefined();
    });

    it.each(['B', '', 'toString', undefined, null, 0])(
      'refuses %p, and says the words',
      (value) => {
        expect(choiceProblem(value, ['a', 'b'])).toMatch(/^must be one of 'a', 'b', not /);
      },
    );
  });

  describe('when a switch is checked', () => {
    it.each([true, false])('accepts %p', (value) => expect(booleanProblem(value)).toBeUndefined());

    it.each(['true', 1, 0, null, undefined])('refuses %p', (value) =>
      expect(booleanProblem(value)).toMatch(/^must be true or false, not /),
    );
  });

  describe('when a name is checked', () => {
    it.each(['a', 'Class.method', 'nightly report', 'Bericht für März', '夜間', 'a/b:c#2'])(
      'accepts %p',
      (value) => expect(nameProblem(value)).toBeUndefined(),
    );

    it.each(['', ' ', ' a', 'a ', 'a\tb', 'a\nb', '\u0000', 'a\u007f', 7, null, undefined, {}])(
      'refuses %p',
      (value) => expect(nameProblem(value)).toMatch(/^must /),
    );
  });

  describe('when handler options are checked', () => {
    it.each<[string, object | undefined]>([
      ['nothing', undefined],
      ['an empty object', {}],
      ['undefined values', { timeZone: undefined, timeoutMs: undefined, unknown: undefined }],
      ['every option', everyOption({ timeZone: 'Europe/Berlin' })],
      ['every option with an offset', everyOption({ utcOffset: -570 })],
      ['a zone without a region', { timeZone: 'UTC' }],
      ['the widest offsets', { utcOffset: 840 }],
    ])('accepts %s', (_what, options) => {
      expect(handlerOptionProblems(options)).toEqual([]);
    });

    it.each<[string, object, RegExp]>([
      ['a zone that does not exist', { timeZone: 'Mars/Olympus' }, /^timeZone must be an IANA/],
      ['an empty zone', { timeZone: '' }, /^timeZone must be an IANA/],
      ['a zone that is a number', { timeZone: 2 }, /^timeZone must be an IANA.*not 2$/],
      ['half an offset', { utcOffset: 30.5 }, /^utcOffset must be a whole number of minutes/],
      ['an offset over 14 hours', { utcOffset: 841 }, /^utcOffset/],
      ['an offset that is text', { utcOffset: '+02:00' }, /^utcOffset.*not "\+02:00"$/],
      ['both', { timeZone: 'UTC', utcOffset: 0 }, /^has both timeZone and utcOffset; keep one/],
      [
        'a wrong resolution',
        { resolution: 'plan' },
        /^resolution must be one of 'compiled', 'nest'/,
      ],
      ['an unknown option', { attempts: 3 }, /^has no option "attempts"; the options are name/],
      ['an inherited name', { toString: 1 }, /^has no option "toString"/],
      ['a name of every object', { constructor: {} }, /^has no option "constructor"/],
    ])('refuses %s', (_what, options, problem) => {
      expect(handlerOptionProblems(options)).toEqual([expect.stringMatching(problem)]);
    });

    it.each<[string, object, string]>([
      ['waitForCompletion', { waitForCompletion: true }, "overlap: 'skip'"],
      ['waitForCompletion: false', { waitForCompletion: false }, "overlap: 'allow'"],
      ['threshold', { threshold: 500 }, "misfireThresholdMs and misfire: 'skip'"],
      ['initialDelay', { initialDelay: 500 }, 'initialDelayMs'],
      ['runOnInit', { runOnInit: true }, 'runOnStart'],
      [
        'unrefTimeout',
        { unrefTimeout: true },
        'engine: inProcessEngine({ unref: true }) in ScopedWorkerModule.forRoot()',
      ],
      ['timezone', { timezone: 'UTC' }, 'timeZone'],
      ['timeout', { timeout: 500 }, 'timeoutMs'],
      ['retries', { retries: 2 }, 'retry: { attempts }'],
      ['enabled', { enabled: false }, 'disabled'],
      ['jitter', { jitter: 0.2 }, 'jitterMs'],
    ])('[C13] names the equivalent of %s', (_what, options, equivalent) => {
      const [key] = Object.keys(options);
      const problem = `has no option "${key}"; use ${equivalent} instead`;
      expect(handlerOptionProblems(options)).toEqual([problem]);
      expect(defaultsProblems(options)).toEqual([problem]);
      expect(decoratorProblems(options, 'message')).toEqual([
        expect.stringContaining(`has no option "${key}"`),
      ]);
    });

    it.each([null, 5, 'x', true])('refuses %p in place of options', (options) => {
      expect(handlerOptionProblems(options)).toEqual([
        expect.stringMatching(/must be an options object/),
      ]);
    });

    it('names everything at once', () => {
      const options = { name: '', disabled: 1, timeoutMs: 0, jitterMs: -1, what: 1 };
      expect(handlerOptionProblems(options)).toHaveLength(5);
    });
  });

  describe('when a value is shown in a message', () => {
    it.each<[unknown, string]>([
      ['a "b"\n', '"a \\"b\\"\\n"'],
      [undefined, 'undefined'],
      [null, 'null'],
      [-0.5, '-0.5'],
      [5n, '5'],
      [Symbol('s'), 'Symbol(s)'],
      [[1, 2], 'an array'],
      [{ toString: null }, 'an object'],
      [Object.create(null), 'an object'],
      [Math.max, 'function max'],
      [class Job {}, 'class Job'],
      [
        (
          () => () =>
            1
        )(),
        'function (anonymous)',
      ],
    ])('%p is shown in words', (value, text) => {
      expect(show(value)).toBe(text);
    });
  });
});

function everyOption(zone: object): object {
  return {
    ...zone,
    name: 'a',
    disabled: false,
    overlap: 'allow',
    timeoutMs: 1,
    onFailure: 'pause',
    resolution: 'nest',
    initialDelayMs: 0,
    jitterMs: 0,
    runOnStart: true,
    fixedDelay: false,
  };
}
