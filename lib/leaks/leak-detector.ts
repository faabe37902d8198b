import { performance } from 'node:perf_hooks';
import type { LeakDetectionOptions } from '../options/leak-options.js';
import type { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import { fromEmptyContext } from '../scope/work-context.js';
import type { ScopeSeed, WatchedScope } from '../scope/scope-ports.js';
import { CallGuard } from './call-guard.js';
import { DroppedScopes } from './dropped-scopes.js';
import { EndedScopes } from './ended-scopes.js';
import { FollowedScope, type Following } from './followed-scope.js';
import { MajorCollections } from '../v8/collections.js';
import { placeOfCall } from './place.js';
import type { Origin } from './survivors.js';

/** Looks for leaks of one application, from its first scope to its shutdown. */
export class LeakDetector {
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

  opened({ id: scopeId, schedule, tickId, opener }: ScopeSeed): WatchedScope | undefined {
    const { strict } = this.options;
    const isSampled = this.isChosen();
    if (this.#isStopped && !strict) return undefined;
    const place = opener && isSampled ? placeOfCall(opener) : undefined;
    const origin: Origin = { scopeId, schedule, tickId, place };
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
