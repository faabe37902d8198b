import { describe, expect, it } from '@jest/globals';
import { isAbortError, leadsTo, readStacks } from '../../lib/errors/error-parts.js';

describe('The parts of an error', () => {
  it('are each looked at once, although they refer to each other', () => {
    const whole = new AggregateError([], 'whole');
    whole.errors = Array.from({ length: 2_000 }, () => new Error('part', { cause: whole }));
    readStacks(whole);

    expect(leadsTo(whole, whole.errors.at(-1))).toBe(true);
    expect(leadsTo(whole, new Error('other'))).toBe(false);
  });

  it('do not include the cause that an error does not have', () => {
    expect(leadsTo(new Error('without a cause'), undefined)).toBe(false);
    expect(leadsTo(undefined, undefined)).toBe(true);
  });
});

describe('An abort error', () => {
  const { signal } = new AbortController();
  const aborted = (): Error => new DOMException('gone', 'AbortError');

  it('can be several in one, at any depth', () => {
    expect(isAbortError(new AggregateError([aborted(), aborted()]), signal)).toBe(true);
    const inner = new AggregateError([aborted()]);
    expect(isAbortError(new AggregateError([inner, aborted()]), signal)).toBe(true);
  });

  it('can be a reason that has several errors itself', () => {
    const reason = new AggregateError([new Error('a')]);
    expect(isAbortError(reason, AbortSignal.abort(reason))).toBe(true);
  });

  it('has no other error beside it', () => {
    expect(isAbortError(new AggregateError([aborted(), new Error('own')]), signal)).toBe(false);
    expect(isAbortError(new AggregateError([]), signal)).toBe(false);
  });

  it('can be read', () => {
    const circular = new AggregateError([]);
    circular.errors = [circular];
    class Declared extends AggregateError {
      override errors!: unknown[];
    }
    const unset = Object.assign(new Declared([aborted()]), { errors: undefined });
    const throwing = Object.defineProperty(new AggregateError([]), 'errors', {
      get: () => {
        throw new Error('no');
      },
    });
    const { proxy, revoke } = Proxy.revocable(new AggregateError([aborted()]), {});
    revoke();
    for (const error of [circular, unset, throwing, proxy, new AggregateError([proxy])])
      expect(isAbortError(error, signal)).toBe(false);
  });
});
