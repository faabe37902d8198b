import { isThenable } from '../../util/values.js';
import type { BuildObserver } from '../build-observer.interface.js';
import { handsOn } from '../decorations.js';
import { mayBeHeld, noteTransient } from '../durable-holdings.js';
import type { ContextId, NestInstanceHost } from '../nest-types.js';
import { constructIn, initHookOf, Preparation } from '../preparation.js';
import { injectProperty } from '../resolved-properties.js';
import { NOT_BUILT, REQUEST_SLOT, type Plan, type PlanStep } from './plan.js';

/** The entry that Nest finds when it looks up the provider of a step under the context id. */
type ToldHost = { -readonly [Key in keyof NestInstanceHost]: NestInstanceHost[Key] } & {
  isConstructorCalled?: boolean;
  /** Resumes the code that waits for the instance. If called with an error, makes that code throw the error. */
  settle?: (error?: unknown) => void;
};

/**
 * Carries out a plan once. Creates no promise until a factory returns one, or an instance has `onScopeInit`. From then on, calls
 * everything whose dependencies are ready, as Nest does. After a failure, makes no further calls.
 */
export class PlannedBuild {
  readonly #slots: unknown[];
  /** Steps whose factory returned a promise that hasn't settled. */
  #inFlight: Set<PlanStep> | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** Instances whose `onScopeInit` is running. */
  #preparing:
    Map<PlanStep, { readonly instance: unknown; readonly preparation: Preparation }> | undefined;
  /** The entry of each step; undefined until Nest knows the context id. */
  #told: Map<PlanStep, ToldHost> | undefined;
  #contextId: ContextId | undefined;

  constructor(
    private readonly plan: Plan,
    private readonly observer: BuildObserver,
    request: unknown,
  ) {
    this.#slots = plan.slots.slice();
    this.#slots[REQUEST_SLOT] = request;
    for (const [slot, prototype] of plan.inquirers) this.#slots[slot] = Object.create(prototype);
  }

  /**
   * Builds the provider.
   *
   * @returns the instance, or a promise of it.
   * @throws the error of a constructor or a factory.
   */
  run(): unknown {
    const { steps } = this.plan;
    try {
      for (let index = 0; index < steps.length; index += 1) {
        const pending = this.build(steps[index]!);
        if (pending !== undefined) return this.runRest(index, pending);
      }
    } catch (error) {
      this.fail(error);
      throw error;
    }
    return this.#slots.at(-1);
  }

