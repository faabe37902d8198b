import { describe, expect, it } from '@jest/globals';
import { leadsTo, readStacks } from '../../lib/errors/error-parts.js';

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
