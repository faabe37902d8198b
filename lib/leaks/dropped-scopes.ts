import { performance } from 'node:perf_hooks';
import type { LeakedScope } from '../events/event-map.js';
import type { ProviderScope } from '../scope/provider-scope.js';
import { ScopeHandle } from './scope-handle.js';

interface Opened {
  readonly scope: ProviderScope;
  readonly place: string | undefined;
  readonly openedAt: Date;
  readonly startedAt: number;
}

/** Scopes by hand whose handle was collected before anybody closed them. The shutdown disposes them. */
export class DroppedScopes {
  readonly #handles: FinalizationRegistry<Opened>;

  constructor(told: (leaked: LeakedScope) => void) {
    this.#handles = new FinalizationRegistry(({ scope, place, openedAt, startedAt }) => {
      if (scope.closed) return; // dropped while it ends, as by `void scope.close()`
      const ageMs = performance.now() - startedAt;
      told({ scopeId: scope.id, place, openedAt, ageMs });
    });
  }

  /** @returns the handle for the caller; nobody else may keep it. */
  handOut(scope: ProviderScope, place: string | undefined): ProviderScope {
    const handle = new ScopeHandle(scope);
    const opened = { scope, place, openedAt: new Date(), startedAt: performance.now() };
    this.#handles.register(handle, opened, scope);
    return handle;
  }

  /** The scope has ended. */
  retired(scope: ProviderScope): void {
    this.#handles.unregister(scope);
  }
}
