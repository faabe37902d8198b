import { optionsProblems } from '../util/option-checks.js';
import { refuseInvalid } from '../errors/errors.js';
import { OpenScopes } from '../scope/open-scopes.js';
import type { OpenedScope, ProviderScope } from '../scope/provider-scope.interface.js';
import { ScopeHandle, throwAll } from '../scope/scope-handle.js';
import { combined, isPartOf } from '../errors/error-parts.js';
import { failureOf } from '../scope/scope.js';
import { runProblems, standaloneSlot, type StandaloneTick } from './standalone-tick.js';
import type { TickEvents } from './tick-ports.js';
import type { TickReport } from './tick-report.js';
import { TickRunner } from './tick-runner.js';
import type { Tick } from './tick.interface.js';

/**
 * Opens standalone scopes: in a loop, in another library's message handler, or in a script. A singleton that injects this factory
 * stays a singleton. You can open scopes until the last shutdown hook of the application has run.
 *
 * @publicApi
 */
export class ProviderScopeFactory {
  constructor(
    private readonly scopes: OpenScopes,
    private readonly ticks: TickRunner,
    private readonly events: TickEvents,
  ) {}

  /**
   * Opens a scope that you end: `await using scope = await scopes.open()`, and `await scope.complete()` when its work has
   * succeeded. When the application closes, the library rolls back and disposes a scope that is left open, before any
   * `onModuleDestroy`. If the scope was opened during the shutdown, the library does so after the last shutdown hook.
   *
   * @param seed.request the value of `REQUEST` in the scope.
   * @throws {ScopeClosedError} when the last shutdown hook of the application has run.
   * @throws {InvalidOptionsError} if an option doesn't exist.
   */
  async open(seed: { request?: unknown } = {}): Promise<OpenedScope> {
    refuseInvalid('ProviderScopeFactory.open()', optionsProblems(seed, ['request']));
    // This isn't `this.open`: a decorated factory has a different function there.
    const opener = ProviderScopeFactory.prototype.open;
    const scope = this.scopes.open({ kind: 'open', requestOf: () => seed.request, opener });
    const handle = new ScopeHandle(scope);
    scope.watch?.handedOut(handle, scope);
    return handle;
  }

  /**
   * Runs `work` in its own scope, and ends the scope when `work` has settled. Commits if the work succeeds, rolls back if it
   * throws, and disposes in both cases. The shutdown waits for work that began before it, and for work that such work starts. If
   * other code starts work during the shutdown, await it in a shutdown hook.
   *
   * With a `name`, the work is a tick: `onOpen` and the `around` hooks run, and `REQUEST`, `@InjectTick()` and `currentTick()`
   * provide its `Tick`. The tick has a report, events and, if it fails, a line in the log. It has no retry and no overlap rule.
   * `signal`, `timeoutMs` and the shutdown abort the tick's signal.
   *
   * @param options.request the value of `REQUEST` in the scope; can't be combined with `name`.
   * @returns the result of `work`.
   * @throws the error of `work`; if disposal fails too, an `AggregateError` that lists the error of `work` first. With a name: the
   * error of the report, such as the error of a hook, or `TickTimeoutError`.
   * @throws {ScopeClosedError} when the last shutdown hook of the application has run.
   * @throws {InvalidOptionsError} if the options are invalid; nothing runs.
   */
  async run<T, P = undefined>(
    work: (scope: ProviderScope, tick: Tick<P>) => Promise<T> | T,
    options: StandaloneTick<P>,
  ): Promise<T>;
  async run<T>(
    work: (scope: ProviderScope) => Promise<T> | T,
    options?: { readonly request?: unknown; readonly name?: never },
  ): Promise<T>;
  async run<T>(
    work: (scope: ProviderScope, tick: Tick<never>) => Promise<T> | T,
    options: StandaloneTick | { readonly request?: unknown; readonly name?: never } = {},
  ): Promise<T> {
    refuseInvalid('ProviderScopeFactory.run()', runProblems(work, options));
    return options.name === undefined
      ? runInScope(this.scopes, work as (scope: ProviderScope) => Promise<T> | T, options.request)
      : runTick(this.ticks, this.events, work, options);
  }
}

// These are functions, not methods: a decorated factory would report calls to methods as calls by the user.

async function runInScope<T>(
  scopes: OpenScopes,
  work: (scope: ProviderScope) => Promise<T> | T,
  request: unknown,
): Promise<T> {
  const opener = ProviderScopeFactory.prototype.run;
  const scope = scopes.open({ kind: 'run', requestOf: () => request, opener });
  let value: T | undefined;
  let thrown: { error: unknown } | undefined;
  try {
    value = await scope.context.run(() => work(scope));
  } catch (error) {
    thrown = { error };
  }
  throwAll(await scope.end((workErrors) => failureOf(workErrors, thrown)));
  return value as T;
}

async function runTick<T>(
  ticks: TickRunner,
  events: TickEvents,
  work: (scope: ProviderScope, tick: Tick<never>) => Promise<T> | T,
  { name, payload, timeoutMs, signal }: StandaloneTick,
): Promise<T> {
  const limit = timeoutMs === undefined ? {} : { timeoutMs };
  const slot = standaloneSlot(name, work, limit, (tick) => work(tick.scope, tick));
  const report = await ticks.run(slot, { payload, ...(signal && { signal }) });
  events.emit('tick:finished', report);
  return valueOf(report) as T;
}

/** Returns the value of a tick that succeeded. @throws the report's error, in the form in which a standalone scope throws it. */
function valueOf({ outcome, value, error, disposeErrors }: TickReport): unknown {
  if (outcome === 'succeeded') return value;
  throw combined([error, ...disposeErrors.filter((other) => !isPartOf(other, error))]);
}
