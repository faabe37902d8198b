import { ScopeClosedError } from '../errors/index.js';
import {
  createContextId,
  createDeadContextId,
  type BuildObserver,
  type ContextId,
  type NestInside,
  type NestModule,
  type NestWrapper,
} from '../nest/index.js';
import type { ScopeObserver } from './scope-observer.js';
import { IS_SCOPE, type Ownership } from './ownership.js';
import { Ambient, isInside, livingAmbient, runInside } from './ambient.js';
import { readMember, within } from './disposer.js';
import { Ledger, type LateEntry } from './ledger.js';
import type { ProviderScope, ScopeHooks, ScopeToken } from './provider-scope.js';
import {
  concludeScope,
  failureOf,
  throwAll,
  type EndingScope,
  type ScopeEnd,
} from './scope-end.js';

/** How a scope is ended: by the runner of a tick, by `ProviderScopeFactory.run()`, or by hand. */
export type ScopeKind = 'tick' | 'run' | 'open';

export interface ScopeSeed {
  readonly kind: ScopeKind;
  readonly id: string;
  /** Where a strict resolve looks. */
  readonly module: NestModule;
  readonly schedule: string | undefined;
  readonly tickId: string | undefined;
}

/** Where scopes live: what one asks of the application. */
export interface ScopeHome {
  readonly nest: NestInside;
  readonly ownership: Ownership;
  readonly observer: ScopeObserver;
  readonly disposeTimeoutMs: number;
  /** Takes an ended scope off the list. */
  retire(scope: Scope, end: ScopeEnd): void;
  /** Waits until nothing is being built under a context id any more. */
  quiesce(contextId: ContextId): Promise<void>;
  /**
   * Finds what was built for a scope since the last scan, for versions of Nest whose builds cannot be watched.
   *
   * @throws the first error of `found`, when all have been found.
   */
  scanBuilt(
    scope: Scope,
    found: (instance: object, wrapper: NestWrapper) => unknown,
  ): Promise<void>;
}

/**
 * The scope behind the public `ProviderScope`.
 *
 * `open` -> `closing` (refuses to build; the runner still has to end it) -> `ending` (work settles, hooks,
 * disposers) -> `closed`. An instance whose build was under way when disposal had begun is disposed as
 * it arrives, and its resolve is refused.
 */
export class Scope implements ProviderScope, BuildObserver, EndingScope {
  readonly id: string;
  readonly kind: ScopeKind;
  readonly ledger: Ledger;
  readonly ambient: Ambient<Scope>;
  /** What the shutdown says to whoever still wants to build here. */
  refusal: string | undefined;
  /** Instances met by the scan; undefined while builds are watched. */
  scanned: WeakSet<object> | undefined;
  /** For `currentTick()`; set by the runner. */
  tick: unknown;

  #state: 'open' | 'closing' | 'ending' | 'closed' = 'open';
  #contextId: ContextId | undefined;
  #disposing = false;
  #loads = 0;
  #building = 0;
  #loadsDone: (() => void) | undefined;
  #loadFailed = false;
  #isEndedByItsOwnBuild = false;
  /** What members of circles of `forwardRef()` wait for: Nest 11.0 does not wait for it. */
  #circle: Promise<void>[] = [];
  readonly #work: Promise<void>[] = [];
  readonly #workErrors: unknown[] = [];
  #ending: Promise<ScopeEnd> | undefined;
  #ended: { promise: Promise<unknown>; announce: () => void } | undefined;

  constructor(
    readonly seed: ScopeSeed,
    private readonly scopes: ScopeHome,
    /** What a context id strategy sees. */
    request: unknown,
  ) {
    this.id = seed.id;
    this.kind = seed.kind;
    this.#contextId = createContextId(request, this);
    this.ledger = new Ledger(scopes.ownership);
    this.ambient = new Ambient<Scope>(
      this,
      livingAmbient() as Ambient<Scope> | undefined,
      seed.kind === 'tick',
    );
  }

  get [IS_SCOPE](): true {
    return true;
  }

