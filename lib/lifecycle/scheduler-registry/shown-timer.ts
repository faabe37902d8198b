import { fromEmptyContext } from '../../scope/work-context.js';

/**
 * Makes a timer that never fires, for code that expects the timer of a schedule. It calls `onClear` once, when the timer is
 * cleared: with `clearInterval()` or `clearTimeout()`, by its number, with `close()` or `using`.
 *
 * Node always clears a timer by writing `null` to `_onTimeout` (20 to 26, `lib/timers.js`). The fake clocks of Jest, Vitest and
 * sinon lack this field, and read the number of a timer only to clear it.
 */
export function shownTimer(onClear: () => void): NodeJS.Timeout {
  // A timer keeps the AsyncLocalStorage store in which it is created.
  const timer = fromEmptyContext(() => setTimeout(nothing, 1));
  clearTimeout(timer);
  let isCleared = false;
  const clear = (): void => {
    if (isCleared) return;
    isCleared = true;
    onClear();
  };
  if (typeof timer !== 'object') return timer; // a fake clock of a browser
  if (Object.hasOwn(timer, '_onTimeout')) {
    Object.defineProperty(timer, '_onTimeout', {
      get: () => (isCleared ? null : nothing),
      set: clear,
    });
    return timer;
  }
  const toPrimitive = timer[Symbol.toPrimitive]?.bind(timer);
  const refresh = (): NodeJS.Timeout => timer; // of a fake clock, which would start it
  return Object.assign(timer, {
    refresh,
    [Symbol.toPrimitive]: (hint?: string) => {
      if (hint === 'number') clear();
      return toPrimitive?.() ?? Number.NaN;
    },
  });
}

function nothing(): void {}
