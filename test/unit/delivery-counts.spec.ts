import { describe, expect, it } from '@jest/globals';
import { DeliveryCounts } from '../../lib/hosting/consumers/delivery-counts.js';

describe('DeliveryCounts', () => {
  it('counts each id by itself, from 1', () => {
    const counts = new DeliveryCounts();
    expect(['a', 'b', 'a', 'a', 'b'].map((id) => counts.add(id))).toEqual([1, 1, 2, 3, 2]);
  });

  it('begins anew with what was forgotten', () => {
    const counts = new DeliveryCounts();
    counts.add('a');
    counts.add('b');
    counts.forget('a');
    counts.forget('unknown');
    expect([counts.add('a'), counts.add('b')]).toEqual([1, 2]);
  });

  it('remembers 10,000 ids, and forgets the one that was delivered longest ago', () => {
    const counts = new DeliveryCounts();
    for (let id = 0; id < 10_000; id += 1) counts.add(String(id));
    counts.add('0'); // delivered again: now "1" is the oldest
    counts.add('one more');
    expect(counts.add('0')).toBe(3);
    expect(counts.add('2')).toBe(2);
    expect(counts.add('1')).toBe(1);
  });
});
