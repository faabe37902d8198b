import { Crossing, levelOf, thresholdOf } from '../../lib/memory/memory-threshold.js';
import { memorySample, MIB } from '../../lib/memory/process-memory.js';

const seen = (...values: number[]): (string | undefined)[] => {
  const crossing = new Crossing(100);
  return values.map((value) => crossing.see(value));
};

describe('A crossing of a threshold', () => {
  it('is reported once, when the threshold is reached', () => {
    expect(seen(99.9, 100, 150, 100)).toEqual([undefined, 'up', undefined, undefined]);
  });

  it('is reported at the first value if it is already above', () => {
    expect(seen(180)).toEqual(['up']);
  });

  it('is not reported again while values fluctuate around the threshold', () => {
    expect(seen(100, 99, 101, 95, 100)).toEqual(['up', undefined, undefined, undefined, undefined]);
  });

  it('ends below 95 % of the threshold, and can then be reported again', () => {
    expect(seen(100, 94.9, 94, 99, 100)).toEqual(['up', 'down', undefined, undefined, 'up']);
  });

  it('is not reported for values that stay below', () => {
    expect(seen(0, 50, 99)).toEqual([undefined, undefined, undefined]);
  });
});

const sample = (rss: number, heap: number, heapLimit = 1_000, limit = 2_000) =>
  memorySample({
    rssBytes: rss * MIB,
    heapUsedBytes: heap * MIB,
    heapLimitBytes: heapLimit * MIB,
    limitBytes: limit * MIB,
  });

describe('A sample of memory', () => {
  it.each<[string, number, number, number]>([
    ['the heap', 200, 500, 50],
    ['RSS', 1_800, 500, 90],
    ['both alike', 1_000, 500, 50],
  ])('has the percentage of what is nearest to its limit: %s', (_what, rss, heap, percent) => {
    expect(sample(rss, heap).percent).toBe(percent);
  });

  it('counts RSS in MiB against thresholds in Mb', () => {
    expect(levelOf(sample(300, 999), { option: 'warnAtMb', value: 1 })).toBe(300);
    expect(levelOf(sample(300, 999), { option: 'stopAtMb', value: 1 })).toBe(300);
  });

  it('counts its percentage against thresholds in percent', () => {
    expect(levelOf(sample(300, 990), { option: 'warnAtPercent', value: 1 })).toBe(99);
    expect(levelOf(sample(300, 990), { option: 'stopAtPercent', value: 1 })).toBe(99);
  });
});

describe('A threshold of memory', () => {
  it('comes from the option that is set, in either unit', () => {
    const options = { warnAtMb: 5, stopAtPercent: 90 } as const;
    expect(thresholdOf(options, 'warn')).toEqual({ option: 'warnAtMb', value: 5 });
    expect(thresholdOf(options, 'stop')).toEqual({ option: 'stopAtPercent', value: 90 });
  });

  it('does not exist when no option is set', () => {
    expect(thresholdOf({}, 'warn')).toBeUndefined();
    expect(thresholdOf({ warnAtMb: 5 }, 'stop')).toBeUndefined();
  });
});
