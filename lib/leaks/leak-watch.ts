import { Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { NestInside, StaticHoldings } from '../nest/index.js';
import { OptionsStore } from '../options/options-store.js';
import { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import type { ScopeSeed, ScopeWatch, WatchedScope } from '../scope/scope-ports.js';
import { LeakDetector } from './leak-detector.js';

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
