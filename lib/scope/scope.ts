import { isGeneratorFunction, isPromise } from 'node:util/types';
import { combined, leadsTo, readStacks } from '../errors/error-parts.js';
import type { StrayFailure } from '../errors/stray-failure.interface.js';
import { bare, isPreparing, tokenText, type ContextId, type NestWrapper } from '../nest/index.js';
import { seenProvider } from '../nest/seen-provider.js';
import { IS_SCOPE } from './ownership.js';
import { contextAround, WorkContext, type WorkOwner } from './work-context.js';
import { A_GENERATOR, show } from '../util/option-checks.js';
import { isThenable } from '../util/values.js';
import { Latch } from '../util/latch.js';
import { NEXT_MICROTASK } from '../util/event-loop.js';
import { Construction, type ConstructionHome } from './construction.js';
import {
  closedError,
  type JudgedEnd,
  type ScopeEnd,
  type ScopeKind,
  type ScopeNotice,
  type ScopeEvents,
  type ScopeDetails,
  type ScopeVerdict,
  type ScopeWatch,
  type WatchedScope,
} from './scope-ports.js';
import { Disposal } from './disposal.js';
import type { ProviderScope, ScopeHooks, ScopeToken } from './provider-scope.interface.js';

/** The part of the application that a scope needs. */
export interface ScopeHome extends ConstructionHome {
  readonly events: ScopeEvents;
  readonly watch: ScopeWatch;
  /** Removes an ended scope from the open scopes. */
  retire(scope: Scope, end: ScopeEnd): void;
}

/** The scope behind the public `ProviderScope`. Until the scope is `closed`, `Construction` brings instances into it. */
export class Scope implements ProviderScope, WorkOwner {
  readonly kind: ScopeKind;
  readonly notice: ScopeNotice;
  readonly context: WorkContext;
  readonly watch: WatchedScope | undefined;
  /** False if the scope was opened during the shutdown by code that the drain doesn't wait for. */
  isAwaited = true;
  /** The tick that `currentTick()` returns; set by the runner. */
  tick: unknown;

  readonly #disposal: Disposal;
  readonly #construction: Construction;
  /** True once it is known whether the scope commits or rolls back. */
  #isJudged = false;
  #isEndedByItsOwnBuild = false;
  #mustShow: { readonly error: unknown } | undefined;
  /** The work passed to `waitFor()` that hasn't settled. */
  #work: Promise<void>[] = [];
  /** The errors of `waitFor()` work, in the order in which they occurred. */
  readonly #workErrors: unknown[] = [];
  #ending: Promise<JudgedEnd<ScopeVerdict>> | undefined;
  #endContext: WorkContext | undefined;
  #hasEnded = false;
  /** Undefined until code waits for the scope to end. */
  #end: Latch | undefined;

  readonly #strayFailed: ReturnType<typeof strayFailures>;

  constructor(
    private readonly details: ScopeDetails,
    private readonly home: ScopeHome,
    requestOf: (scope: Scope) => unknown,
  ) {
    const { kind, notice } = details;
    this.kind = kind;
    this.notice = notice;
    this.watch = home.watch.isOn ? home.watch.opened(details) : undefined;
    const strayFailed = (this.#strayFailed = strayFailures(notice, home.events));
    this.#disposal = new Disposal(home.ownership, (error) => strayFailed('late-disposer', error));
    this.#construction = new Construction(
      notice,
      this.watch === undefined ? details.plans : undefined,
      this.#disposal,
      this.watch,
      home,
    );
    this.context = new WorkContext(this, contextAround(), notice.tickId !== undefined);
    this.#construction.begin(requestOf(this));
  }

  get [IS_SCOPE](): true {
    return true;
  }

  get id(): string {
    return this.notice.scopeId;
  }

  get contextId(): ContextId {
    return this.#construction.contextId;
  }

  get closed(): boolean {
    return this.#construction.isClosed;
  }

  /** Undefined until `end()` is called. */
  get ending(): Promise<ScopeEnd> | undefined {
    return this.#ending;
  }