  /**
   * Makes Nest find the instances under a context id. Instances that aren't built yet count as pending, so that Nest waits for
   * them instead of building them a second time.
   */
  tell(contextId: ContextId): void {
    this.#contextId = contextId;
    this.#told = new Map();
    for (const step of this.plan.steps) {
      const instance = this.#slots[step.slot];
      const isBuilt = instance !== NOT_BUILT;
      if (!isBuilt && this.#failure !== undefined && this.#inFlight?.has(step) !== true) continue;
      const host = isBuilt ? resolvedHost(instance) : pendingHost(step);
      const prepared = this.#preparing?.get(step);
      if (prepared !== undefined) prepare(host, prepared.instance, prepared.preparation);
      this.#told.set(step, host);
      if (isBuilt) this.note(step, instance, contextId);
      step.wrapper.setInstanceByContextId(contextId, host, step.inquirerId);
    }
  }

  private async runRest(from: number, first: Promise<void>): Promise<unknown> {
    const { steps } = this.plan;
    const ready: (Promise<void> | undefined)[] = [];
    ready[from] = first;
    first.catch((error: unknown) => this.fail(error));
    try {
      for (let index = from + 1; index < steps.length; index += 1) {
        const step = steps[index]!;
        const awaited = step.after.flatMap((before) => ready[before] ?? []);
        ready[index] =
          awaited.length === 0
            ? this.build(step)
            : Promise.all(awaited).then(() => {
                if (this.#failure !== undefined) throw this.#failure.error;
                return this.build(step);
              });
        ready[index]?.catch((error: unknown) => this.fail(error));
      }
      await Promise.all(ready.filter((pending) => pending !== undefined));
    } catch (error) {
      this.fail(error);
      throw error;
    }
    return this.#slots.at(-1);
  }

  /** Carries out a step. @returns a promise if there is something to wait for. */
  private build(step: PlanStep): Promise<void> | undefined {
    const { observer } = this;
    observer.beforeBuild(step.wrapper);
    const preparation = new Preparation(observer.key);
    let instance: unknown;
    try {
      const make = (): unknown => call(step, this.#slots);
      const made = step.isFactory ? preparation.run(make) : constructIn(preparation, make);
      if (step.isFactory && isThenable(made)) return this.await(step, made, preparation);
      instance = this.decorated(made);
    } catch (error) {
      preparation.isOver = true;
      observer.buildFailed();
      this.fail(error);
      throw error;
    }
    return this.built(step, instance, preparation);
  }

  private async await(
    step: PlanStep,
    making: PromiseLike<unknown>,
    preparation: Preparation,
  ): Promise<void> {
    const inFlight = (this.#inFlight ??= new Set());
    inFlight.add(step);
    try {
      let instance: unknown;
      try {
        instance = this.decorated(await making);
      } catch (error) {
        preparation.isOver = true;
        this.observer.buildFailed();
        throw error;
      }
      await this.built(step, instance, preparation);
    } catch (error) {
      this.drop(step, error);
      throw error;
    } finally {
      inFlight.delete(step);
    }
  }

  private decorated(made: unknown): unknown {
    return this.plan.decorate === undefined ? made : this.plan.decorate(made);
  }

  private built(
    step: PlanStep,
    instance: unknown,
    preparation: Preparation,
  ): Promise<void> | undefined {
    const isPassedOn = step.isFactory && handsOn(instance, this.given(step));
    const own = isPassedOn ? undefined : instance;
    const inject = (): void => this.inject(step, instance);
    // The instances that Nest built didn't have this hook, but this instance might.
    if (typeof initHookOf(instance as object) === 'function')
      this.beginPreparation(step, instance, preparation);
    const prepare = (): Promise<void> | undefined => this.observer.built(own, step.wrapper, inject);
    const ready = this.#preparing?.has(step) === true ? preparation.run(prepare) : prepare();
    if (ready !== undefined) return this.prepared(step, instance, preparation, ready);
    preparation.isOver = true;
    inject();
    this.keep(step, instance);
    return undefined;
  }

  /** Records a transient, because Nest may now inject it into a durable provider. */
  private note(step: PlanStep, instance: unknown, contextId: ContextId): void {
    if (!mayBeHeld(step.wrapper, contextId)) return;
    const properties = step.properties.map(([, slot]) => this.#slots[slot]);
    noteTransient(instance, [...this.given(step), ...properties]);
  }

  private given({ injected }: PlanStep): unknown[] {
    return injected.map((slot) => this.#slots[slot]);
  }

  private beginPreparation(step: PlanStep, instance: unknown, preparation: Preparation): void {
    (this.#preparing ??= new Map()).set(step, { instance, preparation });
    const host = this.#told?.get(step);
    if (host !== undefined) prepare(host, instance, preparation);
  }

  private async prepared(
    step: PlanStep,
    instance: unknown,
    preparation: Preparation,
    ready: Promise<void>,
  ): Promise<void> {
    try {
      await ready;
      this.keep(step, instance);
    } finally {
      preparation.isOver = true;
      this.#preparing?.delete(step);
    }
  }

  private inject({ properties }: PlanStep, instance: unknown): void {
    for (const [key, slot] of properties) injectProperty(instance, key, this.#slots[slot]);
  }

  private keep(step: PlanStep, instance: unknown): void {
    this.#slots[step.slot] = instance;
    const host = this.#told?.get(step);
    if (host === undefined) return;
    this.note(step, instance, this.#contextId!);
    const { settle } = host;
    Object.defineProperties(host, Object.getOwnPropertyDescriptors(resolvedHost(instance)));
    settle?.();
  }

  /** Stops building. Code that waits for an instance receives the error. */
  private fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    for (const step of this.#told?.keys() ?? [])
      if (this.#slots[step.slot] === NOT_BUILT && this.#inFlight?.has(step) !== true)
        this.drop(step, error);
  }

  private drop(step: PlanStep, error: unknown): void {
    const host = this.#told?.get(step);
    if (host === undefined) return;
    step.wrapper.removeInstanceByContextId(this.#contextId!, step.inquirerId);
    host.settle?.(error);
  }
}

/** Calls the constructor or the factory of a step. A spread would cost more than most constructors. */
function call({ wrapper, isFactory, injected }: PlanStep, slots: readonly unknown[]): unknown {
  const { metatype } = wrapper;
  if (isFactory) {
    const factory = metatype as unknown as (...given: unknown[]) => unknown;
    return factory(...injected.map((slot) => slots[slot]));
  }
  const Type = metatype as unknown as new (...given: unknown[]) => unknown;
  const [a, b, c, d] = injected as [number, number, number, number];
  switch (injected.length) {
    case 0:
      return new Type();
    case 1:
      return new Type(slots[a]);
    case 2:
      return new Type(slots[a], slots[b]);
    case 3:
      return new Type(slots[a], slots[b], slots[c]);
    case 4:
      return new Type(slots[a], slots[b], slots[c], slots[d]);
    default:
      return new Type(...injected.map((slot) => slots[slot]));
  }
}

function resolvedHost(instance: unknown): ToldHost {
  return { instance, isResolved: true, isPending: false, isConstructorCalled: true };
}

/** Lets code that is part of a preparation see the instance under preparation as resolved, so that the code doesn't wait for itself. */
function prepare(host: ToldHost, instance: unknown, preparation: Preparation): void {
  host.instance = instance;
  Object.defineProperty(host, 'isResolved', {
    get: () => preparation.isAround,
    configurable: true,
    enumerable: true,
  });
}

function pendingHost({ wrapper, isFactory }: PlanStep): ToldHost {
  let settle!: (error?: unknown) => void;
  const donePromise = new Promise<unknown>((resolve) => (settle = resolve));
  const instance: unknown = isFactory ? undefined : Object.create(wrapper.metatype!.prototype!);
  return { instance, isResolved: false, isPending: true, donePromise, settle };
}
