import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { pause } from '../../lib/util/pause.js';
import { advance, leap, useFakeClock } from '../support/fake-clock.js';

describe('a pause', () => {
  const never = new AbortController().signal;
  let isOver: boolean;

  beforeEach(() => useFakeClock());
  afterEach(() => void jest.useRealTimers());

  function begin(ms: number, signal: AbortSignal = never): void {
    isOver = false;
    void pause(ms, signal).then(() => (isOver = true));
  }

  it('ends when its time is over', async () => {
    begin(90_000);
    await advance(89_999);
    expect(isOver).toBe(false);
    await advance(1);
    expect(isOver).toBe(true);
  });

  it('keeps what is left of its wait when the clock is set back', async () => {
    begin(600_000);
    await advance(30_000);
    leap(-3_600_000);
    await advance(500_000);
    expect(isOver).toBe(false);
    await advance(100_000);
    expect(isOver).toBe(true);
  });

  it('is cut short by its signal, and leaves no timer', async () => {
    const stop = new AbortController();
    begin(90_000, stop.signal);
    stop.abort();
    await advance(0);
    expect(isOver).toBe(true);
    expect(jest.getTimerCount()).toBe(0);
  });
});
