import {
  keyOfBuild,
  type NestModule,
  type NestWrapper,
  type Plans,
  type Resolution,
} from '../nest/index.js';
import type { ProviderScope } from './provider-scope.interface.js';
import { ScopeClosedError } from '../errors/errors.js';
import type { StrayFailure } from '../errors/stray-failure.interface.js';
import { contexts } from './work-context.js';

/** Marks a provider with a transaction that other providers may use: the marked provider commits and rolls back after them. */
export const COMMITS_LAST = Symbol('nestjs-scoped-worker:commits-last');

/**
 * The kinds of scopes, by what ends them. The tick runner ends `tick` and `standalone-tick` scopes. A `standalone-tick` scope comes
 * from a call to `ProviderScopeFactory.run()` with a name. Without a name, the scope is of the kind `run`, and that method ends it.
 * An `open` scope is ended by the code that opened it.
 */
export const SCOPE_KINDS = ['tick', 'standalone-tick', 'run', 'open'] as const;

export type ScopeKind = (typeof SCOPE_KINDS)[number];

export interface ScopeDetails {
  readonly kind: ScopeKind;
  readonly notice: ScopeNotice;
  /** The module in which a strict resolve looks. */
  readonly module: NestModule;
  /** Undefined if Nest builds everything. */
  readonly plans: Plans | undefined;
  /** The function that opens a standalone scope; it is on the stack while the scope is created. */
  readonly opener: Function | undefined;
}

/** The payload of `scope:opened`. */
export interface ScopeNotice {
  readonly scopeId: string;
  /** The schedule and the tick that the scope was opened for; undefined for a standalone scope. */
  readonly schedule: string | undefined;
  readonly tickId: string | undefined;
}

/** Returns the scope that the calling factory is building for, even if code outside that scope called `ModuleRef.resolve()`. */
export function scopeOfBuild(): ScopeNotice | undefined {
  return keyOfBuild() as ScopeNotice | undefined;
}

/** Returns the scope with this notice if the calling code is part of its work, even inside nested work such as exclusive work. */
export function scopeAround<S extends { readonly notice: ScopeNotice }>(
  notice: ScopeNotice | undefined,
): S | undefined {
  for (const { owner } of contexts())
    if (owner !== undefined && 'notice' in owner && owner.notice === notice)
      return owner as unknown as S;
  return undefined;
}

/** Returns true if the calling code is part of a hook or a disposer of this scope. */
export function isInsideEnd(notice: ScopeNotice | undefined): boolean {
  return [...contexts()].some(
    ({ isEnd, owner }) =>
      isEnd && (owner as { notice?: ScopeNotice } | undefined)?.notice === notice,
  );
}

/** The payload of `scope:closed`. */
export interface ScopeEndNotice extends ScopeNotice {
  readonly built: number;
  readonly disposed: number;
  readonly disposeMs: number;
  readonly disposeErrors: readonly unknown[];
}

/** Says whether the work of a scope has failed. */
export interface ScopeVerdict {
  /** The error that the work failed with; undefined if the work succeeded. */
  readonly thrown?: { readonly error: unknown } | undefined;
  /** Other errors of the work, which reach no other code. */
  readonly others?: readonly unknown[] | undefined;
}

/** The result of a scope, with the verdict on its work. */
export interface JudgedEnd<V extends ScopeVerdict> extends ScopeEnd {
  readonly verdict: V;
}

/** The result of a scope. */
export interface ScopeEnd {
  /** The error that made the work fail, or the error of a failed commit. */
  readonly failure:
    | {
        readonly error: unknown;
        /** True if a commit hook failed after another one had returned `'committed'`. */
        readonly hasCommitted?: boolean;
      }
    | undefined;
  /** Errors of rollback hooks, of work that hooks passed to `waitFor`, and of disposers, in this order. */
  readonly disposeErrors: readonly unknown[];
  readonly built: number;
  readonly disposed: number;
  readonly disposeMs: number;
}

/** Receives the events of all scopes; must not throw. */
export interface ScopeEvents {
  /** Returns false if no code listens, so that no payload has to be created. */
  isHeard(event: 'scope:closed'): boolean;
  emit(event: 'scope:opened', notice: ScopeNotice): void;
  emit(event: 'scope:closed', notice: ScopeEndNotice): void;
  emit(event: 'failure:stray', failure: StrayFailure): void;
}

/** Receives what scopes find out about providers. */
export interface ScopeFindings {
  /**
   * Called when a request-scoped factory returns an object that a static provider holds. If the object has a disposer or a hook,
   * called each time; otherwise, only for the factory's first result.
   */
  sharedByFactory(wrapper: NestWrapper): void;
}

/** The module options that scopes need. */
export interface ScopeSettings {
  readonly disposeTimeoutMs: number;
  readonly resolution: Resolution;
}

/** Finds instances that outlive their scope. Called for each scope, so it must cost nothing while it is off. Must not throw. */
export interface ScopeWatch {
  /** False once it is known that nothing is followed. */
  readonly isOn: boolean;
  /** Called on the stack of the code that opens the scope. @returns undefined if the scope has nothing to watch. */
  opened(details: ScopeDetails): WatchedScope | undefined;
}

/** Follows one scope. */
export interface WatchedScope {
  /**
   * Returns the object to inject in place of an instance; undefined if instances are injected unchanged.
   *
   * @param isOwn is called for an instance that wasn't replaced before; only the scope's own instances are replaced.
   */
  readonly guard:
    ((instance: object, wrapper: NestWrapper, isOwn: () => boolean) => object) | undefined;
  /** Returns the instance behind a result of `guard`. */
  bare(injected: object): object;
  /** Called with the handle that the caller of `ProviderScopeFactory.open()` receives. */
  handedOut(handle: object, scope: ProviderScope): void;
  /** Called when an instance that the scope owns has been built. */
  built(instance: object, wrapper: NestWrapper): void;
  /** Called for an instance from `built` that outlives the scope. */
  outlives(instance: object): void;
  /** Called by `callee` when the scope starts to close, on the stack of the code that closes the scope. */
  ending(callee: Function): void;
  /** Called when the scope has closed. */
  ended(): void;
}

/**
 * Returns the error for a caller that wants a closed scope to do something, such as `resolve Mailer`.
 *
 * @param cause where the scope was closed, when that is known.
 */
export function closedError(
  { scopeId, schedule, tickId }: ScopeNotice,
  what: string,
  cause?: Error,
): ScopeClosedError {
  const owner = schedule === undefined ? '' : ` of ${schedule} (${tickId})`;
  return new ScopeClosedError(
    scopeId,
    `Cannot ${what}: scope ${scopeId}${owner} is closed. Await all work before the handler returns, or pass it to scope.waitFor().`,
    cause === undefined ? undefined : { cause },
  );
}
