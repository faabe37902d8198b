import type { NestWrapper } from '../nest-types.js';

/** One step of a plan: a call to a constructor or a factory. */
export interface PlanStep {
  readonly wrapper: NestWrapper;
  readonly isFactory: boolean;
  /** For a transient: the id under which Nest stores the instance. */
  readonly inquirerId: string | undefined;
  /** The slot for the result of the step. */
  readonly slot: number;
  /** The indexes of the steps that must have finished before this one begins. */
  readonly after: readonly number[];
  /** The slots of the arguments. */
  readonly injected: readonly number[];
  readonly properties: readonly (readonly [key: PropertyKey, slot: number])[];
}

/**
 * The steps that build one provider in a new context, in the order in which Nest takes them. Values move through an array of
 * slots: the request, then the constants, then the result of each step. The last slot is for the provider itself.
 */
export interface Plan {
  /** The initial slots. */
  readonly slots: readonly unknown[];
  readonly steps: readonly PlanStep[];
  /**
   * The prototypes for `INQUIRER`: Nest injects an empty object with the prototype of the dependent. Nest creates this object
   * before it calls the dependent's constructor.
   */
  readonly inquirers: readonly (readonly [slot: number, prototype: object])[];
  /** The application's `instanceDecorator`. */
  readonly decorate: ((instance: unknown) => unknown) | undefined;
}

/** The slot of the request. */
export const REQUEST_SLOT = 0;

/** Marks the slot of a step that has no result yet. */
export const NOT_BUILT = Symbol('nestjs-scoped-worker:not-built');
