import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';

/**
 * What the code that runs now was started by: a scope, inside the work of another scope, and so on; outermost, it may
 * be a background worker, which stands here in the place of a scope.
 */
export class Ambient<S = unknown> {
  /** Emptied when the scope has ended: a stray timer keeps this object, not the scope. */
  scope: S | undefined;

  constructor(
    scope: S,
    readonly outer: Ambient<S> | undefined,
    /** True for the scope of a tick, also when it has ended. */
    readonly isTick: boolean,
  ) {
    this.scope = scope;
  }
}

const storage = new AsyncLocalStorage<Ambient>();

/** Made while this file is loaded, so it carries no AsyncLocalStorage store of the application. */
const root = new AsyncResource('ScopedWorker', { requireManualDestroy: true });

/** Runs `work` with an empty AsyncLocalStorage context, whoever started the timer that led here. */
export function fromEmptyContext<T>(work: () => T): T {
  return root.runInAsyncScope(work);
}

/**
 * Runs `work` as the work of a scope. What it puts into AsyncLocalStorage, also by `enterWith`,
 * stays inside: Node 20 keeps stores on the current resource, so the work gets one of its own.
 */
export function runIsolated<T>(ambient: Ambient, work: () => T): T {
  const resource = new AsyncResource('ScopedWorkerTick', { requireManualDestroy: true });
  return resource.runInAsyncScope(() => storage.run(ambient, work));
}

/** Runs `work` as the work of a scope, in the caller's AsyncLocalStorage context. */
export function runInside<T>(ambient: Ambient, work: () => T): T {
  return storage.run(ambient, work);
}

export function currentAmbient(): Ambient | undefined {
  return storage.getStore();
}

/** The innermost whose scope has not ended: a loop that starts each round from the one before must not grow a chain. */
export function livingAmbient(): Ambient | undefined {
  let ambient = storage.getStore();
  while (ambient !== undefined && ambient.scope === undefined) ambient = ambient.outer;
  return ambient;
}

/**
 * The scope whose end shows what happened to the calling code: that of the innermost tick; outside of ticks, the innermost one.
 *
 * @param isScope false for what is in the place of a scope.
 */
export function answeringScope<S>(isScope: (scope: unknown) => scope is S): S | undefined {
  let innermost: S | undefined;
  for (let ambient = storage.getStore(); ambient !== undefined; ambient = ambient.outer) {
    const { scope, isTick } = ambient;
    if (!isScope(scope)) continue;
    if (isTick) return scope;
    innermost ??= scope;
  }
  return innermost;
}

/**
 * True when the calling code is part of work that a shutdown waits for: of a scope, a tick or a background worker, unless that itself
 * was begun during the shutdown by code that is not part of any. The innermost one that knows decides: a tick that began before the
 * shutdown is awaited, also under a lock that is not.
 */
export function isInsideAwaited(): boolean {
  let isPart = false;
  for (let ambient = storage.getStore(); ambient !== undefined; ambient = ambient.outer) {
    const scope = ambient.scope as { readonly isAwaited?: boolean } | undefined;
    if (scope?.isAwaited !== undefined) return scope.isAwaited;
    isPart ||= scope !== undefined;
  }
  return isPart;
}

/** True when the calling code is part of the work of `scope`, or of something that work started. */
export function isInside(scope: unknown): boolean {
  for (let ambient = storage.getStore(); ambient !== undefined; ambient = ambient.outer) {
    if (ambient.scope === scope) return true;
  }
  return false;
}
