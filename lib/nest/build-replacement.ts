import type { NestWrapper } from './nest-types.js';
import { isFactory } from './provider-kind.js';

/** While Nest builds an instance, replaces it with another object. */
export class BuildReplacement {
  /** Undefined until an instance has been replaced. */
  #made: { readonly instance: unknown; readonly standIn: unknown } | undefined;

  constructor(
    private readonly wrapper: NestWrapper,
    private readonly replace: (instance: object, wrapper: NestWrapper) => object,
    /** Returns true for an object that a factory only passes on. */
    private readonly isPassedOn: (made: unknown) => boolean,
  ) {}

  /**
   * Changes the arguments of `Injector#instantiateClass`, so that Nest stores and injects the replacement. The arguments are the
   * instances to inject, the wrapper, that wrapper again as the target, and the context.
   *
   * From 11.0.0 to 12.5.1, Nest calls `new wrapper.metatype(...)` or `target.metatype(...)`. The changed `metatype` returns the
   * replacement, because Nest marks the instance as resolved so early that it can't be replaced afterward.
   */
  argumentsFor([instances, wrapper, target, ...rest]: unknown[]): unknown[] {
    if (isFactory(this.wrapper)) {
      const factory = (target as NestWrapper).metatype as unknown as (
        ...args: unknown[]
      ) => unknown;
      const metatype = (...args: unknown[]): unknown => {
        const made = Reflect.apply(factory, target, args);
        if (typeof (made as { then?: unknown } | undefined)?.then !== 'function')
          return this.standInFor(made);
        return Promise.resolve(made).then((value) => this.standInFor(value));
      };
      return [instances, wrapper, withMember(target as NestWrapper, 'metatype', metatype), ...rest];
    }
    const metatype = this.wrapper.metatype as unknown as new (...args: unknown[]) => unknown;
    const stand = (instance: unknown): unknown => this.standInFor(instance);
    const constructed = function (...args: unknown[]): unknown {
      return stand(new metatype(...args));
    };
    return [
      instances,
      withMember(wrapper as NestWrapper, 'metatype', constructed),
      target,
      ...rest,
    ];
  }

  /** Returns the instance behind a replacement, and any other value unchanged. */
  behind(given: unknown): unknown {
    return this.#made !== undefined && given === this.#made.standIn ? this.#made.instance : given;
  }

  private standInFor(instance: unknown): unknown {
    if (typeof instance !== 'object' || instance === null || this.isPassedOn(instance))
      return instance;
    const standIn = this.replace(instance, this.wrapper);
    this.#made = { instance, standIn };
    return standIn;
  }
}

/** Returns a view of the wrapper with another value for one member. */
export function withMember(
  wrapper: NestWrapper,
  member: 'metatype' | 'getInstanceByContextId',
  given: Function,
): NestWrapper {
  return new Proxy(wrapper, {
    get(target, key) {
      if (key === member) return given;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
