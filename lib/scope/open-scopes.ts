import { ScopeClosedError } from '../errors/errors.js';
import { buildsInFlight, NestInside, type ContextId, type NestModule } from '../nest/index.js';
import { isInsideAwaited } from './work-context.js';
import { idSource } from '../util/id-source.js';
import { Ownership } from './ownership.js';
import {
  type ScopeEnd,
  ScopeObserver,
  type ScopeKind,
  type ScopeSettings,
  ScopeWatch,
} from './scope-ports.js';
import { Scope, type ScopeHome } from './scope.js';

export interface ScopeOpening {
  readonly kind: ScopeKind;
  /** Returns the value of `REQUEST`, which a context id strategy sees too: the tick of the scope, or what code by hand passed. */
  readonly requestOf: (scope: Scope) => unknown;
  readonly module?: NestModule;
  readonly schedule?: string;
  readonly tickId?: string;
  readonly opener?: Function;
}

const nextId = idSource('scope');

/** Opens scopes, and keeps track of the open ones. */
export class OpenScopes implements ScopeHome {
  readonly #open = new Set<Scope>();
  /** The reasons why scopes of a kind cannot be opened. */
  readonly #refusals = new Map<ScopeKind, string>();
  #isShuttingDown = false;
  openedCount = 0;
  closedCount = 0;

  constructor(
    readonly nest: NestInside,
    readonly ownership: Ownership,
    readonly observer: ScopeObserver,
    readonly watch: ScopeWatch,
    private readonly settings: ScopeSettings,
  ) {}

  get disposeTimeoutMs(): number {
    return this.settings.disposeTimeoutMs;
  }

  get all(): ReadonlySet<Scope> {
    return this.#open;
  }

  /** @throws {ScopeClosedError} once the shutdown refuses scopes of the kind. */
  open(opening: ScopeOpening): Scope {
    const refusal = this.#refusals.get(opening.kind);
    if (refusal !== undefined)
      throw new ScopeClosedError(undefined, `Cannot open a scope: ${refusal}`);
    const scope = new Scope(
      {
        kind: opening.kind,
        id: nextId(),
        module: opening.module ?? this.nest.rootModule,
        schedule: opening.schedule,
        tickId: opening.tickId,
        opener: opening.opener,
      },
      this,
      opening.requestOf,
    );
    if (scope.request !== undefined) this.nest.registerRequest(scope.request, scope.contextId);
    if (this.#isShuttingDown) scope.isAwaited = isInsideAwaited();
    this.#open.add(scope);
    this.openedCount += 1;
    this.observer.scopeOpened(() => scope.notice);
    return scope;
  }

  retire(scope: Scope, end: ScopeEnd): void {
    this.#open.delete(scope);
    this.closedCount += 1;
    const { built, disposed, disposeMs, disposeErrors } = end;
    this.observer.scopeClosed(() => ({
      ...scope.notice,
      built,
      disposed,
      disposeMs,
      disposeErrors,
    }));
  }

  /** From now on, the drain waits only for scopes that are already open, and for the scopes that their work opens. */
  beginShutdown(): void {
    this.#isShuttingDown = true;
  }

  /** From now on, no scope of these kinds can be opened. */
  refuseToOpen(kinds: readonly ScopeKind[], why: string): void {
    for (const kind of kinds) this.#refusals.set(kind, why);
  }

  /** From now on, open scopes of these kinds build nothing more. */
  refuseToBuild(kinds: readonly ScopeKind[], why: string): void {
    for (const scope of this.#open) if (kinds.includes(scope.kind)) scope.refusal ??= why;
  }

  /** Waits until nothing is being built under a context id any more. */
  async quiesce(contextId: ContextId): Promise<void> {
    const wrappers = [...this.nest.wrappers()].map((placed) => placed.wrapper);
    // Nest leaves a host that failed marked as pending: each promise is waited for once.
    const awaited = new Set<Promise<unknown>>();
    for (let idle = 0; idle < 2;) {
      // A dependency passes through a few microtasks between its lookup and its build.
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
      const pending = buildsInFlight(wrappers, contextId).filter((build) => !awaited.has(build));
      idle = pending.length === 0 ? idle + 1 : 0;
      for (const build of pending) awaited.add(build);
      await Promise.allSettled(pending);
    }
  }
}