  /** After the end this is another, dead id: with the real one gone, Nest's own maps let the instances go. */
  get contextId(): ContextId {
    return (this.#contextId ??= createDeadContextId(this));
  }

  /** Settles when the scope has ended; never rejects. */
  get ended(): Promise<unknown> {
    if (this.#state === 'closed') return Promise.resolve();
    if (this.#ended === undefined) {
      let announce!: () => void;
      const promise = new Promise<void>((resolve) => (announce = resolve));
      this.#ended = { promise, announce };
    }
    return this.#ended.promise;
  }

  get closed(): boolean {
    return this.#state !== 'open';
  }

  resolve<T = unknown>(token: ScopeToken<T>, options?: { strict?: boolean }): Promise<T> {
    const refused = this.refusedTo(`resolve ${nameOfToken(token)}`);
    if (refused !== undefined) return Promise.reject(refused);
    const within = options?.strict === true ? this.seed.module : undefined;
    return this.load(() => this.scopes.nest.resolve<T>(token, this.contextId, within));
  }

  /** Builds one provider of one module; the way of the runner to its worker. */
  build<T>(wrapper: NestWrapper): Promise<T> {
    const refused = this.refusedTo(`build ${String(wrapper.name)}`);
    if (refused !== undefined) return Promise.reject(refused);
    return this.load(() => this.scopes.nest.load<T>(wrapper, this.contextId));
  }

  defer(cleanup: () => unknown): void {
    if (this.#disposing) throw this.closedError('register a cleanup');
    this.ledger.defer(cleanup);
  }

  waitFor(work: PromiseLike<unknown>): void {
    const settled = Promise.resolve(work).then(
      () => undefined,
      (error: unknown) => void this.#workErrors.push(error),
    );
    if (this.#disposing) throw this.closedError('wait for work');
    this.#work.push(settled);
  }

  async close(): Promise<void> {
    if (this.kind !== 'open') {
      if (this.#state === 'open') this.#state = 'closing';
      if (isInside(this)) return;
      await this.ended;
      return;
    }
    if (this.#ending !== undefined && isInside(this)) return;
    throwAll(await this.end(failureOf));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.kind !== 'open') return this.close();
    if (this.#ending !== undefined) return isInside(this) ? undefined : void (await this.#ending); // close() has told its caller of any error
    const error = new ScopeClosedError(
      this.id,
      `Scope ${this.id} was disposed without close(): its work is rolled back.`,
    );
    throwAll(await this.end(() => ({ error })), error);
  }

  /**
   * Ends the scope: see `concludeScope` for the order.
   *
   * @param verdict is asked once all work has settled; undefined means success.
   */
  end(
    verdict: (workErrors: readonly unknown[]) => { error: unknown } | undefined,
  ): Promise<ScopeEnd> {
    if (this.#ending === undefined) {
      this.#isEndedByItsOwnBuild = this.kind === 'open' && isInside(this);
      if (this.kind === 'open') this.#state = 'closing';
      // Inside, so that a hook or a disposer that closes the scope does not wait for itself.
      this.#ending = runInside(this.ambient, () => concludeScope(this, verdict));
    }
    return this.#ending;
  }

  beforeBuild(wrapper: NestWrapper): void {
    const refused = this.refusedTo(`build ${String(wrapper.name)}`);
    if (refused !== undefined) throw refused;
    this.#building += 1;
  }

  built(instance: unknown, wrapper: NestWrapper): Promise<void> | undefined {
    const isNew = this.ledger.add(instance, wrapper);
    const isOpen = this.#state === 'open';
    const init = isNew && isOpen ? readMember(instance as object, 'onScopeInit') : undefined;
    if (isOpen && typeof init !== 'function') {
      this.#building -= 1;
      return undefined;
    }
    const late = isNew && this.#disposing ? this.ledger.takeNewest(instance) : undefined;
    const ready = this.initialise(
      instance,
      init as ScopeHooks['onScopeInit'],
      wrapper,
      late,
    ).finally(() => (this.#building -= 1));
    if (wrapper.forwardRef === true) this.#circle.push(ready);
    ready.catch(() => undefined); // thrown by the load, or by `settleCircle`
    return ready;
  }

  buildFailed(): void {
    this.#building -= 1;
    this.#loadFailed = true;
  }

  // --- what `concludeScope` asks of a scope ---

  /** Settles `waitFor` work, and builds that were started and not awaited. */
  async settleWork(): Promise<readonly unknown[]> {
    while (this.#work.length > 0) await Promise.all(this.#work.splice(0));
    if (!this.#isEndedByItsOwnBuild) await this.settleBuilds();
    if (!this.scopes.nest.seesBuilds) {
      await this.scopes.scanBuilt(this, (instance, wrapper) => this.ledger.add(instance, wrapper));
    }
    while (this.#work.length > 0) await Promise.all(this.#work.splice(0));
    return this.#workErrors;
  }

  refuseBuilds(): void {
    this.#state = 'ending';
  }

  get hasWork(): boolean {
    return this.#work.length > 0;
  }

  get hasUnsettledWork(): boolean {
    if (this.#work.length > 0 || this.#workErrors.length > 0 || this.#loads > 0) return true;
    return this.#building > 0 || this.#loadFailed || !this.scopes.nest.seesBuilds;
  }

  get disposeTimeoutMs(): number {
    return this.scopes.disposeTimeoutMs;
  }

  stopAdding(): void {
    this.#disposing = true;
  }

  finish(end: ScopeEnd): void {
    this.#state = 'closed';
    // What arrives late can be found by a scan under the true id only.
    if (this.scopes.nest.seesBuilds) this.#contextId = undefined;
    this.scopes.retire(this, end);
    this.ambient.scope = undefined;
    this.tick = undefined;
    this.#ended?.announce();
  }

  private load<T>(start: () => Promise<T>): Promise<T> {
    this.#loads += 1;
    // Inside its own build a scope may be closed; that close must not wait for this build.
    let loading = this.kind === 'open' ? runInside(this.ambient, start) : start();
    if (!this.scopes.nest.seesBuilds) loading = this.scanAfter(loading);
    const failed = (error: unknown): never => {
      this.#loadFailed = true;
      this.loaded();
      throw error;
    };
    const arrived = (instance: T): T => {
      this.loaded();
      if (this.#state !== 'open') throw this.closedError('finish a resolve');
      return instance;
    };
    const loaded = loading.then(
      (instance) =>
        this.#circle.length === 0
          ? arrived(instance)
          : this.settleCircle().then(() => arrived(instance), failed),
      failed,
    );
    loaded.catch(() => undefined); // a handler that does not wait for its resolve must not end the process
    return loaded;
  }

  private async settleCircle(): Promise<void> {
    await this.scopes.quiesce(this.contextId);
    await Promise.all(this.#circle.splice(0));
  }

  private loaded(): void {
    this.#loads -= 1;
    if (this.#loads === 0) this.#loadsDone?.();
  }

  private async scanAfter<T>(loading: Promise<T>): Promise<T> {
    try {
      const instance = await loading;
      await this.scan();
      return instance;
    } catch (error) {
      await this.scan().catch(() => undefined); // the first error stands
      throw error;
    }
  }

  private scan(): Promise<void> {
    return this.scopes.scanBuilt(this, (instance, wrapper) => {
      this.#building += 1;
      return this.built(instance, wrapper);
    });
  }

  /** When one dependency fails, Nest rejects at once while its siblings are still being built. */
  private async settleBuilds(): Promise<void> {
    const isBlind = !this.scopes.nest.seesBuilds;
    if (this.#loads === 0 && this.#building === 0 && !this.#loadFailed && !isBlind) return;
    const idle = async (): Promise<void> => {
      if (this.#loads > 0) await new Promise<void>((resolve) => (this.#loadsDone = resolve));
      if (this.#building > 0 || this.#loadFailed || isBlind)
        await this.scopes.quiesce(this.contextId);
    };
    const giveUp = new Error();
    await within(idle(), this.scopes.disposeTimeoutMs, () => giveUp).catch((error: unknown) => {
      if (error !== giveUp) throw error;
    });
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
      this.#loadFailed = true;
      throw error;
    }
    if (late !== undefined) await this.disposeLate(late);
    if (this.#state !== 'open') throw this.closedError(`build ${String(wrapper.name)}`);
  }

  /** Of an instance that arrives when disposal has begun, which goes on; only the instance itself is disposed here. */
  private async disposeLate(late: LateEntry): Promise<void> {
    const failure = await late.dispose(this.scopes.disposeTimeoutMs);
    if (failure !== undefined) this.scopes.observer.lateDisposeFailed(this.notice, failure.error);
  }

  /** A tick stands in logs as JSON, and its scope leads back to it. */
  toJSON(): object {
    return { id: this.id, closed: this.closed };
  }

  get notice(): { scopeId: string; schedule: string | undefined; tickId: string | undefined } {
    return { scopeId: this.id, schedule: this.seed.schedule, tickId: this.seed.tickId };
  }

  private refusedTo(what: string): ScopeClosedError | undefined {
    if (this.#state !== 'open') return this.closedError(what);
    if (this.refusal !== undefined)
      return new ScopeClosedError(this.id, `Cannot ${what}: ${this.refusal}`);
    return undefined;
  }

  private closedError(what: string): ScopeClosedError {
    const owner = this.seed.schedule === undefined ? '' : ` of ${this.seed.schedule}`;
    return new ScopeClosedError(
      this.id,
      `Cannot ${what}: scope ${this.id}${owner} is closed. Await all work before the handler returns, or hand it to scope.waitFor().`,
    );
  }
}

export function nameOfToken(token: unknown): string {
  return typeof token === 'function' ? token.name : String(token);
}
