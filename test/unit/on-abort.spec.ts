import { describe, expect, it } from '@jest/globals';
import { getEventListeners } from 'node:events';
import { onAbort } from '../../lib/util/on-abort.js';

describe('onAbort', () => {
  const count = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

  it('calls every listener once, through one listener of the signal', () => {
    const controller = new AbortController();
    const { signal } = controller;
    const heard: string[] = [];
    onAbort(signal, () => heard.push('first'));
    onAbort(signal, () => heard.push('second'));
    expect(count(signal)).toBe(1);
    controller.abort();
    expect(heard).toEqual(['first', 'second']);
  });

  it('calls no listener that was taken off, and leaves nothing when all are', () => {
    const controller = new AbortController();
    const { signal } = controller;
    const heard: string[] = [];
    const offs = ['first', 'second', 'third'].map((name) =>
      onAbort(signal, () => void heard.push(name)),
    );
    offs[0]!();
    offs[0]!();
    expect(count(signal)).toBe(1);
    offs[1]!();
    offs[2]!();
    expect(count(signal)).toBe(0);

    onAbort(signal, () => heard.push('later'));
    offs[2]!(); // once more, too late: it takes nobody else off
    controller.abort();
    expect(heard).toEqual(['later']);
  });

  it('calls no listener that another one takes off', () => {
    const controller = new AbortController();
    const heard: string[] = [];
    let off = (): void => undefined;
    onAbort(controller.signal, () => off());
    off = onAbort(controller.signal, () => heard.push('second'));
    controller.abort();
    expect(heard).toEqual([]);
  });

  it('keeps signals apart', () => {
    const [one, other] = [new AbortController(), new AbortController()];
    const heard: string[] = [];
    onAbort(one.signal, () => heard.push('one'));
    onAbort(other.signal, () => heard.push('other'));
    one.abort();
    expect(heard).toEqual(['one']);
  });
});
