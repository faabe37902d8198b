import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';

/**
 * An owner of work that code can be part of: a scope, a tick, a list, exclusive work, a message or a background worker.
 */
export interface WorkOwner {
  /** False for work that was started during the shutdown by code that the shutdown doesn't wait for. */
  readonly isAwaited: boolean;
  /** For a scope: its tick, as long as the scope is open. */
  readonly tick?: unknown;
  /** For a tick or a list: its slot. */
  readonly slot?: unknown;
  /** For a scope: reports an error that the library throws into the work, unless the scope ends with that error. */
  mustShow?(error: unknown): void;
}

/** Identifies the work to which the running code belongs, and the outer work in which that work began. */
export class WorkContext {
  /** Has no owner once the work has ended, so a stray timer can keep this context alive, but not the owner. */
  readonly #work: Work;
  #outer: WorkContext | undefined;

  constructor(
    owner: WorkOwner,
    outer: WorkContext | undefined,
    /** True for the work of a tick's scope, even after that work has ended. */
    readonly isTickScope = false,
    /** True for the hooks and disposers of a scope. */
    readonly isEnd = false,
  ) {
    this.#work = { owner };
    this.#outer = outer;
  }

  /**
   * The context in which this one began. Skips contexts that have ended, but keeps that of the innermost ended tick if a living
   * context contains it: code from an ended tick isn't part of the outer tick.
   */
  get outer(): WorkContext | undefined {
    let outer = this.#outer;
    let tick: WorkContext | undefined;
    for (; outer !== undefined && outer.owner === undefined; outer = outer.#outer)
      if (outer.isTickScope) tick ??= outer;
    if (tick !== undefined && outer !== undefined) {
      tick.#outer = outer;
      outer = tick;
    }
    this.#outer = outer;
    return outer;
  }

  get owner(): WorkOwner | undefined {
    return this.#work.owner;
  }

  /** Runs `work` as part of the owner's work, in the caller's AsyncLocalStorage context. */
  run<T>(work: () => T): T {
    return storage.run(this, work);
  }

  /**
   * Runs `work` as part of the owner's work. What `work` puts into AsyncLocalStorage, even with `enterWith()`, doesn't leak to
   * other code: Node 20 keeps stores on the current resource, so `work` has its own resource.
   */
  runIsolated<T>(work: () => T): T {
    const resource = new AsyncResource('ScopedWorkerTick', { requireManualDestroy: true });
    return resource.runInAsyncScope(() => storage.run(this, work));
  }

  /** Returns the owner for work that other code starts because of this work, but that isn't part of this work. */
  get follower(): WorkOwner {
    const { owner } = this.#work;
    return owner instanceof Follower ? owner : new Follower(this.#work);
  }

  end(): void {
    this.#work.owner = undefined;
  }
}

interface Work {
  owner: WorkOwner | undefined;
}

/**
 * Refers to the followed work, but not to its context, which leads to all outer contexts. Otherwise, listeners that start one tick
 * after another would build an endless chain.
 */
class Follower implements WorkOwner {
  constructor(private readonly followed: Work) {}

  get isAwaited(): boolean {
    return this.followed.owner?.isAwaited ?? false;
  }
}

const storage = new AsyncLocalStorage<WorkContext>();

/** Created while this file is loaded, so it carries no AsyncLocalStorage store of the application. */
const root = new AsyncResource('ScopedWorker', { requireManualDestroy: true });

/** Runs `work` with an empty AsyncLocalStorage context, regardless of what started the timer that led here. */
export function fromEmptyContext<T>(work: () => T): T {
  return root.runInAsyncScope(work);
}

/** Runs `work` as part of the work of `owner`, until `work` has settled. */
export async function runAs<T>(
  owner: WorkOwner,
  work: () => T | Promise<T>,
  isTickScope = false,
): Promise<T> {
  const context = new WorkContext(owner, contextAround(), isTickScope);
  try {
    return await context.run(work);
  } finally {
    context.end();
  }
}

/**
 * Runs `work` outside the calling work, so that `work` can wait for the calling work, as the shutdown does. The shutdown awaits
 * what `work` starts for as long as it awaits the calling work.
 */
export function runOutside<T>(work: () => T): T {
  const caller = livingContext();
  return caller === undefined ? work() : new WorkContext(caller.follower, undefined).run(work);
}

/** Yields the contexts that the calling code runs in, innermost first. */
export function* contexts(): Generator<WorkContext> {
  for (let context = storage.getStore(); context !== undefined; context = context.outer)
    yield context;
}

/** Returns the context of the calling code, even if the work of that context has ended. */
export function currentContext(): WorkContext | undefined {
  return storage.getStore();
}

/**
 * Returns the innermost context whose work hasn't ended. Reads on to the outermost context, because reading `outer` unlinks ended
 * contexts, even between living ones. Otherwise, a loop in which each round starts the next one would build an endless chain.
 */
export function livingContext(): WorkContext | undefined {
  let living: WorkContext | undefined;
  for (let context = storage.getStore(); context !== undefined; context = context.outer)
    if (context.owner !== undefined) living ??= context;
  return living;
}

/**
 * Returns the outer context for new work: the innermost living context, or the context of an ended tick inside it. Code from an
 * ended tick isn't part of the work in which that tick began.
 */
export function contextAround(): WorkContext | undefined {
  const living = livingContext();
  const current = storage.getStore();
  if (living === undefined || current === undefined || current === living) return living;
  return current.isTickScope ? current : current.outer;
}

/**
 * Returns true if the calling code is part of work that the shutdown waits for. The innermost owner decides: a tick that began
 * before the shutdown is awaited, even inside exclusive work that isn't awaited.
 */
export function isInsideAwaited(): boolean {
  return livingContext()?.owner?.isAwaited ?? false;
}

/** Returns true if the calling code is part of the work of `owner`, or of something that this work started. */
export function isInside(owner: WorkOwner): boolean {
  for (let context = storage.getStore(); context !== undefined; context = context.outer)
    if (context.owner === owner) return true;
  return false;
}

/**
 * Makes a scope report an error that the library throws into the calling code, unless the scope ends with that error. The scope is
 * that of the innermost tick or, outside ticks, the innermost scope. If the code belongs to an ended tick, no scope outside that
 * tick reports the error.
 */
export function mustShow(error: unknown): void {
  const all = [...contexts()];
  const ended = all.findIndex(({ isTickScope, owner }) => isTickScope && owner === undefined);
  const living = ended < 0 ? all : all.slice(0, ended);
  const scopes = living.filter(({ owner }) => owner?.mustShow !== undefined);
  const answering = scopes.find(({ isTickScope }) => isTickScope) ?? scopes[0];
  answering?.owner?.mustShow?.(error);
}
