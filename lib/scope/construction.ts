import {
  bare,
  type BuildObserver,
  type ContextId,
  type NestInside,
  type NestWrapper,
  isPreparing,
} from '../nest/index.js';
import { readMember } from '../util/values.js';
import type { Ledger, LateEntry } from './ledger.js';
import type { ScopeHooks } from './provider-scope.js';
import type { Ownership } from './ownership.js';
import type { ScopeNotice, ScopeObserver, WatchedScope } from './scope-ports.js';
import { within } from '../util/within.js';

/** The part of a scope that its construction needs. */
export interface ConstructedScope {
  readonly contextId: ContextId;
  readonly notice: ScopeNotice;
  readonly ledger: Ledger;
  /** True for an object that came with the scope: its seed, or the payload of its tick. */
  wasGiven(instance: unknown): boolean;
  /** Undefined if leak detection doesn't follow the scope. */
  readonly watch: WatchedScope | undefined;
  readonly closed: boolean;
  /** True when the ledger accepts no more entries. */
  readonly isDisposing: boolean;
  /** Returns a function for the error of a disposer that fails when it is no longer awaited. */
  reportsLateFailures(): (error: unknown) => void;
  /** Returns the error if the scope refuses to do `what`; otherwise undefined. */
  refusedTo(what: string): Error | undefined;
  /** Returns the error for a caller that wanted to do `what` while the scope closed. */
  closedError(what: string): Error;
}

/** The part of the application that construction needs. */
export interface ConstructionHome {
  readonly nest: NestInside;
  readonly ownership: Ownership;
  readonly observer: ScopeObserver;
  readonly disposeTimeoutMs: number;
  /** Waits until nothing is being built under a context id any more. */
  quiesce(contextId: ContextId): Promise<void>;
}

/**
 * Brings instances into a scope: each is built, entered in the ledger, initialised, and only then returned or injected.
 *
 * If disposal begins during a build, the instance is disposed as soon as it arrives, and its load is refused.
 */
export class Construction implements BuildObserver {
  readonly key = {};
  readonly #builds: Builds;

  constructor(
    private readonly scope: ConstructedScope,
    private readonly home: ConstructionHome,
  ) {
    this.#builds = new Builds(() => home.quiesce(scope.contextId));
  }

  get areSettled(): boolean {
    return this.#builds.areSettled;
  }

  get isUnderWay(): boolean {
    return this.#builds.areUnderWay;
  }

  /** @throws what the build throws, and `ScopeClosedError` if the scope has closed meanwhile. */
  load<T>(loading: Promise<T>): Promise<T> {
    const arrived = (instance: T): T => {
      if (this.scope.closed) throw this.scope.closedError('finish a resolve');
      return instance;
    };
    return this.#builds.load(loading, arrived, isPreparing(this));
  }

  /** Waits until nothing is being built any more, at most `timeoutMs`. */
  settle(timeoutMs: number): Promise<void> {
    return this.#builds.settle(timeoutMs);
  }

  get standIn(): BuildObserver['standIn'] {
    const guard = this.scope.watch?.guard;
    if (guard === undefined) return undefined;
    const { ownership } = this.home;
    return (instance, wrapper) =>
      guard(instance, wrapper, () => {
        const own = this.behind(instance, wrapper);
        return own !== undefined && !this.scope.wasGiven(own) && ownership.willOwn(own, wrapper);
      });
  }

  beforeBuild(wrapper: NestWrapper): void {
    const refused = this.scope.refusedTo(`build ${String(wrapper.name)}`);
    if (refused !== undefined) throw refused;
    this.#builds.began();
  }

