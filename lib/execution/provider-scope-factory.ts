import { InvalidOptionsError } from '../errors/index.js';
import { runInside } from '../scope/ambient.js';
import { OpenScopes } from '../scope/open-scopes.js';
import type { ProviderScope } from '../scope/provider-scope.js';
import { combined, failureOf, isPartOf, throwAll } from '../scope/scope-end.js';
import { runProblems, slotByHand, type TickByHand } from './work-by-hand.js';
import { TickObserver } from './tick-observer.js';
import type { TickReport } from './tick-report.js';
import { TickRunner } from './tick-runner.js';
import type { Tick } from './tick.js';

/**
 * Opens scopes by hand: in a loop, a message handler of another library, a script. A singleton may
 * inject it and stays a singleton. Scopes open until the last shutdown hook of the application has run.
 *
 * @publicApi
 */
export class ProviderScopeFactory {
  constructor(
    private readonly scopes: OpenScopes,
    private readonly ticks: TickRunner,
    private readonly observer: TickObserver,
  ) {}

  /**
   * Opens a scope that the caller closes: `await using scope = await scopes.open()`, and `close()` when the work
   * has succeeded. A scope that is left open is rolled back and disposed when the application closes: before any
   * `onModuleDestroy`, or, when it was opened during the shutdown, after the last shutdown hook.
   *
   * @param seed.request What `REQUEST` gives in the scope.
   * @throws {ScopeClosedError} when the last shutdown hook of the application has run.
   */
  async open(seed?: { request?: unknown }): Promise<ProviderScope> {
    // Not `this.open`: a decoration of the factory gives another function.
    const opener = ProviderScopeFactory.prototype.open;
    return this.scopes.open({ kind: 'open', request: seed?.request, opener }).handOut();
  }

  /**
   * Runs `work` in a scope of its own and ends the scope with it: commit when it succeeds, rollback when it
   * throws, disposal either way. The shutdown waits for work that had begun before, and for what that work runs; work that
   * other code begins during the shutdown must be awaited in a shutdown hook by whoever began it.
   *
   * With a `name` it is a tick: `onOpen` and the hooks of `around` run, `REQUEST`, `@InjectTick()` and `currentTick()` return its
   * `Tick`, and it has a report, events and a line in the log when it fails. There is no retry and no overlap rule. Its signal is aborted by
   * `signal`, by `timeoutMs` and by the shutdown.
   *
   * @param options.request What `REQUEST` gives in the scope; not beside `name`.
   * @returns what `work` returns.
   * @throws what `work` throws; together with errors of disposal as one `AggregateError`, the error of
   * the work first. With a name: the error of the report, such as that of a hook, or `TickTimeoutError`.
   * @throws {ScopeClosedError} when the last shutdown hook of the application has run.
   * @throws {InvalidOptionsError} when the options cannot work; nothing runs then.
   */
  async run<T, P = undefined>(
    work: (scope: ProviderScope, tick: Tick<P>) => Promise<T> | T,
    options: TickByHand<P>,
  ): Promise<T>;
  async run<T>(
    work: (scope: ProviderScope) => Promise<T> | T,
    options?: { readonly request?: unknown; readonly name?: never },
  ): Promise<T>;
  async run<T>(
    work: (scope: ProviderScope, tick: Tick<never>) => Promise<T> | T,
    options: TickByHand | { readonly request?: unknown; readonly name?: never } = {},
  ): Promise<T> {
    const problems = runProblems(work, options);
    if (problems.length > 0) throw new InvalidOptionsError(problems);
    return options.name === undefined
      ? runInScope(this.scopes, work as (scope: ProviderScope) => Promise<T> | T, options.request)
      : runTick(this.ticks, this.observer, work, options);
  }
}

// Functions, not methods: a decoration of the factory would show them as steps of the user's.

async function runInScope<T>(
  scopes: OpenScopes,
  work: (scope: ProviderScope) => Promise<T> | T,
  request: unknown,
): Promise<T> {
  const scope = scopes.open({ kind: 'run', request, opener: ProviderScopeFactory.prototype.run });
  let value: T | undefined;
  let thrown: { error: unknown } | undefined;
  try {
    value = await runInside(scope.ambient, () => work(scope));
  } catch (error) {
    thrown = { error };
  }
  throwAll(await scope.end((workErrors) => thrown ?? failureOf(workErrors)));
  return value as T;
}

async function runTick<T>(
  ticks: TickRunner,
  observer: TickObserver,
  work: (scope: ProviderScope, tick: Tick<never>) => Promise<T> | T,
  { name, payload, timeoutMs, signal }: TickByHand,
): Promise<T> {
  const limit = timeoutMs === undefined ? {} : { timeoutMs };
  const slot = slotByHand(name, work, limit, (tick) => work(tick.scope, tick));
  const report = await ticks.run(slot, { payload, ...(signal && { signal }) });
  observer.tickFinished(report);
  return valueOf(report) as T;
}

/** @throws what the report says went wrong, as a scope by hand throws it. */
function valueOf({ outcome, value, error, disposeErrors }: TickReport): unknown {
  if (outcome === 'succeeded') return value;
  throw combined([error, ...disposeErrors.filter((other) => !isPartOf(other, error))]);
}
