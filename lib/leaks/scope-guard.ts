import type { NestWrapper } from '../nest/index.js';
import type { LateCall } from '../events/event-map.js';
import type { ProviderScope } from '../scope/provider-scope.js';
import type { WatchedScope } from '../scope/scope-watch.js';
import { classNameOf } from './class-name.js';
import type { Origin } from './ended-scope.js';
import { guarded, instanceBehind } from './guarded.js';
import { GuardedScope } from './guarded-scope.js';

/** Wraps what one scope owns, so that a call after its end is refused. */
export class ScopeGuard implements WatchedScope {
  readonly #scope: GuardedScope;

  constructor(origin: Origin, refused: (call: LateCall) => void) {
    this.#scope = new GuardedScope(origin, refused);
  }

  readonly guard = (instance: object, wrapper: NestWrapper, isOwn: () => boolean): object => {
    const own = instanceBehind(instance);
    const known = this.#scope.injected(own);
    if (known !== own) return known;
    if (!isOwn()) return instance;
    return guarded(instance, classNameOf(instance, wrapper), this.#scope);
  };

  bare(injected: object): object {
    return instanceBehind(injected);
  }

  handOut(scope: ProviderScope): ProviderScope {
    return scope;
  }

  built(): void {}

  ending(callee: Function): void {
    this.#scope.ending(callee);
  }

  ended(): void {
    this.#scope.ended();
  }
}
