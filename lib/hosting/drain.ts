import { RunningTicks } from '../execution/running-ticks.js';
import { ScopedWorkerEvents } from '../observability/scoped-worker-events.js';
import { OptionsStore } from '../options/options-store.js';
import { isInside } from '../scope/ambient.js';
import { OpenScopes } from '../scope/open-scopes.js';
import type { Scope } from '../scope/scope.js';
import type { LongRunning, Straggler } from './long-running.js';
import { SecondSignal } from './second-signal.js';

const REFUSAL = 'the application is shutting down.';

/**
 * Waits for running ticks, and for work in `ProviderScopeFactory.run()`, on shutdown: `drainTimeoutMs` without
 * aborting, then aborted, all of them together until `shutdownTimeoutMs` is over or a second signal comes.
 *
 * Work that asked for the shutdown itself (`await app.close()` in a handler) is aborted and not waited for.
 */
export class Drain {
  /** What else lives as long as the application. */
  longRunning: readonly LongRunning[] = [];

  constructor(
    private readonly running: RunningTicks,
    private readonly scopes: OpenScopes,
    private readonly options: OptionsStore,
    private readonly events: ScopedWorkerEvents,
  ) {}

  async run(): Promise<void> {
    const { drainTimeoutMs, shutdownTimeoutMs } = this.options.resolved;
    const startedAt = performance.now();
    const left = (): number => shutdownTimeoutMs - (performance.now() - startedAt);
    this.events.emit('shutdown:started', {
      waitingFor: namesOf(this.stragglers().filter(({ isBrief }) => isBrief !== true)),
    });

    const secondSignal = new SecondSignal();
    let leftOpen: string[] = [];
    try {
      if (drainTimeoutMs > 0)
        await this.wait(
          () => this.stragglers(),
          Math.min(drainTimeoutMs, shutdownTimeoutMs),
          secondSignal,
        );
      this.scopes.refuse(REFUSAL);
      for (const tick of this.running.all) tick.abort('shutdown');
      await this.wait(() => this.stragglers(), left(), secondSignal);
      leftOpen = this.disposeLeftOpen();
      await this.wait(() => this.stragglers(), left(), secondSignal);
    } finally {
      secondSignal.dispose();
    }
    const abandoned = namesOf(this.stragglers());
    this.events.emit('shutdown:finished', {
      waitedMs: performance.now() - startedAt,
      abandoned,
      leftOpen,
    });
  }

  /** Waits until there are no stragglers; ticks started by stragglers meanwhile are stragglers too. */
  private async wait(
    stragglers: () => Straggler[],
    timeoutMs: number,
    secondSignal: SecondSignal,
  ): Promise<void> {
    if (timeoutMs <= 0 || stragglers().length === 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeIsUp = new Promise<'give up'>((resolve) => {
      timer = setTimeout(() => resolve('give up'), timeoutMs);
    });
    const giveUp = Promise.race([timeIsUp, secondSignal.received.then(() => 'give up' as const)]);
    for (let rest = stragglers(); rest.length > 0; rest = stragglers()) {
      const settled = Promise.all(rest.map(({ done }) => done)).then(() => 'settled' as const);
      if ((await Promise.race([settled, giveUp])) === 'give up') break;
    }
    clearTimeout(timer);
  }

  private stragglers(): Straggler[] {
    const ticks = this.running.all
      .filter((running) => !running.isInside())
      .map(({ label, done }) => ({ name: label, done }));
    const byHand = [...this.scopes.all]
      .filter((scope) => scope.kind === 'run' || (scope.kind === 'open' && scope.closed))
      .filter((scope) => !isInside(scope))
      .map((scope) => ({ name: nameOf(scope), done: scope.ended }));
    return [...ticks, ...byHand, ...this.longRunning.flatMap((work) => work.stragglers())];
  }

  /** Scopes from `ProviderScopeFactory.open()` that nobody closed are disposed before the singletons go. */
  private disposeLeftOpen(): string[] {
    const leftOpen = [...this.scopes.all].filter((scope) => scope.kind === 'open' && !scope.closed);
    for (const scope of leftOpen) {
      scope[Symbol.asyncDispose]().catch((error: unknown) => {
        this.events.emit('failure:stray', {
          where: 'late-disposer',
          schedule: undefined,
          tickId: undefined,
          error,
        });
      });
    }
    return leftOpen.map((scope) => `${nameOf(scope)}`);
  }
}

function namesOf(stragglers: readonly Straggler[]): string[] {
  return stragglers.flatMap(({ name }) => name ?? []);
}

function nameOf(scope: Scope): string {
  return `ProviderScopeFactory.${scope.kind}() (${scope.id})`;
}
