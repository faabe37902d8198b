import { EventEmitter } from 'node:events';
import { inspect } from 'node:util';
import { CallGuard, guarded, instanceBehind } from '../../lib/leaks/call-guard.js';

const origin = { schedule: 'W.run', tickId: 'tick-1', scopeId: 'scope-1', place: undefined };

function open() {
  const refused: string[] = [];
  const scope = new CallGuard(origin, ({ method }) => refused.push(method));
  const wrap = <T extends object>(instance: T): T => guarded(instance, 'Thing', scope);
  const close = (): void => {
    scope.ending(close);
    scope.ended();
  };
  return { wrap, close, refused };
}

describe('A guarded instance', () => {
  it('runs its methods on the instance: private fields and built-in classes work', () => {
    class Counter {
      #count = 0;
      add(): number {
        return (this.#count += 1);
      }
      get count(): number {
        return this.#count;
      }
      set count(value: number) {
        this.#count = value;
      }
    }
    const { wrap } = open();
    const counter = wrap(new Counter());
    counter.add();
    counter.count += 1;

    expect(counter.count).toBe(2);
    expect(counter).toBeInstanceOf(Counter);
    expect([...wrap(new Map([['a', 1]])).set('b', 2)]).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
    expect(wrap(new Date(0)).getTime()).toBe(0);
    expect(wrap(new Set([1])).size).toBe(1);
  });

  it('has one function for each method, with the properties of the method', () => {
    const method = Object.assign(() => 1, { calls: 2 });
    const thing = open().wrap({ method });

    expect(thing.method).toBe(thing.method);
    expect(thing.method.calls).toBe(2);
    expect(Object.keys(thing)).toEqual(['method']);
  });

  it('keeps classes, other values, and properties that can never change', () => {
    class Entity {}
    const fixed = (): number => 1;
    const instance = Object.defineProperty({ Entity, list: [1] }, 'fixed', { value: fixed });
    const thing = open().wrap(instance) as typeof instance & { fixed: unknown };

    expect(thing.Entity).toBe(Entity);
    expect(thing.list).toBe(instance.list);
    expect(thing.fixed).toBe(fixed);
    expect(thing.constructor).toBe(Object);
  });

  it('returns the proxy where a method or a property returns an instance that has one', () => {
    const { wrap } = open();
    const child = { name: 'child' };
    const parent = wrap({
      child,
      self() {
        return this;
      },
      give: () => child,
    });
    const wrapped = wrap(child);

    expect(parent.self()).toBe(parent);
    expect(parent.child).toBe(wrapped);
    expect(parent.give()).toBe(wrapped);
    expect(instanceBehind(wrapped)).toBe(child);
  });

  it('works as an EventEmitter, and as a thenable', async () => {
    const { wrap } = open();
    const emitter = wrap(new EventEmitter());
    const heard: unknown[] = [];
    expect(emitter.on('it', (value) => heard.push(value))).toBe(emitter);
    emitter.emit('it', 1);
    // oxlint-disable-next-line unicorn/no-thenable -- what it is for
    const thenable = wrap({ then: (done: (value: number) => void) => done(1) });

    expect(heard).toEqual([1]);
    expect(await thenable).toBe(1);
  });

  it('refuses calls after the end, and neither reads nor what loggers call', () => {
    const { wrap, close, refused } = open();
    class Thing {
      name = 'thing';
      own = (): string => this.name;
      call(): string {
        return this.name;
      }
      toJSON(): object {
        return { name: this.name };
      }
      [Symbol.dispose](): void {}
    }
    const thing = wrap(new Thing());
    close();

    expect(() => thing.call()).toThrow('Cannot call Thing.call: scope scope-1 of W.run (tick-1)');
    expect(() => thing.own()).toThrow('Cannot call Thing.own');
    expect(refused).toEqual(['call', 'own']);
    expect(thing.name).toBe('thing');
    expect(JSON.stringify(thing)).toBe('{"name":"thing"}');
    expect(Object.prototype.toString.call(thing)).toBe('[object Object]');
    expect(inspect(thing)).toContain('thing');
    thing[Symbol.dispose]();
  });

  it('is the same when it is wrapped again', () => {
    const { wrap } = open();
    const once = wrap({});

    expect(wrap(once)).toBe(once);
    expect(open().wrap(once)).toBe(once);
  });

  it('with one function under two names lets a second disposal pass, and refuses the method', () => {
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
