import { describe, expect, it, jest } from '@jest/globals';
import { logError, loggedError } from '../../lib/errors/error-log.js';

/** As the errors of Prisma are: a name, a code, and what was not found. */
class NotFoundError extends Error {
  override readonly name = 'NotFoundError';
  readonly code = 'P2025';
  readonly meta = { target: ['Invoice'] };
}

describe('What is logged of an error', () => {
  it('is its message, once, and below it the stack', () => {
    const { text, details } = loggedError(new Error('no luck'));
    expect(text).toBe('no luck');
    expect(details).toMatch(/^ {4}at .+error-log\.spec/);
    expect(details).not.toContain('no luck');
  });

  it('is the name of its class too, unless that is Error', () => {
    expect(loggedError(new TypeError('no function')).text).toBe('TypeError: no function');
    expect(loggedError(new NotFoundError('gone')).text).toBe('NotFoundError: gone');
  });

  it('has own properties, also inside of others', () => {
    const { details } = loggedError(new NotFoundError('gone'));
    expect(details).toMatch(/^ {4}at /);
    expect(details).toContain("code: 'P2025'");
    expect(details).toContain("target: [ 'Invoice' ]");
  });

  it('has the chain of causes', () => {
    const root = new NotFoundError('third');
    const error = new Error('first', { cause: new Error('second', { cause: root }) });
    const { text, details } = loggedError(error);
    expect(text).toBe('first');
    expect(details).toMatch(
      /\[cause\]: Error: second\n[^]+\[cause\]: NotFoundError: third\n[^]+P2025/,
    );
  });

  it('has the errors of an AggregateError', () => {
    const error = new AggregateError([new Error('a'), new NotFoundError('b')], 'two failed');
    const { text, details } = loggedError(error);
    expect(text).toBe('AggregateError: two failed');
    expect(details).toMatch(/\[errors\]: \[\s+Error: a\n[^]+NotFoundError: b\n[^]+'P2025'/);
  });

  it('keeps a message of several lines together', () => {
    const { text, details } = loggedError(new Error('Invalid invocation:\n\n  at least one row'));
    expect(text).toBe('Invalid invocation:\n\n  at least one row');
    expect(details).toMatch(/^ {4}at /);
  });

  it.each<[what: string, error: unknown, text: string, details: unknown]>([
    [
      'an error without a message',
      new TypeError(''),
      'TypeError',
      expect.stringMatching(/^ {4}at /),
    ],
    ['an error without a stack', withStack(undefined), 'no luck', undefined],
    [
      'an error without a stack, with a code',
      Object.assign(withStack(undefined), { code: 5 }),
      'no luck',
      ' { code: 5 }',
    ],
    [
      'a stack of another message',
      withStack('Error: before\n    at here'),
      'no luck',
      'Error: before\n    at here',
    ],
    [
      'an object with a message',
      { message: 'no luck', code: 5 },
      'no luck',
      "{ message: 'no luck', code: 5 }",
    ],
    ['an object', { code: 5 }, '{ code: 5 }', undefined],
    ['an object without prototype', Object.create(null), '[Object: null prototype] {}', undefined],
    ['a string', 'no luck', 'no luck', undefined],
    ['undefined', undefined, 'undefined', undefined],
    ['null', null, 'null', undefined],
  ])('is what there is of %s', (_, error, text, details) => {
    expect(loggedError(error)).toEqual({ text, details });
  });

  it.each<[what: string, error: () => unknown]>([
    ['a getter throws', () => throwing('message')],
    ['the stack throws', () => throwing('stack')],
    ['an own property throws', () => Object.defineProperty(new Error('x'), 'code', hostile())],
    [
      'its inspection throws',
      () =>
        Object.defineProperty({}, Symbol.for('nodejs.util.inspect.custom'), {
          value: () => fail(),
        }),
    ],
    [
      'it is a proxy that throws',
      () => new Proxy(new Error('x'), { get: fail, getPrototypeOf: fail }),
    ],
    ['it is a revoked proxy', () => revoked()],
  ])('does not fail when %s', (_, make) => {
    const { text } = loggedError(make());
    expect(typeof text).toBe('string');
    expect(text).not.toBe('');
  });

  it('is bounded, and keeps the stack and the cause', () => {
    const response = Object.fromEntries(
      Array.from({ length: 300 }, (_, index) => [`header ${index}`, 'x'.repeat(5_000)]),
    );
    const error = Object.assign(new Error('no luck', { cause: new Error('root') }), { response });
    const { text, details } = loggedError(error);
    expect(text).toBe('no luck');
    expect(details!.length).toBeLessThan(17_000);
    expect(details).toMatch(/^ {4}at [^]+more characters[^]+\[cause\]: Error: root/);
  });

  it('does not go deeper than five causes, as nobody would read them', () => {
    let error = new Error('cause 0');
    for (let depth = 1; depth < 50; depth += 1)
      error = new Error(`cause ${depth}`, { cause: error });
    const { details } = loggedError(error);
    expect(details).toContain('cause 45');
    expect(details).not.toContain('cause 40');
  });
});

it('logError() writes errors that came with it behind it, each with its stack', () => {
  const error = jest.fn();
  const others = [new Error('a'), new NotFoundError('b')];
  logError({ error }, 'Job.run failed', new Error('no luck'), 'Disposal failed as well', others);
  expect(error.mock.calls).toEqual([
    [
      'Job.run failed: no luck. Disposal failed as well: a; NotFoundError: b',
      expect.stringMatching(
        /^ {4}at [^]+\nDisposal failed as well: a\n {4}at [^]+: NotFoundError: b\n {4}at [^]+P2025/,
      ),
    ],
  ]);
});

it('logError() writes a text that several errors have once, and each stack', () => {
  const error = jest.fn();
  const others = [new Error('No luck.'), new Error('a'), new Error('a'), new Error('No luck.')];
  logError({ error }, 'Job.run failed', new Error('No luck.'), 'Also failed', others);
  logError({ error }, 'Job.run failed', new Error('No luck.'), 'Also failed', [others[0]]);
  expect(error.mock.calls.map(([message]) => message)).toEqual([
    'Job.run failed: No luck. Also failed: a',
    'Job.run failed: No luck.',
  ]);
  expect(String(error.mock.calls[0]![1]).match(/^Also failed: /gm)).toHaveLength(4);
});

function withStack(stack: string | undefined): Error {
  const error = new Error('no luck');
  Object.defineProperty(error, 'stack', { value: stack });
  return error;
}

function fail(): never {
  throw new Error('hostile');
}

function hostile(): PropertyDescriptor {
  return { enumerable: true, get: fail };
}

function throwing(key: string): unknown {
  return Object.defineProperty(new Error('x'), key, hostile());
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