  built(made: unknown, wrapper: NestWrapper): Promise<void> | undefined {
    const instance = this.behind(made, wrapper);
    const isNew = this.add(instance, wrapper);
    const isOpen = !this.scope.closed;
    const init = isNew && isOpen ? readMember(instance as object, 'onScopeInit') : undefined;
    if (isOpen && typeof init !== 'function') {
      this.#builds.ended();
      return undefined;
    }
    const { ledger, isDisposing } = this.scope;
    const late = isNew && isDisposing ? ledger.takeNewest(instance) : undefined;
    const ready = this.initialise(
      instance,
      init as ScopeHooks['onScopeInit'],
      wrapper,
      late,
    ).finally(() => this.#builds.ended());
    if (wrapper.forwardRef === true) this.#builds.addToCircle(ready);
    ready.catch(() => undefined); // the load throws it
    return ready;
  }

  buildFailed(): void {
    this.#builds.ended();
    this.#builds.failed();
  }

  deferred(loading: Promise<unknown>): void {
    loading.catch(() => undefined); // the load throws it
    this.#builds.addToCircle(loading);
  }

  /**
   * The instance itself, without the decoration of an `instanceDecorator` of the application. This also applies if a factory
   * returned an injected object instead, for example a property of an injected provider. Undefined for an object that a static
   * provider holds in decorated form.
   *
   * Hooks and disposers are called on it, so that `this` is the object that its constructor created: private fields may not be
   * accessible through a proxy, and a callback that the constructor registered could not be removed with another identity.
   */
  private behind(made: unknown, wrapper: NestWrapper): unknown {
    const injected = bare(made);
    if (this.scope.watch === undefined || typeof injected !== 'object' || injected === null)
      return injected;
    const instance = this.scope.watch.bare(injected);
    return instance !== injected && this.home.ownership.isHeld(injected, wrapper)
      ? undefined
      : instance;
  }

  private add(instance: unknown, wrapper: NestWrapper): boolean {
    if (this.scope.wasGiven(instance)) return false;
    const isNew = this.scope.ledger.add(instance, wrapper);
    if (isNew) this.scope.watch?.built(instance as object, wrapper);
    return isNew;
  }

  private async initialise(
    instance: unknown,
    init: ScopeHooks['onScopeInit'],
    wrapper: NestWrapper,
    late: LateEntry | undefined,
  ): Promise<void> {
    try {
      await init?.call(instance as ScopeHooks);
    } catch (error) {
      this.#builds.failed();
      throw error;
    }
    if (late !== undefined) await this.disposeLate(late);
    if (this.scope.closed) throw this.scope.closedError(`build ${String(wrapper.name)}`);
  }

  /** Disposes one instance that arrives after disposal has begun. The disposal of the others continues elsewhere. */
  private async disposeLate(late: LateEntry): Promise<void> {
    const failedLate = this.scope.reportsLateFailures();
    const failure = await late.dispose(this.home.disposeTimeoutMs, failedLate);
    if (failure !== undefined) failedLate(failure.error);
  }
}

/** Tracks what is being built for a scope at this moment: requested loads, and the builds under them. */
export class Builds {
  #loads = 0;
  #underWay = 0;
  #hasFailed = false;
  #loadsDone: (() => void) | undefined;
  /** The loads and preparations of members of `forwardRef()` circles, for which Nest 11.0 does not wait. */
  #circle: Promise<unknown>[] = [];

  constructor(
    /** Waits until Nest builds nothing more for the scope. */
    private readonly quiesce: () => Promise<void>,
  ) {}

  get areSettled(): boolean {
    return this.#loads === 0 && this.#underWay === 0 && !this.#hasFailed;
  }

  get areUnderWay(): boolean {
    return this.#underWay > 0;
  }

  began(): void {
    this.#underWay += 1;
  }

  ended(): void {
    this.#underWay -= 1;
  }

  /** From now on, siblings that no code awaits may still be under construction. */
  failed(): void {
    this.#hasFailed = true;
  }

  /** Makes each load wait for the load or preparation of a member of a circle, and throw its error. */
  addToCircle(ready: Promise<unknown>): void {
    this.#circle.push(ready);
  }

  /**
   * Follows a load.
   *
   * @param arrived receives the instance; the load rejects with what it throws.
   * @param isPart true for a load that is part of a build: it must not wait for that build. The load around it does.
   */
  load<T>(loading: Promise<T>, arrived: (instance: T) => T, isPart: boolean): Promise<T> {
    this.#loads += 1;
    const done = (): void => {
      this.#loads -= 1;
      if (this.#loads === 0) this.#loadsDone?.();
    };
    const failed = (error: unknown): never => {
      this.failed();
      done();
      throw error;
    };
    const succeeded = (instance: T): T => {
      done();
      return arrived(instance);
    };
    const loaded = loading.then(
      (instance) =>
        isPart || this.#circle.length === 0
          ? succeeded(instance)
          : this.settleCircle().then(() => succeeded(instance), failed),
      failed,
    );
    loaded.catch(() => undefined); // a handler that does not wait for its resolve must not end the process
    return loaded;
  }

  /**
   * Waits until nothing is being built any more, at most `timeoutMs`. When one dependency fails, Nest rejects
   * at once while its siblings are still being built.
   */
  async settle(timeoutMs: number): Promise<void> {
    if (this.areSettled) return;
    const giveUp = new Error();
    await within(this.idle(), timeoutMs, () => giveUp).catch((error: unknown) => {
      if (error !== giveUp) throw error;
    });
  }

  private async idle(): Promise<void> {
    if (this.#loads > 0) await new Promise<void>((resolve) => (this.#loadsDone = resolve));
    if (!this.areSettled) await this.quiesce();
  }

  private async settleCircle(): Promise<void> {
    await this.quiesce();
    await Promise.all(this.#circle.splice(0));
  }
}
