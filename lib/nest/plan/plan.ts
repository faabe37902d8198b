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
