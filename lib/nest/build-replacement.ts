import { isFactory, type NestWrapper } from './nest-types.js';

/** What stands in for an instance, and the instance itself. */
export class BuildReplacement {
  /** What was built; undefined while nothing was, and where it is left as it is. */
  #made: { readonly instance: unknown; readonly standIn: unknown } | undefined;

  constructor(
    private readonly wrapper: NestWrapper,
    private readonly replace: (instance: object, wrapper: NestWrapper) => object,
    /** True for what a factory did not create, but only passes on. */
    private readonly isPassedOn: (made: unknown) => boolean,
  ) {}

  /**
   * The arguments of `Injector#instantiateClass` (the instances to inject, the wrapper, the same wrapper once more as the one
   * that is built, the context), changed so that what Nest stores and injects is the stand-in.
   *
   * From 11.0.0 to 12.5.1 Nest builds by `new wrapper.metatype(...)` or `target.metatype(...)`. With a `metatype` that gives
   * the stand-in nothing sees the instance itself: Nest marks it as resolved before anybody could exchange it afterwards.
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
      return [instances, wrapper, withMetatype(target as NestWrapper, metatype), ...rest];
    }
    const metatype = this.wrapper.metatype as unknown as new (...args: unknown[]) => unknown;
    const stand = (instance: unknown): unknown => this.standInFor(instance);
    const constructed = function (...args: unknown[]): unknown {
      return stand(new metatype(...args));
    };
    return [instances, withMetatype(wrapper as NestWrapper, constructed), target, ...rest];
  }

  /** The instance behind what Nest was given. */
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

/** The wrapper as it is, but for what it builds with. */
function withMetatype(wrapper: NestWrapper, metatype: Function): NestWrapper {
  return new Proxy(wrapper, {
    get(target, key) {
      if (key === 'metatype') return metatype;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
