import { NestInside } from '../nest/index.js';
import { seenProvider } from '../nest/seen-provider.js';
import type { HandlerTarget } from '../schedule/schedule.js';
import type { ProviderScope, ScopeToken } from '../scope/provider-scope.interface.js';

/** Resolves tokens for the worker of a schedule, outside of its ticks. */
export class SeenProviders {
  constructor(private readonly nest: NestInside) {}

  /** Resolves a token in a scope as the worker's module sees it, or else from the whole application. */
  resolve<T>(token: unknown, scope: ProviderScope, { worker }: HandlerTarget): Promise<T> {
    const seen = worker && seenProvider(worker.host!, token)?.host;
    return seen === undefined
      ? scope.resolve(token as ScopeToken<T>)
      : this.nest.resolve(token, scope.contextId, seen);
  }
}
