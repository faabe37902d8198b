import { Crossing } from '../../lib/memory/memory-threshold.js';

const seen = (...values: number[]): (string | undefined)[] => {
  const crossing = new Crossing(100);
  return values.map((value) => crossing.see(value));
};

describe('A crossing of a threshold', () => {
  it('is reported once, when the threshold is reached', () => {
    expect(seen(99.9, 100, 150, 100)).toEqual([undefined, 'up', undefined, undefined]);
  });

  it('is reported at the first value when that is above already', () => {
    expect(seen(180)).toEqual(['up']);
  });

  it('is not reported again by a value that sways about the threshold', () => {
    expect(seen(100, 99, 101, 95, 100)).toEqual(['up', undefined, undefined, undefined, undefined]);
  });

  it('is over below 95 % of the threshold, and then reported again', () => {
    expect(seen(100, 94.9, 94, 99, 100)).toEqual(['up', 'down', undefined, undefined, 'up']);
  });

  it('says nothing of values that stay below', () => {
    expect(seen(0, 50, 99)).toEqual([undefined, undefined, undefined]);
  });
});
