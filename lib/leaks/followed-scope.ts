import { performance } from 'node:perf_hooks';
import { isFactory, type NestWrapper } from '../nest/index.js';
import type { ProviderScope } from '../scope/provider-scope.js';
import type { WatchedScope } from '../scope/scope-watch.js';
import { classNameOf } from './class-name.js';
import type { DroppedScopes } from './dropped-scopes.js';
import type { FollowedInstance, Origin } from './ended-scope.js';
import type { EndedScopes } from './ended-scopes.js';
import type { ScopeGuard } from './scope-guard.js';
import type { Takers } from './takers.js';

/** Where what a scope leaves behind is followed. */
export interface Following {
  readonly ended: EndedScopes;
  readonly dropped: DroppedScopes;
  readonly takers: Takers;
}

/** Notes the instances of one scope, from their building to its end. */
export class FollowedScope implements WatchedScope {
  #instances: FollowedInstance[] = [];
  #endedAt: number | undefined;
  #handedOut: ProviderScope | undefined;

  constructor(
    private readonly origin: Origin,
    private readonly following: Following,
    private readonly strict: ScopeGuard | undefined,
  ) {}

  get guard(): WatchedScope['guard'] {
    return this.strict?.guard;
  }

  bare(injected: object): object {
    return this.strict?.bare(injected) ?? injected;
  }

  handOut(scope: ProviderScope): ProviderScope {
    this.#handedOut = scope;
    return this.following.dropped.handOut(scope, this.origin.place);
  }

  built(instance: object, wrapper: NestWrapper): void {
    const isMade = isFactory(wrapper);
    if (isMade && this.following.takers.isTaken(instance, this)) return;
    const className = classNameOf(instance, wrapper);
    const followed = { ref: new WeakRef(instance), className, isMade };
    if (this.#endedAt === undefined) this.#instances.push(followed);
    else this.hand([followed], performance.now()); // it arrived late
  }

  ending(callee: Function): void {
    this.strict?.ending(callee);
  }

  ended(): void {
    this.strict?.ended();
    if (this.#handedOut !== undefined) this.following.dropped.retired(this.#handedOut);
    this.#handedOut = undefined;
    this.#endedAt = performance.now();
    if (this.#instances.length > 0) this.hand(this.#instances, this.#endedAt);
    this.#instances = [];
  }

  private hand(instances: readonly FollowedInstance[], endedAt: number): void {
    this.following.ended.add({ origin: this.origin, endedAt, instances });
  }
}
