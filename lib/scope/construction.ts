import { isPromise } from 'node:util/types';
import {
  asPartOfBuild,
  bare,
  type BuildObserver,
  type BuildRecording,
  type ContextId,
  createContextId,
  hasContextIdStrategy,
  initHookOf,
  isPreparing,
  leaveToDurable,
  type NestInside,
  type NestWrapper,
  type PlannedBuild,
  type Plans,
} from '../nest/index.js';
import { ScopeClosedError } from '../errors/errors.js';
import { NEXT_MICROTASK } from '../util/event-loop.js';
import { isThenable } from '../util/values.js';
import { within } from '../util/within.js';
import type { Disposal, LateEntry } from './disposal.js';
import type { Ownership } from './ownership.js';
import { closedError, type ScopeNotice, type WatchedScope } from './scope-ports.js';

/** The part of the application that construction needs. */
export interface ConstructionHome {
  readonly nest: NestInside;
  readonly ownership: Ownership;
  readonly disposeTimeoutMs: number;
}

/**
 * Brings instances into a scope: each is built, added to the `Disposal`, initialized, and only then returned or injected.
 *
 * If disposal begins during a build, the instance is disposed as soon as it is built, and its load fails.
 */
export class Construction implements BuildObserver {
  /** Identifies the scope without holding a reference to it. */
  readonly key: object;
  /** True from the moment the scope refuses to build providers. */
  isClosed = false;
  /** The reason why the shutdown allows no more builds in this scope. */
  refusal: string | undefined;
  #request: unknown;
  /** The objects that came with the scope: its seed, or its tick and the payload of that tick. */
  #given: readonly unknown[] = [];
  #contextId: ContextId | undefined;
  /** True once Nest knows the context id. */
  #isKnown = false;
  #planned: PlannedBuild | undefined;
  recording: BuildRecording | undefined;
  /** The number of unfinished loads, and of the unfinished builds that they cause. */
  #loads = 0;
  #builds = 0;
  /** True once a build has failed: siblings that no code awaits may still be under construction. */
  #hasFailed = false;
  #loadsDone: (() => void) | undefined;
  /** The transients that were built for durable providers, until it is known whether these hold them. */
  #lent:
    Map<object, { readonly wrapper: NestWrapper; readonly isAwaited: () => boolean }> | undefined;
  /** The loads and preparations of members of `forwardRef()` cycles, for which Nest doesn't wait in every load. */
  #cycles: Set<Promise<unknown>> | undefined;

  constructor(
    private readonly notice: ScopeNotice,
    /** Undefined if Nest builds everything. */
    private readonly plans: Plans | undefined,
    private readonly disposal: Disposal,
    /** Undefined if leak detection doesn't follow the scope. */
    private readonly watch: WatchedScope | undefined,
    private readonly home: ConstructionHome,
  ) {
    this.key = notice;
  }

  /** Begins the scope. @param request the value of `REQUEST`. */
  begin(request: unknown): void {
    this.#request = request;
    this.#given =
      this.notice.tickId === undefined // the seed of a standalone scope may be anything
        ? [bare(request)]
        : [bare(request), bare((request as { payload?: unknown }).payload)];
    if (!hasContextIdStrategy()) return;
    const contextId = createContextId(request, this);
    this.#contextId ??= contextId; // the strategy itself may have read the id of the scope
  }

