import { ScopeClosedError } from '../errors/errors.js';
import { NestInside, Plans, type NestModule, type Resolution } from '../nest/index.js';
import { isInsideAwaited } from './work-context.js';
import { idSource } from '../util/id-source.js';
import { Ownership } from './ownership.js';
import type { ScopeEnd, ScopeEvents, ScopeKind, ScopeSettings, ScopeWatch } from './scope-ports.js';
import { Scope, type ScopeHome } from './scope.js';

export interface ScopeOpening {
  readonly kind: ScopeKind;
  /**
   * Returns the value of `REQUEST`, which a context id strategy sees too: the tick of the scope, or the seed of a standalone scope.
   */
  readonly requestOf: (scope: Scope) => unknown;
  /** The module in which a strict resolve looks. Default: the root module. */
  readonly module?: NestModule | undefined;
  /** Default: the `resolution` of the module options. */
  readonly resolution?: Resolution | undefined;
  readonly schedule?: string;
  readonly tickId?: string;
  readonly opener?: Function;
}

const nextId = idSource('scope');

/** Opens scopes, and keeps track of the open ones. */
export class OpenScopes implements ScopeHome {
  readonly #open = new Set<Scope>();
  /** The reason why scopes of a kind can't be opened, by kind. */
  readonly #refusals = new Map<ScopeKind, string>();
  #isShuttingDown = false;
  openedCount = 0;
  closedCount = 0;

  constructor(
    readonly nest: NestInside,
    private readonly plans: Plans,
    readonly ownership: Ownership,
    readonly events: ScopeEvents,
    readonly watch: ScopeWatch,
    private readonly settings: ScopeSettings,
  ) {}

  get disposeTimeoutMs(): number {
    return this.settings.disposeTimeoutMs;
  }

  get all(): ReadonlySet<Scope> {
    return this.#open;
  }

  /** Opens a scope. @throws {ScopeClosedError} once the shutdown refuses scopes of this kind. */
  open(opening: ScopeOpening): Scope {
    const refusal = this.#refusals.get(opening.kind);
    if (refusal !== undefined)
      throw new ScopeClosedError(undefined, `Cannot open a scope: ${refusal}`);
    const { kind, requestOf, module = this.nest.rootModule, schedule, tickId, opener } = opening;
    const notice = { scopeId: nextId(), schedule, tickId };
    const { resolution = this.settings.resolution } = opening;
    const plans = resolution === 'nest' ? undefined : this.plans;
    const scope = new Scope({ kind, notice, module, plans, opener }, this, requestOf);
    if (this.#isShuttingDown) scope.isAwaited = isInsideAwaited();
    this.#open.add(scope);
    this.openedCount += 1;
    this.events.emit('scope:opened', notice);
    return scope;
  }

  retire(scope: Scope, end: ScopeEnd): void {
    this.#open.delete(scope);
    this.closedCount += 1;
    if (!this.events.isHeard('scope:closed')) return;
    const { built, disposed, disposeMs, disposeErrors } = end;
    this.events.emit('scope:closed', {
      ...scope.notice,
      built,
      disposed,
      disposeMs,
      disposeErrors,
    });
  }

  /** Limits the drain to scopes that are already open, and to the scopes that their work opens. */
  beginShutdown(): void {
    this.#isShuttingDown = true;
  }

  /** Prevents further scopes of these kinds from being opened. */
  refuseToOpen(kinds: readonly ScopeKind[], why: string): void {
    for (const kind of kinds) this.#refusals.set(kind, why);
  }

  /** Prevents open scopes of these kinds from building anything more. */
  refuseToBuild(kinds: readonly ScopeKind[], why: string): void {
    for (const scope of this.#open) if (kinds.includes(scope.kind)) scope.refuseToBuild(why);
  }
}
