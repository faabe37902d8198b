import { RunningTicks, RunningWork } from '../tick/running-ticks.js';
import { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import { ModuleOptionsStore } from '../options/module-options-store.js';
import { rollBackScope } from '../scope/scope-handle.js';
import { isInside } from '../scope/work-context.js';
import { OpenScopes } from '../scope/open-scopes.js';
import { SCOPE_KINDS } from '../scope/scope-ports.js';
import type { Scope } from '../scope/scope.js';
import type { LongRunning, Straggler } from '../registry/long-running.js';
import { Patience } from './patience.js';

const STOPPING = 'the application is shutting down.';
const CLOSED =
  'the last shutdown hook of the application has run. In a shutdown hook, stop the code that opens scopes, and await its work.';

/**
 * During the shutdown, waits for running ticks and for the work of `ProviderScopeFactory.run()`. Aborts ticks after
 * `drainTimeoutMs`, and stops waiting when `shutdownTimeoutMs` has elapsed or a second signal arrives.
 *
 * Standalone scopes can be opened until the last shutdown hook of the application has run. Only then does the library call
 * `Drain.close()`.
 *
 * Aborts work that itself requested the shutdown (`await app.close()` in a handler), and doesn't wait for that work.
 */
export class Drain {
  /** Limits the waits. Set by `run()`, which the shutdown calls before `close()`. */
  #patience = new Patience(0);
  /** The ticks and standalone scopes that `shutdown:finished` has reported as abandoned. */
  #abandoned: ReadonlySet<RunningWork | Scope> = new Set();
  #closing: Promise<void> | undefined;

  constructor(
    private readonly running: RunningTicks,
    private readonly scopes: OpenScopes,
    private readonly options: ModuleOptionsStore,
    private readonly events: ScopedWorkerEvents,
    private readonly longRunning: readonly Pick<LongRunning, 'interrupt' | 'stragglers'>[],
  ) {}

  /** Limits the wait to work that has already begun, and to any work that it starts. */
  begin(): void {
    this.running.beginShutdown();
    this.scopes.beginShutdown();
  }

  async run(): Promise<void> {
    const { drainTimeoutMs, shutdownTimeoutMs } = this.options.resolved;
    const startedAt = performance.now();
    const patience = (this.#patience = new Patience(shutdownTimeoutMs));
    const stragglers = (): Straggler[] => this.stragglers();
    const listeners = this.announce();
    const leftOpen = await patience.during(async () => {
      await patience.wait(listeners);
      for (const work of this.longRunning) work.interrupt?.();
      await patience.wait(stragglers, drainTimeoutMs);
      this.scopes.refuseToOpen(['tick'], STOPPING);
      this.scopes.refuseToBuild(['tick'], STOPPING);
      for (const tick of this.running.awaited) tick.abort('shutdown');
      return this.awaitAndDispose(stragglers, isAwaited);
    });
    this.#abandoned = new Set([...this.running.awaited, ...this.standaloneScopes(isAwaited)]);
    this.events.emit('shutdown:finished', {
      waitedMs: performance.now() - startedAt,
      abandoned: namesOf([...listeners(), ...stragglers()]),
      leftOpen,
    });
  }

  /**
   * Closes standalone scopes that are still open, within the remaining time of the drain. A second call returns the same promise.
   */
  close(): Promise<void> {
    this.#closing ??= this.endLeftOpen();
    return this.#closing;
  }

  private async endLeftOpen(): Promise<void> {
    const startedAt = performance.now();
    const isUnreported = (work: RunningWork | Scope): boolean => !this.#abandoned.has(work);
    const stragglers = (): Straggler[] => [
      ...ticksOf(this.running.everyTick.filter(isUnreported)),
      ...this.standaloneScopes(isUnreported).map(stragglerOf),
    ];
    this.scopes.refuseToOpen(SCOPE_KINDS, CLOSED);
    const leftOpen = await this.#patience.during(() =>
      this.awaitAndDispose(stragglers, isUnreported),
    );
    this.scopes.refuseToBuild(SCOPE_KINDS, CLOSED);
    this.events.emit('shutdown:closed', {
      waitedMs: performance.now() - startedAt,
      abandoned: namesOf(stragglers()),
      leftOpen,
    });
  }

  /** Emits `shutdown:started`. @returns a function that returns the listeners as one straggler while any of them is running. */
  private announce(): () => Straggler[] {
    const pending = this.events.announce('shutdown:started', {
      waitingFor: namesOf(this.stragglers().filter(({ isBrief }) => isBrief !== true)),
    });
    let isDone = pending.length === 0;
    const done = Promise.all(pending).then(() => (isDone = true));
    return () => (isDone ? [] : [{ name: 'a listener for shutdown:started', done }]);
  }

  private stragglers(): Straggler[] {
    const standalone = this.standaloneScopes(isAwaited).map(stragglerOf);
    const longRunning = this.longRunning.flatMap((work) => work.stragglers?.() ?? []);
    return [...ticksOf(this.running.awaited), ...standalone, ...longRunning];
  }

  /** Returns the standalone scopes that the shutdown needn't close: those from `run()`, and closed ones from `open()`. */
  private standaloneScopes(concerns: (scope: Scope) => boolean): Scope[] {
    return [...this.scopes.all]
      .filter((scope) => scope.kind === 'run' || (scope.kind === 'open' && scope.closed))
      .filter((scope) => concerns(scope) && !isInside(scope));
  }

  /**
   * Waits for the stragglers, then disposes scopes that were left open, and waits for their disposal.
   *
   * @returns the names of the scopes that were left open.
   */
  private async awaitAndDispose(
    stragglers: () => readonly Straggler[],
    concerns: (scope: Scope) => boolean,
  ): Promise<string[]> {
    await this.#patience.wait(stragglers);
    const leftOpen = this.disposeLeftOpen(concerns);
    // These scopes are closed now, so they are stragglers too.
    await this.#patience.wait(stragglers);
    return leftOpen;
  }

  /** Rolls back and disposes scopes from `ProviderScopeFactory.open()` that were never closed. */
  private disposeLeftOpen(concerns: (scope: Scope) => boolean): string[] {
    const leftOpen = [...this.scopes.all].filter(
      (scope) => scope.kind === 'open' && !scope.closed && concerns(scope),
    );
    for (const scope of leftOpen) {
      rollBackScope(scope).catch((error: unknown) => {
        const noTick = { schedule: undefined, tickId: undefined };
        this.events.emit('failure:stray', { where: 'late-disposer', ...noTick, error });
      });
    }
    return leftOpen.map(nameOf);
  }
}

function isAwaited(scope: Scope): boolean {
  return scope.isAwaited;
}

function ticksOf(running: readonly RunningWork[]): Straggler[] {
  return running
    .filter((tick) => !tick.isInside())
    .map(({ label, ended }) => ({ name: label, done: ended.opened }));
}

/** Describes a scope. A scope that the library opens for a list or a dead letter has no name: the surrounding work has one. */
function stragglerOf(scope: Scope): Straggler {
  const isPart = scope.context.outer?.owner instanceof RunningWork;
  return { name: isPart ? undefined : nameOf(scope), done: scope.ended };
}

function namesOf(stragglers: readonly Straggler[]): string[] {
  return stragglers.flatMap(({ name }) => name ?? []);
}

function nameOf(scope: Scope): string {
  return `ProviderScopeFactory.${scope.kind}() (${scope.id})`;
}
