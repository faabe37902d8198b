import { Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { NestInside, StaticHoldings } from '../nest/index.js';
import { OptionsStore } from '../options/options-store.js';
import { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import type { ScopeSeed, ScopeWatch, WatchedScope } from '../scope/scope-ports.js';
import { performance } from 'node:perf_hooks';
import type { LeakDetectionOptions } from '../options/leak-options.js';
import { fromEmptyContext } from '../scope/work-context.js';
import { CallGuard } from './call-guard.js';
import { DroppedScopes, FollowedScope, type Following } from './followed-scope.js';
import { EndedScopes } from './ended-scopes.js';
import { MajorCollections } from '../util/garbage-collections.js';
import type { Origin } from './survivors.js';

/** Looks for leaks if `leakDetection` is set, and does nothing otherwise. */
export class LeakWatch implements ScopeWatch, OnApplicationBootstrap {
  #detector: LeakDetector | undefined;
  #isStopped = false;
  isOn = true; // until the options are known
  readonly #statics: StaticHoldings;

  constructor(
    private readonly options: OptionsStore,
    private readonly events: ScopedWorkerEvents,
    nest: NestInside,
  ) {
    this.#statics = new StaticHoldings(nest);
    events.on('schedule:changed', ({ schedule, change }) => {
      if (change === 'removed') this.#detector?.forget(schedule);
    });
    events.on('shutdown:finished', () => {
      this.#isStopped = true;
      this.#detector?.stop();
    });
  }

  onApplicationBootstrap(): void {
    const { leakDetection } = this.options.resolved;
    this.isOn = leakDetection !== undefined;
    if (leakDetection === undefined) return;
    const { sample, graceMs, strict } = leakDetection;
    new Logger('ScopedWorker').log(
      `Leak detection is on (sample ${sample}, graceMs ${graceMs}${strict ? ', strict' : ''}).`,
    );
  }

  opened(seed: ScopeSeed): WatchedScope | undefined {
    return this.detector?.opened(seed);
  }

  /** Created with the first scope: options may arrive late, and the observer of collections has a cost. */
  private get detector(): LeakDetector | undefined {
    if (this.#detector === undefined && !this.#isStopped) {
      const { leakDetection } = this.options.resolved;
      if (leakDetection !== undefined)
        this.#detector = new LeakDetector(leakDetection, this.events, (instance) =>
          this.#statics.holds(instance),
        );
    }
    return this.#detector;
  }
}

/** Looks for leaks of one application, from its first scope to its shutdown. */
class LeakDetector {
  readonly #following: Following;
  readonly #collections: MajorCollections;
  #isStopped = false;

  constructor(
    private readonly options: Required<LeakDetectionOptions>,
    private readonly events: ScopedWorkerEvents,
    isHeld: (instance: object) => boolean,
  ) {
    this.#collections = new MajorCollections(() => this.sweep());
    this.#following = {
      ended: new EndedScopes(options.graceMs, isHeld),
      dropped: new DroppedScopes((leaked) => {
        if (!this.#isStopped) fromEmptyContext(() => events.emit('leak:scope', leaked));
      }),
    };
  }

  opened({ notice, opener }: ScopeSeed): WatchedScope | undefined {
    const { strict } = this.options;
    const isSampled = this.isChosen();
    if (this.#isStopped && !strict) return undefined;
    const place = opener && isSampled ? placeOfCall(opener) : undefined;
    const origin: Origin = { ...notice, place };
    const calls = strict
      ? new CallGuard(origin, (call) => fromEmptyContext(() => this.events.emit('leak:call', call)))
      : undefined;
    return new FollowedScope(origin, this.#following, isSampled, calls);
  }

  forget(schedule: string): void {
    this.#following.ended.forget(schedule);
  }

  stop(): void {
    this.#isStopped = true;
    this.#collections.stop();
  }

  private isChosen(): boolean {
    if (this.#isStopped || this.#following.ended.isFull) return false;
    return this.options.sample === 1 || Math.random() < this.options.sample;
  }

  private sweep(): void {
    const { enoughSince } = this.#collections;
    const found = this.#following.ended.sweep(enoughSince, performance.now());
    for (const leak of found) fromEmptyContext(() => this.events.emit('leak:found', leak));
  }
}

/** The maximum number of frames that Nest Observe adds between the caller and the called method. */
const MOST_OF_DECORATOR = 6;

/**
 * Returns where a function on the stack was called, as `file:line:column`; undefined if the stack doesn't show it. Leaves out the
 * name of the caller, because source maps change it.
 *
 * Reads the stack at once, because an error with an unread stack keeps the `this` of each frame alive.
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

/** True for a frame of Nest Observe, which has the name of the wrapped method or runs in AsyncLocalStorage. */
function isOfDecorator(frame: string, { name }: Function): boolean {
  return frame.includes(`at ProviderScopeFactory.${name} (`) || frame.includes('(node:');
}
