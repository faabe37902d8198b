import type { NestWrapper } from '../nest-types.js';

/** One constructor or factory of a plan. */
export interface PlanStep {
  readonly wrapper: NestWrapper;
  readonly isFactory: boolean;
  /** For a transient: the id under which Nest stores the instance. */
  readonly inquirerId: string | undefined;
  /** Where its result goes. */
  readonly slot: number;
  /** The indexes of the steps that must be over before it begins. */
  readonly after: readonly number[];
  /** The slots of its arguments. */
  readonly injected: readonly number[];
  readonly properties: readonly (readonly [key: PropertyKey, slot: number])[];
  /** Calls the constructor or the factory with what the slots contain. */
  make(slots: readonly unknown[]): unknown;
}

/**
 * The builds of one provider under a new context, in the order in which Nest makes them. Values move through an array of slots: the
 * request, then the constants, then the result of each step. The provider itself is the last.
 */
export interface Plan {
  /** The initial slots. */
  readonly slots: readonly unknown[];
  readonly steps: readonly PlanStep[];
  /** The prototypes for `INQUIRER`, in whose place Nest injects an object that it created before it called the constructor. */
  readonly inquirers: readonly (readonly [slot: number, prototype: object])[];
  /** The application's `instanceDecorator`. */
  readonly decorate: ((instance: unknown) => unknown) | undefined;
}

/** The slot of the request. */
export const REQUEST_SLOT = 0;

/** In the slot of a step that hasn't been built. */
export const NOT_BUILT = Symbol('nestjs-scoped-worker:not-built');

/** Returns the function that makes one step. Closures for the usual numbers of arguments, because a spread costs more. */
export function maker(
  { metatype }: NestWrapper,
  isFactory: boolean,
  injected: readonly number[],
): PlanStep['make'] {
  const [a, b, c, d] = injected as [number, number, number, number];
  if (isFactory) {
    const factory = metatype as unknown as (...given: unknown[]) => unknown;
    switch (injected.length) {
      case 0:
        return () => factory();
      case 1:
        return (slots) => factory(slots[a]);
      case 2:
        return (slots) => factory(slots[a], slots[b]);
      default:
        return (slots) => factory(...injected.map((slot) => slots[slot]));
    }
  }
  const Type = metatype as unknown as new (...given: unknown[]) => unknown;
  switch (injected.length) {
    case 0:
      return () => new Type();
    case 1:
      return (slots) => new Type(slots[a]);
    case 2:
      return (slots) => new Type(slots[a], slots[b]);
    case 3:
      return (slots) => new Type(slots[a], slots[b], slots[c]);
    case 4:
      return (slots) => new Type(slots[a], slots[b], slots[c], slots[d]);
    default:
      return (slots) => new Type(...injected.map((slot) => slots[slot]));
  }
}
