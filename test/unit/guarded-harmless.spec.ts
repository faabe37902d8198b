import { CallGuard, guarded } from '../../lib/leaks/call-guard.js';

describe('A guarded instance with one function under two names', () => {
  it('lets a second disposal pass, and refuses the method', () => {
    const origin = { schedule: 'W.run', tickId: 'tick-1', scopeId: 'scope-1', place: undefined };
    const scope = new CallGuard(origin, () => undefined);
    const close = (): void => undefined;
    const file = guarded({ close, [Symbol.dispose]: close }, 'File', scope);
    file.close(); // the first name that was read
    const other = guarded({ close, [Symbol.dispose]: close }, 'File', scope);
    other[Symbol.dispose]();
    scope.ending(close);
    scope.ended();

    expect(() => file[Symbol.dispose]()).not.toThrow();
    expect(() => other.close()).toThrow('Cannot call File.close');
  });
});
