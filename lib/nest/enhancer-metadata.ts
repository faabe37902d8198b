import 'reflect-metadata';
import {
  createParamDecorator,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';

/** The kinds of enhancers, with Nest's own names. */
export type EnhancerKind = 'guard' | 'interceptor' | 'pipe' | 'filter';

/** The argument of a decorator: a class, which Nest builds, or an object, which is used unchanged. */
export type Declared = Function | object;

/** A parameter with a decorator from `createParamDecorator`. */
export interface DeclaredParam {
  readonly index: number;
  readonly factory: unknown;
  readonly data: unknown;
  readonly pipes: readonly Declared[];
  /** A Standard Schema, which Nest 12 passes to pipes. */
  readonly schema: unknown;
  readonly metatype: unknown;
}

/** The enhancers that the decorators of a class and of one of its methods declare. */
export interface DeclaredEnhancers {
  readonly owner: Function;
  /** The result of `getHandler()`, for `Reflector`: the method, or the decorated method that it overrides. */
  readonly handler: Function | undefined;
  /** The enhancers of each kind: those of the class, followed by those of the method. */
  readonly enhancers: Readonly<Record<EnhancerKind, readonly Declared[]>>;
  readonly params: readonly DeclaredParam[];
  /** True if no enhancer applies. Pipes apply to decorated parameters only. */
  readonly isEmpty: boolean;
}

/**
 * The keys under which Nest's decorators store their arguments. Nest doesn't publish the keys, so they are read from a decorated
 * class.
 */
const KEYS: Readonly<Record<EnhancerKind, unknown>> = {
  guard: keyOf(UseGuards({ canActivate: () => true })),
  interceptor: keyOf(UseInterceptors({ intercept: (_, next) => next.handle() })),
  pipe: keyOf(UsePipes({ transform: (value: unknown) => value })),
  filter: keyOf(UseFilters({ catch: () => undefined })),
};
const PARAMS_KEY = paramsKey();

export function declaredOn(owner: Function, method: string): DeclaredEnhancers {
  const methods = methodsOf(owner, method);
  const read = (kind: EnhancerKind): Declared[] => {
    const key = KEYS[kind];
    const decorated = methods.find((candidate) => Reflect.hasOwnMetadata(key, candidate));
    return [...given(key, owner), ...(decorated === undefined ? [] : given(key, decorated))];
  };
  const enhancers = {
    guard: read('guard'),
    interceptor: read('interceptor'),
    pipe: read('pipe'),
    filter: read('filter'),
  };
  const params = paramsOf(owner, method);
  const { guard, interceptor, filter } = enhancers;
  return {
    owner,
    handler:
      methods.find((candidate) => Reflect.getOwnMetadataKeys(candidate).length > 0) ?? methods[0],
    enhancers,
    params,
    isEmpty: [guard, interceptor, filter, params].every((list) => list.length === 0),
  };
}

/** Returns the classes of the enhancers on a class, on one of its methods, and on the parameters of that method. */
export function enhancerClasses(owner: Function, method: string): Function[] {
  const { enhancers, params } = declaredOn(owner, method);
  const declared = [...Object.values(enhancers).flat(), ...params.flatMap(({ pipes }) => pipes)];
  return declared.filter((each) => typeof each === 'function');
}

/**
 * Returns the method and the methods that it overrides. Nest reads decorators from the function of a method, so an overriding
 * method inherits none. In this library, an overriding method inherits the schedule, so it inherits the enhancers too: each kind
 * applies until an overriding method declares its own.
 */
function methodsOf(owner: Function, method: string): Function[] {
  const methods: Function[] = [];
  for (
    let prototype: unknown = owner.prototype;
    typeof prototype === 'object' && prototype !== null;
    prototype = Object.getPrototypeOf(prototype)
  ) {
    const value: unknown = Object.getOwnPropertyDescriptor(prototype, method)?.value;
    if (typeof value === 'function') methods.push(value);
  }
  return methods;
}

function paramsOf(owner: Function, method: string): DeclaredParam[] {
  type Entry = Partial<DeclaredParam> & { readonly index: number };
  const entries = Reflect.getMetadata(PARAMS_KEY, owner, method) as
    Record<string, Entry> | undefined;
  const types = Reflect.getMetadata('design:paramtypes', owner.prototype as object, method) as
    readonly unknown[] | undefined;
  return Object.values(entries ?? {})
    .filter((entry) => 'factory' in entry) // @Body() and the like, which need an HTTP request, have no factory
    .map(({ index, factory, data, pipes, schema }) => ({
      index,
      factory,
      data,
      pipes: (pipes ?? []).filter(Boolean),
      schema,
      metatype: types?.[index],
    }));
}

function given(key: unknown, target: object): Declared[] {
  return ((Reflect.getMetadata(key, target) as Declared[] | undefined) ?? []).filter(Boolean);
}

function keyOf(decorate: ClassDecorator): unknown {
  class Asked {}
  decorate(Asked);
  return Reflect.getOwnMetadataKeys(Asked)[0];
}

function paramsKey(): unknown {
  class Asked {
    method(): void {}
  }
  createParamDecorator(() => undefined)()(Asked.prototype, 'method', 0);
  return Reflect.getOwnMetadataKeys(Asked, 'method')[0];
}