  /** Settles when the scope has ended; never rejects. */
  get ended(): Promise<unknown> {
    if (this.#hasEnded) return Promise.resolve();
    return (this.#end ??= new Latch()).opened;
  }

  /** Makes the scope refuse every further build, even if it isn't closed yet. */
  refuseToBuild(why: string): void {
    this.#construction.refusal ??= why;
  }

  resolve<T = unknown>(token: ScopeToken<T>, options?: { strict?: boolean }): Promise<T> {
    const within = options?.strict === true ? this.details.module : undefined;
    const place = within === undefined ? this.home.nest.placeOf(token) : undefined;
    const what = `resolve ${tokenText(token)}`;
    if (place !== undefined) return this.buildLater<T>(what, place);
    return this.load(what, () => this.home.nest.resolve<T>(token, this.contextId, within));
  }

  /** Resolves a token as the module of a worker sees it, or else from the whole application. */
  resolveFor<T>(worker: NestWrapper | undefined, token: unknown): Promise<T> {
    const seen = worker && seenProvider(worker.host!, token)?.host;
    return this.load(`resolve ${tokenText(token)}`, () =>
      this.home.nest.resolve<T>(token, this.contextId, seen),
    );
  }

  /**
   * Builds one provider of one module, and returns the instance itself, or the result of the application's `instanceDecorator`. The
   * runner gets its worker this way.
   *
   * @returns a promise, unless the provider has a plan that needs none.
   */
  build<T>(wrapper: NestWrapper): T | Promise<T> {
    const load = (): Promise<T & object> => this.home.nest.load(wrapper, this.contextId);
    // What a constructor puts into an AsyncLocalStorage must not leak to the code that requests the instance.
    const built = this.context.runIsolated(() =>
      this.#construction.build(`build ${String(wrapper.name)}`, wrapper, load),
    );
    if (this.watch?.guard === undefined) return built;
    return Promise.resolve(built).then((instance) =>
      bare(instance) === instance ? (this.watch!.bare(instance) as T) : instance,
    );
  }

  defer(cleanup: () => unknown): void {
    refuseNoFunction('defer', cleanup);
    if (this.#disposal.isDisposing) throw closedError(this.notice, 'register a cleanup');
    this.#disposal.defer(cleanup);
  }

  onCommit(hook: () => unknown): void {
    this.addHook('onCommit', hook, { onScopeCommit: hook });
  }

  onRollback(hook: (error: unknown) => unknown): void {
    this.addHook('onRollback', hook, { onScopeRollback: hook });
  }

  waitFor(work: PromiseLike<unknown>): void {
    if (!isThenable(work)) throw new TypeError(noPromise(work));
    if (this.#disposal.isDisposing) {
      void Promise.resolve(work).catch(() => undefined); // its rejection must not end the process
      throw closedError(this.notice, 'wait for work');
    }
    const failed = (error: unknown): void => void this.#workErrors.push(error);
    this.#work.push(Promise.resolve(work).then(() => undefined, failed));
  }

  /**
   * Reports an error that the library throws into the work, unless the scope ends with that error. If there are several such
   * errors, reports only the first.
   */
  mustShow(error: unknown): void {
    this.#mustShow ??= { error };
  }

  /**
   * Ends the scope: see `conclude` for the order.
   *
   * @param judge is called once all work has settled, unless the scope is already ending.
   */
  end<V extends ScopeVerdict>(judge: (workErrors: readonly unknown[]) => V): Promise<JudgedEnd<V>> {
    if (this.#ending === undefined) {
      this.#isEndedByItsOwnBuild = this.kind === 'open' && isPreparing(this.#construction);
      if (this.kind === 'open') this.#construction.isClosed = true;
      this.watch?.ending(this.end);
      // The scope ends inside its own work context, so that a hook or a disposer that closes the scope doesn't wait for itself.
      const { context } = this;
      this.#endContext = new WorkContext(this, context, context.isTickScope, true);
      this.#ending = this.#endContext.run(() => this.conclude(judge));
    }
    return this.#ending as Promise<JudgedEnd<V>>;
  }

  /**
   * Ends the scope in this order, the same for ticks and for standalone scopes:
   *
   * 1. everything passed to `waitFor` settles, as do pending builds;
   * 2. the work is judged: from here on, the verdict doesn't change, and nothing more is built;
   * 3. `onScopeCommit` or `onScopeRollback` runs, newest first, and the work that these hooks pass to `waitFor` settles;
   * 4. disposers and `defer` callbacks run, newest first.
   *
   * If a step fails, the next steps still run.
   */
  private async conclude(
    judge: (workErrors: readonly unknown[]) => ScopeVerdict,
  ): Promise<JudgedEnd<ScopeVerdict>> {
    const disposal = this.#disposal;
    await NEXT_MICROTASK; // from here on, the caller knows that the scope is ending
    // The condition spares most scopes a few turns of the microtask queue.
    if (this.hasWork || !this.#construction.areSettled) {
      do await this.settleWork();
      while (this.hasWork);
    }
    const judged = this.#workErrors.length;
    const verdict = judge(this.#workErrors.slice());
    const { thrown, others = [] } = verdict;
    this.#isJudged = true;
    this.#construction.isClosed = true;
    // If builds began after the work had settled, they must finish before anything is disposed.
    if (this.#construction.isUnderWay) await this.settleBuilds();

    let failure: ScopeEnd['failure'] = thrown && { error: thrown.error };
    for (const error of others) this.workFailed(error);
    const disposeErrors: unknown[] = [];
    if (disposal.hasHooks && thrown !== undefined)
      disposeErrors.push(...(await disposal.rollback(thrown.error)));
    if (disposal.hasHooks && thrown === undefined) {
      const commit = await disposal.commit();
      failure = commit.failure;
      disposeErrors.push(...commit.rollbackErrors);
    }

    // Work that was added after the verdict, by a hook for example, uses the instances as well.
    while (this.hasWork) await this.settleWork();
    disposeErrors.push(...this.#workErrors.slice(judged));

    this.#construction.takeBack();
    const startedAt = performance.now();
    const disposing = disposal.dispose(this.home.disposeTimeoutMs);
    if (disposing !== undefined)
      disposeErrors.push(...(isPromise(disposing) ? await disposing : disposing));
    const { built, disposed } = disposal;
    const disposeMs = disposing === undefined ? 0 : performance.now() - startedAt;
    const end = { verdict, failure, disposeErrors, built, disposed, disposeMs };
    if (failure !== undefined) readStacks(failure.error);
    for (const error of disposeErrors) readStacks(error);
    this.finish(end);
    return end;
  }

  /** Waits for `waitFor` work to settle, then for builds that weren't awaited. Both may add more work. */
  private async settleWork(): Promise<void> {
    while (this.hasWork) await Promise.all(this.#work.splice(0));
    await this.settleBuilds();
  }

  private async settleBuilds(): Promise<void> {
    if (!this.#isEndedByItsOwnBuild) await this.#construction.settle();
  }

  private get hasWork(): boolean {
    return this.#work.length > 0;
  }

  private workFailed(error: unknown): void {
    if (this.#mustShow !== undefined && leadsTo(error, this.#mustShow.error))
      this.#mustShow = undefined; // it is reported here
    this.#strayFailed('wait-for', error);
  }

  private finish(end: ScopeEnd): void {
    this.showHidden(end);
    this.#construction.end();
    this.home.retire(this, end);
    this.context.end();
    this.#endContext?.end();
    this.tick = undefined;
    this.watch?.ended();
    this.#hasEnded = true;
    this.#end?.open();
  }

  private showHidden({ failure, disposeErrors }: ScopeEnd): void {
    if (this.#mustShow === undefined) return;
    const { error } = this.#mustShow;
    const isShown = [failure?.error, ...disposeErrors].some((each) => leadsTo(each, error));
    if (!isShown) this.#strayFailed('refused-statement', error);
  }

  private addHook(method: string, hook: unknown, hooks: ScopeHooks): void {
    refuseNoFunction(method, hook);
    if (this.#isJudged) throw closedError(this.notice, `register a hook with ${method}()`);
    this.#disposal.hook(hooks);
  }

  /**
   * Works like `build()`, but calls no constructor before it returns. A plan runs in the callback of a promise, and no other code
   * sees the AsyncLocalStorage stores of that callback. So only a load by Nest has to be isolated.
   */
  private buildLater<T>(what: string, wrapper: NestWrapper): Promise<T> {
    const load = (): Promise<T> =>
      this.context.runIsolated(() => this.home.nest.load<T>(wrapper, this.contextId));
    return this.context.run(() => this.#construction.buildLater(what, wrapper, load));
  }

  private load<T>(what: string, start: () => Promise<T>): Promise<T> {
    // The instance belongs to this scope, even if code in an inner scope requests it. Code inside the build may close the scope;
    // closing must not wait for this build.
    return this.#construction.load(what, () => this.context.run(start));
  }

  /** Returns a short form, because loggers print a tick as JSON, and the tick's scope refers back to the tick. */
  toJSON(): object {
    return { id: this.id, closed: this.closed };
  }
}

/** Returns a function that reports errors which reach no other code. The function doesn't keep the scope alive. */
function strayFailures(
  { schedule, tickId }: ScopeNotice,
  events: ScopeEvents,
): (where: StrayFailure['where'], error: unknown) => void {
  return (where, error) => events.emit('failure:stray', { where, schedule, tickId, error });
}

/**
 * Returns the verdict on the work of a scope, given the errors of that work.
 *
 * @param thrown the error of the work itself. Each error of `waitFor` work is added to `others`, unless it is this error or one
 * of its causes.
 */
export function failureOf(
  workErrors: readonly unknown[],
  thrown?: { readonly error: unknown },
): ScopeVerdict {
  if (thrown !== undefined)
    return { thrown, others: workErrors.filter((error) => !leadsTo(thrown.error, error)) };
  return workErrors.length === 0 ? {} : { thrown: { error: combined(workErrors) } };
}

/** The end of the error text for a promise. */
const A_PROMISE =
  'a promise. Pass a function that starts the work; to wait for work that has begun, call scope.waitFor()';

function refuseNoFunction(method: string, value: unknown): void {
  const isGenerator = isGeneratorFunction(value);
  if (typeof value === 'function' && !isGenerator) return;
  if (isPromise(value)) value.catch(() => undefined); // its rejection must not end the process
  const found = isGenerator ? A_GENERATOR : isPromise(value) ? A_PROMISE : show(value);
  throw new TypeError(`scope.${method}() takes a function, not ${found}.`);
}

function noPromise(work: unknown): string {
  const help = ' Call the function, and pass the promise that it returns.';
  return `scope.waitFor() takes a promise, not ${show(work)}.${typeof work === 'function' ? help : ''}`;
}
