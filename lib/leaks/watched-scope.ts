import { performance } from 'node:perf_hooks';
import { isFactory, type NestWrapper } from '../nest/index.js';
import type { ProviderScope } from '../scope/provider-scope.interface.js';
import type { WatchedScope } from '../scope/scope-ports.js';
import { type CallGuard, instanceBehind } from './call-guard.js';
import { classNameOf, type Origin } from './survivor-counts.js';
import type { SurvivorFinder, FollowedInstance } from './survivor-finder.js';
import type { LeakedScope } from '../events/event-map.js';

/** The objects that follow the scopes of one application. */
export interface Following {
  readonly finder: SurvivorFinder;
  readonly dropped: DroppedScopes;
}

/** Notes the instances of one scope until the scope closes, and then passes them on to be followed. */
export class LeakWatchedScope implements WatchedScope {
  #instances: FollowedInstance[] = [];
  #endedAt: number | undefined;
  #handedOut: ProviderScope | undefined;

  constructor(
    private readonly origin: Origin,
    private readonly following: Following,
    /** False for a scope that isn't in the sample, and so isn't reported. */
    private readonly isSampled: boolean,
    /** Undefined without `strict`. */
    private readonly calls: CallGuard | undefined,
  ) {}

  get guard(): WatchedScope['guard'] {
    return this.calls?.guard;
  }

  bare(injected: object): object {
    return this.calls === undefined ? injected : instanceBehind(injected);
  }

  handedOut(handle: object, scope: ProviderScope): void {
    if (!this.isSampled) return;
    this.#handedOut = scope;
    this.following.dropped.follow(handle, scope, this.origin.place);
  }

  built(instance: object, wrapper: NestWrapper): void {
    const isMade = isFactory(wrapper);
    if (isMade && !this.following.finder.take(instance, this)) return;
    if (!this.isSampled) return;
    const className = classNameOf(instance, wrapper);
    const followed = { ref: new WeakRef(instance), className, isMade };
    if (this.#endedAt === undefined) this.#instances.push(followed);
    else this.follow([followed], performance.now()); // built after the scope closed
  }

  outlives(instance: object): void {
    this.#instances = this.#instances.filter(({ ref }) => ref.deref() !== instance);
    this.calls?.outlives(instance);
  }

  ending(callee: Function): void {
    this.calls?.ending(callee);
  }

  ended(): void {
    this.calls?.ended();
    if (this.#handedOut !== undefined) this.following.dropped.retired(this.#handedOut);
    this.#handedOut = undefined;
    this.#endedAt = performance.now();
    if (this.#instances.length > 0) this.follow(this.#instances, this.#endedAt);
    this.#instances = [];
  }

  private follow(instances: readonly FollowedInstance[], endedAt: number): void {
    this.following.finder.add({ origin: this.origin, endedAt, instances });
  }
}

interface Opened {
  readonly scope: ProviderScope;
  readonly place: string | undefined;
  readonly openedAt: Date;
  readonly startedAt: number;
}

/** Finds standalone scopes whose handles were collected before the scopes were closed. The shutdown disposes these scopes. */
export class DroppedScopes {
  readonly #handles: FinalizationRegistry<Opened>;

  constructor(told: (leaked: LeakedScope) => void) {
    this.#handles = new FinalizationRegistry(({ scope, place, openedAt, startedAt }) => {
      if (scope.closed) return; // the handle was dropped while the scope was closing, as after `void scope.complete()`
      const ageMs = performance.now() - startedAt;
      told({ scopeId: scope.id, place, openedAt, ageMs });
    });
  }

  /** Follows a scope. @param handle the handle of the scope; only the code that opened the scope may keep this handle. */
  follow(handle: object, scope: ProviderScope, place: string | undefined): void {
    const opened = { scope, place, openedAt: new Date(), startedAt: performance.now() };
    this.#handles.register(handle, opened, scope);
  }

  retired(scope: ProviderScope): void {
    this.#handles.unregister(scope);
  }
}
