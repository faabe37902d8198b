import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Alarm } from '../../lib/util/alarm.js';
import { leap, NOON, useFakeClock } from '../support/fake-clock.js';

const MINUTE = 60_000;

describe('alarm', () => {
  const rings: number[] = [];
  const stepsBack: number[] = [];
  let onRing: (() => void) | undefined;
  const alarm = new Alarm(false, {
    ring: (at) => {
      rings.push(Date.now() - NOON.getTime());
      told.push(at - NOON.getTime());
      onRing?.();
    },
    onSetBack: (at, byMs) => {
      stepsBack.push(byMs);
      told.push(at - NOON.getTime());
    },
  });
  /** The times that the alarm passes to its owner. */
  const told: number[] = [];

  beforeEach(() => {
    useFakeClock();
    rings.length = 0;
    stepsBack.length = 0;
    told.length = 0;
    onRing = undefined;
  });

  afterEach(() => {
    alarm.clear();
    jest.useRealTimers();
  });

  function setFor(afterMs: number): void {
    alarm.set(NOON.getTime() + afterMs);
  }

  it('rings once, at its time', () => {
    setFor(1_500);
    jest.advanceTimersByTime(1_499);
    expect(rings).toEqual([]);
    jest.advanceTimersByTime(10 * MINUTE);
    expect(rings).toEqual([1_500]);
  });

  it('rings soon, and not at once, when its time is past', () => {
    setFor(-1_000);
    expect(rings).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(rings).toHaveLength(1);
  });

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2])('[E1] rings after %i ms, not before', (longMs) => {
    setFor(longMs);
    jest.advanceTimersByTime(longMs - 1);
    expect(rings).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(rings).toEqual([longMs]);
    expect(told).toEqual([longMs]);
  });

  it('replaces an earlier time', () => {
    setFor(1_000);
    setFor(2_000);
    jest.advanceTimersByTime(MINUTE);
    expect(rings).toEqual([2_000]);
  });

  it('does not ring, and leaves no timer, when it is cleared', () => {
    setFor(1_000);
    alarm.clear();
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(MINUTE);
    expect(rings).toEqual([]);
  });

  it('can be set again by its own ring', () => {
    onRing = () => {
      onRing = undefined;
      setFor(2_000);
    };
    setFor(1_000);
    jest.advanceTimersByTime(MINUTE);
    expect(rings).toEqual([1_000, 2_000]);
  });

  describe('when the clock leaps forward', () => {
    it('rings within a minute', () => {
      setFor(60 * MINUTE);
      leap(2 * 60 * MINUTE);
      jest.advanceTimersByTime(MINUTE);
      expect(rings).toHaveLength(1);
    });

    it('does not ring when its time is still ahead', () => {
      setFor(60 * MINUTE);
      leap(30 * MINUTE);
      jest.advanceTimersByTime(29 * MINUTE);
      expect(rings).toEqual([]);
    });
  });

  describe('when the clock is set back', () => {
    it('says by how much, does not ring, and is off', () => {
      setFor(10 * MINUTE);
      leap(-5 * MINUTE);
      jest.advanceTimersByTime(MINUTE);
      expect(stepsBack).toEqual([5 * MINUTE]);
      expect(told).toEqual([10 * MINUTE]);
      expect(rings).toEqual([]);
      expect(jest.getTimerCount()).toBe(0);
    });

    it('takes a second or less for the drift of a clock and rings at its time', () => {
      setFor(10 * MINUTE);
      leap(-1_000);
      jest.advanceTimersByTime(11 * MINUTE);
      expect(stepsBack).toEqual([]);
      expect(rings).toEqual([10 * MINUTE]);
    });
  });

  it('keeps the process alive unless unref is set', () => {
    jest.useRealTimers();
    const spy = jest.spyOn(globalThis, 'setTimeout');
    const idle = new Alarm(true, { ring: () => undefined, onSetBack: () => undefined });
    setFor(0);
    idle.set(Date.now() + MINUTE);
    const [kept, unreffed] = spy.mock.results.map(({ value }) => value as NodeJS.Timeout);
    spy.mockRestore();
    expect(kept!.hasRef()).toBe(true);
    expect(unreffed!.hasRef()).toBe(false);
    idle.clear();
  });
});
