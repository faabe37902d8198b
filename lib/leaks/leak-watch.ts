import { Logger } from '@nestjs/common';
import type { StaticHoldings } from '../nest/index.js';
import { ModuleOptionsStore } from '../options/module-options-store.js';
import { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import type { ScopeDetails, ScopeWatch, WatchedScope } from '../scope/scope-ports.js';
import { performance } from 'node:perf_hooks';
import { fromEmptyContext } from '../scope/work-context.js';
import { CallGuard } from './call-guard.js';
import { DroppedScopes, LeakWatchedScope, type Following } from './watched-scope.js';
import { SurvivorFinder } from './survivor-finder.js';
import { FullCollectionObserver } from '../util/garbage-collections.js';
import type { Origin } from './survivor-counts.js';

/** Looks for leaks from the first scope until shutdown. Does nothing if `leakDetection` isn't set. */
export class LeakWatch implements ScopeWatch {
  isOn = true; // until the options are known
  #following: Following | undefined;
  #collections: FullCollectionObserver | undefined;
  #isStopped = false;

  constructor(
    private readonly options: ModuleOptionsStore,
    private readonly events: ScopedWorkerEvents,
    private readonly statics: StaticHoldings,
  ) {
    events.on('schedule:changed', ({ schedule, change }) => {
      if (change === 'removed') this.#following?.finder.forget(schedule);
    });
    events.on('shutdown:finished', () => {
      this.#isStopped = true;
      this.#collections?.stop();
    });
  }

  /** Turns leak detection off if `leakDetection` isn't set. Called as soon as the options are known. */
  start(): void {
    const { leakDetection } = this.options.resolved;
    this.isOn = leakDetection !== undefined;
    if (leakDetection === undefined) return;
    const { sample, graceMs, strict } = leakDetection;
    new Logger('ScopedWorker').log(
      `Leak detection is on (sample ${sample}, graceMs ${graceMs}${strict ? ', strict' : ''}).`,
    );
  }

  opened({ notice, opener }: ScopeDetails): WatchedScope | undefined {
    const { leakDetection } = this.options.resolved;
    if (leakDetection === undefined) return undefined;
    const { sample, graceMs, strict } = leakDetection;
    if (this.#isStopped && (this.#following === undefined || !strict)) return undefined;
    const following = (this.#following ??= this.begin(graceMs));
    const isSampled =
      !this.#isStopped && !following.finder.isFull && (sample === 1 || Math.random() < sample);
    const place = opener && isSampled ? placeOfCall(opener) : undefined;
    const origin: Origin = { ...notice, place };
    const calls = strict
      ? new CallGuard(origin, (call) => fromEmptyContext(() => this.events.emit('leak:call', call)))
      : undefined;
    return new LeakWatchedScope(origin, following, isSampled, calls);
  }

  /** Begins to follow scopes. Called only for the first scope: options may arrive late, and observing collections has a cost. */
  private begin(graceMs: number): Following {
    const finder = new SurvivorFinder(graceMs, (instance) => this.statics.holds(instance));
    const collections = (this.#collections = new FullCollectionObserver(() => {
      const found = finder.sweep(collections.enoughSince, performance.now());
      for (const leak of found) fromEmptyContext(() => this.events.emit('leak:found', leak));
    }));
    const dropped = new DroppedScopes((leaked) => {
      if (!this.#isStopped) fromEmptyContext(() => this.events.emit('leak:scope', leaked));
    });
    return { finder, dropped };
  }
}

/** The maximum number of frames that Nest Observe adds between the caller and the called method. */
const MOST_OF_DECORATOR = 6;

/**
 * Returns where a function on the stack was called, as `file:line:column`; undefined if the stack doesn't show it. Leaves out the
 * name of the caller, because source maps change it.
 *
 * Reads the stack immediately, because an error with an unread stack keeps the `this` of each frame alive.
 */
function placeOfCall(callee: Function): string | undefined {
  const limit = Error.stackTraceLimit;
  const holder: { stack?: string } = {};
  try {
    Error.stackTraceLimit = 1 + MOST_OF_DECORATOR;
    Error.captureStackTrace(holder, callee);
    if (typeof holder.stack !== 'string') return undefined;
    const frames = holder.stack.split('\n').filter((line) => /^\s+at /.test(line));
    const caller = frames.find((frame) => !isOfDecorator(frame, callee)) ?? frames[0];
    return /^\s+at (?:.*\()?([^()\n]+)\)?$/.exec(caller ?? '')?.[1];
  } catch {
    return undefined; // the application's `Error.prepareStackTrace` has thrown
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** Returns true for a frame that Nest Observe adds: one with the name of the wrapped method, or one in AsyncLocalStorage. */
function isOfDecorator(frame: string, { name }: Function): boolean {
  return frame.includes(`at ProviderScopeFactory.${name} (`) || frame.includes('(node:');
}
