import { isFactory, type NestWrapper } from '../nest/index.js';
import type { ProviderScope } from '../scope/provider-scope.js';
import type { WatchedScope } from '../scope/scope-watch.js';
import type { ScopeGuard } from './scope-guard.js';
import type { Takers } from './takers.js';

/** A scope that `sample` has left out: it tells nothing, but what it is lent is no scope's own. */
export class UnfollowedScope implements WatchedScope {
  constructor(
    private readonly takers: Takers,
    private readonly strict: ScopeGuard | undefined,
  ) {}

  get guard(): WatchedScope['guard'] {
    return this.strict?.guard;
  }

  bare(injected: object): object {
    return this.strict?.bare(injected) ?? injected;
  }

  handOut(scope: ProviderScope): ProviderScope {
    return scope;
  }

  built(instance: object, wrapper: NestWrapper): void {
    if (isFactory(wrapper)) this.takers.isTaken(instance, this);
  }

  ending(callee: Function): void {
    this.strict?.ending(callee);
  }

  ended(): void {
    this.strict?.ended();
  }
}
