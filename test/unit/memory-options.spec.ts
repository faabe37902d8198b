import type { MemoryOptions } from '../../lib/index.js';
import { memoryOptionProblems } from '../../lib/memory/memory-options.js';

const problems = (memory: unknown): string[] =>
  memoryOptionProblems(memory).map(([option, problem]) => `${option} ${problem}`);

const ABOVE_0 = 'must be a number above 0, not';
const PERCENT = 'must be a number above 0 and up to 100, not';

describe('The options of the memory watch', () => {
  it.each<[string, unknown, string[], MemoryOptions]>([
    ['a threshold of 0', { warnAtMb: 0 }, [`memory.warnAtMb ${ABOVE_0} 0`], { warnAtMb: 0.5 }],
    ['one below 0', { stopAtMb: -1 }, [`memory.stopAtMb ${ABOVE_0} -1`], { stopAtMb: 1 }],
    [
      'an endless one',
      { stopAtMb: Infinity },
      [`memory.stopAtMb ${ABOVE_0} Infinity`],
      { stopAtMb: 1e9 },
    ],
    ['one that is not a number', { warnAtMb: NaN }, [`memory.warnAtMb ${ABOVE_0} NaN`], {}],
    ['text', { warnAtMb: '512' }, [`memory.warnAtMb ${ABOVE_0} "512"`], { warnAtMb: 512 }],
    ['null', { warnAtMb: null }, [`memory.warnAtMb ${ABOVE_0} null`], { warnAtMb: undefined! }],
    [
      'a percentage of 0',
      { warnAtPercent: 0 },
      [`memory.warnAtPercent ${PERCENT} 0`],
      { warnAtPercent: 0.1 },
    ],
    [
      'a percentage above 100',
      { stopAtPercent: 100.1 },
      [`memory.stopAtPercent ${PERCENT} 100.1`],
      { stopAtPercent: 100 },
    ],
    [
      'a warning in both units',
      { warnAtMb: 5, warnAtPercent: 5 },
      ['memory has both warnAtMb and warnAtPercent; keep one of them'],
      { warnAtMb: 5, stopAtPercent: 5 },
    ],
    [
      'a stop in both units',
      { stopAtMb: 5, stopAtPercent: 5 },
      ['memory has both stopAtMb and stopAtPercent; keep one of them'],
      { stopAtMb: 5, warnAtPercent: 5 },
    ],
    [
      'a stop at the warning',
      { warnAtMb: 500, stopAtMb: 500 },
      ['memory.stopAtMb must be above memory.warnAtMb (500), not 500'],
      { warnAtMb: 500, stopAtMb: 500.1 },
    ],
    [
      'a stop below the warning',
      { warnAtPercent: 90, stopAtPercent: 80 },
      ['memory.stopAtPercent must be above memory.warnAtPercent (90), not 80'],
      { warnAtPercent: 80, stopAtPercent: 90 },
    ],
    [
      'checks that never end',
      { checkEveryMs: 99 },
      [
        'memory.checkEveryMs must be a number of milliseconds from 100 to 2147483647 (24.8 days), not 99',
      ],
      { checkEveryMs: 100 },
    ],
    [
      'an unknown option',
      { warnAtMB: 5 },
      ["memory.warnAtMB isn't an option; use warnAtMb instead"],
      { warnAtMb: 5 },
    ],
    [
      'a name of every object',
      { constructor: 5 },
      [
        "memory.constructor isn't an option; the options are warnAtMb, warnAtPercent, stopAtMb, stopAtPercent, checkEveryMs",
      ],
      {},
    ],
    ...[null, true, 512, '80%', [80]].map((value): [string, unknown, string[], MemoryOptions] => [
      `${JSON.stringify(value)} in place of options`,
      value,
      [expect.stringContaining('memory must be an object such as { warnAtPercent: 80 }, not')],
      {},
    ]),
  ])('are refused for %s, and accepted for its neighbor', (_what, bad, says, good) => {
    expect(problems(bad)).toEqual(says);
    expect(problems(good)).toEqual([]);
  });

  it('may be left out', () => {
    expect(problems(undefined)).toEqual([]);
  });

  it('report everything that is wrong at once', () => {
    const bad = { warnAtMb: -1, warnAtPercent: 101, stopAtMb: 'x', checkEveryMs: 0, what: 1 };
    expect(problems(bad)).toHaveLength(6);
  });

  it('are compared only where both are sound', () => {
    expect(problems({ warnAtMb: -1, stopAtMb: -2 })).toHaveLength(2);
  });

  it('exclude one another for the compiler', () => {
    // @ts-expect-error warnAtMb and warnAtPercent exclude each other
    const warn: MemoryOptions = { warnAtMb: 5, warnAtPercent: 5 };
    // @ts-expect-error stopAtMb and stopAtPercent exclude each other
    const stop: MemoryOptions = { stopAtMb: 5, stopAtPercent: 5 };
    const mixed: MemoryOptions = { warnAtMb: 5, stopAtPercent: 5 };
    expect([warn, stop, mixed].map((options) => problems(options).length)).toEqual([1, 1, 0]);
  });
});
