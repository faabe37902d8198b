import { performance } from 'node:perf_hooks';
import type { LeakedScope } from '../events/event-map.js';
import type { ProviderScope } from '../scope/provider-scope.js';

interface Opened {
  readonly scope: ProviderScope;
  readonly place: string | undefined;
  readonly openedAt: Date;
  readonly startedAt: number;
}

/** Finds scopes by hand whose handle was collected before they were closed. The shutdown disposes them. */
export class DroppedScopes {
  readonly #handles: FinalizationRegistry<Opened>;

  constructor(told: (leaked: LeakedScope) => void) {
    this.#handles = new FinalizationRegistry(({ scope, place, openedAt, startedAt }) => {
      if (scope.closed) return; // dropped while it ends, as by `void scope.complete()`
      const ageMs = performance.now() - startedAt;
      told({ scopeId: scope.id, place, openedAt, ageMs });
    });
  }

  /** @param handle of the scope; only its opener may keep it. */
  follow(handle: object, scope: ProviderScope, place: string | undefined): void {
    const opened = { scope, place, openedAt: new Date(), startedAt: performance.now() };
    this.#handles.register(handle, opened, scope);
  }

  retired(scope: ProviderScope): void {
    this.#handles.unregister(scope);
  }
}
