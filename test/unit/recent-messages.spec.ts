import { describe, expect, it } from '@jest/globals';
import { RecentMessages } from '../../lib/consumers/message-settler.js';

describe('RecentMessages', () => {
  it('remembers each id by itself', () => {
    const messages = new RecentMessages<number>();
    messages.set('a', 1);
    messages.set('b', 2);
    messages.set('a', 3);
    expect(['a', 'b', 'c'].map((id) => messages.get(id))).toEqual([3, 2, undefined]);
  });

  it('forgets a message on demand', () => {
    const messages = new RecentMessages<number>();
    messages.set('a', 1);
    messages.set('b', 2);
    messages.forget('a');
    messages.forget('unknown');
    expect([messages.get('a'), messages.get('b')]).toEqual([undefined, 2]);
  });

  it('remembers 10,000 ids, and forgets the one that was set longest ago', () => {
    const messages = new RecentMessages<number>();
    for (let id = 0; id < 10_000; id += 1) messages.set(String(id), 1);
    messages.set('0', 2); // now "1" is the oldest
    messages.set('one more', 1);
    expect(['0', '1', '2'].map((id) => messages.get(id))).toEqual([2, undefined, 1]);
  });
});