  end(): void {
    this.#request = undefined;
    if (this.#loads === 0 && this.#builds === 0) this.#given = [];
    this.#contextId = undefined;
    this.#planned = undefined;
  }

  /**
   * Returns the context id. On the first read, Nest receives it, with all instances that a plan has built. After the scope has
   * ended, returns a new, empty id: once the real one is unreachable, Nest's own maps release the instances.
   */
  get contextId(): ContextId {
    this.#contextId ??= createContextId(this.#request, this);
    if (this.#isKnown) return this.#contextId;
    this.#isKnown = true;
    if (this.#request !== undefined) this.home.nest.registerRequest(this.#request, this.#contextId);
    this.#planned?.tell(this.#contextId);
    return this.#contextId;
  }

  get areSettled(): boolean {
    return this.#loads === 0 && this.#builds === 0 && !this.#hasFailed;
  }

  get isUnderWay(): boolean {
    return this.#builds > 0;
  }

  /**
   * Builds a provider with its plan, if the provider has one and is the first that the scope builds. Otherwise, builds it through
   * Nest.
   *
   * @param load builds the provider through Nest.
   * @returns the instance, or a promise of it. @throws the same errors as `load()`.
   */
  build<T>(what: string, root: NestWrapper, load: () => Promise<T>): T | Promise<T> {
    const planned = this.planOf(root);
    if (planned === undefined) return this.loadAndRecord(what, root, load);
    const refused = this.refusedTo(what);
    if (refused !== undefined) throw refused;
    this.#planned = planned;
    return asPartOfBuild(() => this.carryOut<T>(planned));
  }

  /** Works like `build()`, but calls no constructor before it returns. The promise may be ignored, even if it rejects. */
  buildLater<T>(what: string, root: NestWrapper, load: () => Promise<T>): Promise<T> {
    const planned = this.planOf(root);
    if (planned === undefined) return this.loadAndRecord(what, root, load);
    const refused = this.refusedTo(what);
    if (refused !== undefined) return rejected(refused);
    this.#planned = planned;
    this.#loads += 1; // until the plan has run; a promise that it returns is counted separately
    // Most builds succeed without a promise, so only the others call `mayBeIgnored()`: its `catch()` creates one more promise.
    const later: Promise<T> = asPartOfBuild(() =>
      NEXT_MICROTASK.then(() => {
        try {
          const built = this.carryOut<T>(planned);
          if (isThenable(built)) mayBeIgnored(later);
          return built;
        } catch (error) {
          mayBeIgnored(later);
          throw error;
        } finally {
          this.loadEnded();
        }
      }),
    );
    return later;
  }

  /**
   * Loads an instance through Nest.
   *
   * @param what the action for the error text, such as `resolve Mailer`.
   * @throws the error of the build, or `ScopeClosedError` if the scope is closed or closes in the meantime.
   */
  load<T>(what: string, start: () => Promise<T>): Promise<T> {
    return asPartOfBuild(() => {
      // Otherwise, a concurrent build that isn't part of the recorded load would look like part of it.
      if (!isPreparing(this)) this.recording = undefined;
      return this.startLoad(what, start);
    });
  }

  /**
   * Waits until nothing is being built anymore, for at most `disposeTimeoutMs`. When a dependency fails, Nest rejects immediately,
   * while the siblings of that dependency are still being built.
   */
  async settle(): Promise<void> {
    if (this.areSettled) return;
    const timeIsUp = (): Error => new Error();
    await within(this.idle(), this.home.disposeTimeoutMs, timeIsUp).catch(() => undefined);
  }

  get standIn(): BuildObserver['standIn'] {
    const guard = this.watch?.guard;
    if (guard === undefined) return undefined;
    return (instance, wrapper) =>
      guard(instance, wrapper, () => {
        const own = this.behind(instance, wrapper);
        return (
          own !== undefined && !this.wasGiven(own) && this.home.ownership.willOwn(own, wrapper)
        );
      });
  }

  refusalOf(wrapper: NestWrapper): Error | undefined {
    return this.refusedTo(`resolve ${String(wrapper.name)}`);
  }

  beforeBuild(wrapper: NestWrapper): void {
    const isRefused = this.isClosed || this.refusal !== undefined; // this runs for each instance, so it creates no text
    if (isRefused) throw this.refusedTo(`build ${String(wrapper.name)}`)!;
    this.#builds += 1;
  }

  built(made: unknown, wrapper: NestWrapper, inject: () => void): Promise<void> | undefined {
    const instance = this.behind(made, wrapper);
    const isNew = this.add(instance, wrapper);
    const isOpen = !this.isClosed;
    const init = isNew && isOpen ? initHookOf(instance as object) : undefined;
    if (isOpen && typeof init !== 'function') {
      this.#builds -= 1;
      return undefined;
    }
    const late =
      isNew && this.disposal.isDisposing ? this.disposal.takeNewest(instance) : undefined;
    const initialize = (): unknown => {
      inject(); // a disposer uses the properties too, even if the scope has closed meanwhile
      return typeof init === 'function' ? (init.call(instance) as unknown) : undefined;
    };
    const ready = this.initialize(initialize, wrapper, late).finally(() => (this.#builds -= 1));
    if (wrapper.forwardRef === true) this.addCycle(ready);
    ready.catch(() => undefined); // the load throws the error
    return ready;
  }

  lent(instance: object, wrapper: NestWrapper, isAwaited: () => boolean): void {
    (this.#lent ??= new Map()).set(instance, { wrapper, isAwaited });
  }

  /**
   * Takes back the transients that were built for durable providers whose own builds have failed. Leaves them to a provider that
   * is still being built, even though that build may fail later.
   */
  takeBack(): void {
    for (const [instance, { wrapper, isAwaited }] of this.#lent ?? []) {
      if (isAwaited()) leaveToDurable([instance], this);
      else this.disposal.add(instance, wrapper, true);
    }
    this.#lent = undefined;
  }

  outlives(made: object): void {
    const instance = this.watch?.bare(made) ?? made;
    this.#lent?.delete(instance);
    this.disposal.forget(instance);
    this.watch?.outlives(instance);
  }

  buildFailed(): void {
    this.#builds -= 1;
    this.#hasFailed = true;
  }

  notAwaited(loading: Promise<unknown>): void {
    loading.catch(() => undefined); // `settleCycles()` throws the error
    this.addCycle(loading);
  }

  /**
   * Returns the instance itself, without the decoration from the application's `instanceDecorator`. This also applies if a factory
   * returned an object that it didn't create, for example a property of an injected provider. Returns undefined for an object that
   * a static provider holds in decorated form.
   *
   * Hooks and disposers are called on the instance, so that `this` is the object that the constructor created. Private fields
   * might not be accessible through a proxy. A method read through a proxy may be another function, so `off()` wouldn't remove the
   * listener that the constructor registered.
   */
  private behind(made: unknown, wrapper: NestWrapper): unknown {
    const injected = bare(made);
    if (this.watch === undefined || typeof injected !== 'object' || injected === null)
      return injected;
    const instance = this.watch.bare(injected);
    return instance !== injected && this.home.ownership.isHeld(injected, wrapper)
      ? undefined
      : instance;
  }

  private add(instance: unknown, wrapper: NestWrapper): boolean {
    if (this.wasGiven(instance)) return false;
    const isNew = this.disposal.add(instance, wrapper, this.isClosed);
    if (isNew) this.watch?.built(instance as object, wrapper);
    return isNew;
  }

  private wasGiven(instance: unknown): boolean {
    return typeof instance === 'object' && instance !== null && this.#given.includes(instance);
  }

  private async initialize(
    init: () => unknown,
    wrapper: NestWrapper,
    late: LateEntry | undefined,
  ): Promise<void> {
    try {
      await init();
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    } finally {
      // The other instances are disposed elsewhere.
      if (late !== undefined) await late.dispose(this.home.disposeTimeoutMs);
    }
    if (this.isClosed) throw closedError(this.notice, `build ${String(wrapper.name)}`);
  }

  private planOf(root: NestWrapper): PlannedBuild | undefined {
    return this.isFirst ? this.plans?.begin(root, this, this.#request) : undefined;
  }

  /** True until the first build begins, or code reads the context id: a plan builds only the first provider of a scope. */
  private get isFirst(): boolean {
    return !this.#isKnown && this.#planned === undefined;
  }

  private carryOut<T>(planned: PlannedBuild): T | Promise<T> {
    const built = planned.run() as T | Promise<T>;
    if (isPromise(built)) return this.followed(built);
    if (this.isClosed) throw closedError(this.notice, 'finish a resolve');
    return built;
  }

  private followed<T>(loading: Promise<T>): Promise<T> {
    this.#loads += 1;
    const loaded = this.follow(loading);
    mayBeIgnored(loaded);
    return loaded;
  }

  private loadEnded(): void {
    this.#loads -= 1;
    if (this.#loads === 0) this.#loadsDone?.();
  }

  private startLoad<T>(what: string, start: () => Promise<T>): Promise<T> {
    const refused = this.refusedTo(what);
    if (refused !== undefined) return rejected(refused);
    return this.followed(start());
  }

  /** Loads a provider through Nest. If the provider is the first that the scope builds, records what Nest builds, for a plan. */
  private loadAndRecord<T>(what: string, root: NestWrapper, load: () => Promise<T>): Promise<T> {
    const { plans } = this;
    if (plans === undefined || !this.isFirst) return this.load(what, load);
    const recording = plans.recordingOf(root);
    this.recording = recording;
    const loading = asPartOfBuild(() => this.startLoad(what, load));
    if (recording === undefined) return loading;
    const keep = (): void => {
      if (this.recording === recording)
        plans.recorded(root, recording, this.contextId, this.#request);
      this.recording = undefined;
    };
    loading.then(keep, () => (this.recording = undefined));
    return loading;
  }

  private async follow<T>(loading: Promise<T>): Promise<T> {
    const isPart = isPreparing(this); // the load is part of a build that it must not wait for; the outer load waits instead
    let instance: T;
    try {
      instance = await loading;
      if (!isPart) await this.settleCycles();
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    } finally {
      this.loadEnded();
    }
    if (this.isClosed) throw closedError(this.notice, 'finish a resolve');
    return instance;
  }

  private addCycle(loading: Promise<unknown>): void {
    (this.#cycles ??= new Set()).add(loading);
  }

  /** Waits for the members of cycles, and throws their errors. */
  private async settleCycles(): Promise<void> {
    if (this.#cycles === undefined) return;
    // The preparation of a member may load another cycle.
    while (this.#cycles.size > 0) {
      const cycles = [...this.#cycles];
      await this.home.nest.quiesce(this.contextId);
      try {
        await Promise.all(cycles);
      } finally {
        // Deleted only now, because concurrent loads wait for these cycles too.
        for (const cycle of cycles) this.#cycles.delete(cycle);
      }
    }
  }

  private async idle(): Promise<void> {
    if (this.#loads > 0) await new Promise<void>((resolve) => (this.#loadsDone = resolve));
    if (!this.areSettled) await this.home.nest.quiesce(this.contextId);
  }

  private refusedTo(what: string): ScopeClosedError | undefined {
    if (this.isClosed) return closedError(this.notice, what);
    if (this.refusal !== undefined)
      return new ScopeClosedError(this.notice.scopeId, `Cannot ${what}: ${this.refusal}`);
    return undefined;
  }
}

/** Prevents a rejection from ending the process: no code has to await a build. */
function mayBeIgnored(building: Promise<unknown>): void {
  building.catch(() => undefined);
}

function rejected<T>(error: Error): Promise<T> {
  const rejection = Promise.reject<T>(error);
  mayBeIgnored(rejection);
  return rejection;
}
