import { ScopeClosedError } from '../errors/index.js';
import {
  createContextId,
  createDeadContextId,
  type BuildObserver,
  type ContextId,
  type NestWrapper,
} from '../nest/index.js';
import { IS_SCOPE } from './ownership.js';
import { Ambient, isInside, livingAmbient, runInside } from './ambient.js';
import { Builds } from './builds.js';
import type { ScopeHome, ScopeKind, ScopeSeed } from './scope-home.js';
import { readMember } from './disposer.js';
import { Ledger, type LateEntry } from './ledger.js';
import { PendingWork } from './pending-work.js';
import type { ProviderScope, ScopeHooks, ScopeToken } from './provider-scope.js';
import {
  concludeScope,
  failureOf,
  throwAll,
  type EndingScope,
  type ScopeEnd,
} from './scope-end.js';

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
  #isEndedByItsOwnBuild = false;
  readonly #builds: Builds;
  readonly #work = new PendingWork();
  #ending: Promise<ScopeEnd> | undefined;
  #ended: { promise: Promise<unknown>; announce: () => void } | undefined;

  constructor(
    readonly seed: ScopeSeed,
    private readonly scopes: ScopeHome<Scope>,
    /** What a context id strategy sees. */
    request: unknown,
  ) {
    this.id = seed.id;
    this.kind = seed.kind;
    this.#contextId = createContextId(request, this);
    this.ledger = new Ledger(scopes.ownership);
    this.#builds = new Builds(() => scopes.quiesce(this.contextId), !scopes.nest.seesBuilds);
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
    if (this.#disposing) {
      void Promise.resolve(work).catch(() => undefined); // refused, it must not end the process
      throw this.closedError('wait for work');
    }
    this.#work.add(work);
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
    this.#builds.began();
  }

  built(instance: unknown, wrapper: NestWrapper): Promise<void> | undefined {
    const isNew = this.ledger.add(instance, wrapper);
    const isOpen = this.#state === 'open';
    const init = isNew && isOpen ? readMember(instance as object, 'onScopeInit') : undefined;
    if (isOpen && typeof init !== 'function') {
      this.#builds.ended();
      return undefined;
    }
    const late = isNew && this.#disposing ? this.ledger.takeNewest(instance) : undefined;
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

  // --- what `concludeScope` asks of a scope ---

  /** Settles `waitFor` work, and builds that were started and not awaited. */
  async settleWork(): Promise<readonly unknown[]> {
    await this.#work.settle();
    if (!this.#isEndedByItsOwnBuild) await this.#builds.settle(this.disposeTimeoutMs);
    if (!this.scopes.nest.seesBuilds) {
      await this.scopes.scanBuilt(this, (instance, wrapper) => this.ledger.add(instance, wrapper));
    }
    await this.#work.settle();
    return this.#work.errors;
  }

  refuseBuilds(): void {
    this.#state = 'ending';
  }

  get hasWork(): boolean {
    return this.#work.isPending;
  }

  get hasUnsettledWork(): boolean {
    return this.#work.isPending || this.#work.errors.length > 0 || !this.#builds.areSettled;
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
    // Inside its own build a scope may be closed; that close must not wait for this build.
    const loading = this.kind === 'open' ? runInside(this.ambient, start) : start();
    return this.#builds.load(
      this.scopes.nest.seesBuilds ? loading : this.scanAfter(loading),
      (instance) => {
        if (this.#state !== 'open') throw this.closedError('finish a resolve');
        return instance;
      },
    );
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
      this.#builds.began();
      return this.built(instance, wrapper);
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
      this.#builds.failed();
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

function nameOfToken(token: unknown): string {
  return typeof token === 'function' ? token.name : String(token);
}
