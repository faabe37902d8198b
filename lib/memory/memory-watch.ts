import { Crossing, levelOf, thresholdOf, type MemoryThreshold } from './memory-threshold.js';
import type { GrowthMeter } from './growth-meter.js';
import type { MemoryCrossing, MemoryCheck } from './memory-text.js';
import type { MemoryOptions } from './memory-options.js';
import type { MemorySource } from './memory-source.js';

/** Receives what the watch finds. */
export interface MemoryObserver {
  sampled(check: MemoryCheck): void;
  warned(crossing: MemoryCrossing): void;
  recovered(crossing: MemoryCrossing): void;
  /** Called at most once: the watch is over then. */
  stopReached(crossing: MemoryCrossing): void;
}

/** Compares samples with the thresholds of the options. */
export class MemoryWatch {
  readonly #warn: Watched | undefined;
  readonly #stop: Watched | undefined;
  #isOver = false;

  constructor(
    options: MemoryOptions,
    private readonly source: MemorySource,
    private readonly meter: GrowthMeter,
    private readonly observer: MemoryObserver,
  ) {
    this.#warn = watched(thresholdOf(options, 'warn'));
    this.#stop = watched(thresholdOf(options, 'stop'));
  }

  check(): void {
    if (this.#isOver) return;
    this.meter.look();
    const check = { sample: this.source.sample(), schedules: this.meter.growing() };
    this.observer.sampled(check);
    const warning = this.#warn?.see(check);
    if (warning !== undefined) {
      const crossing = { ...check, threshold: this.#warn!.threshold };
      if (warning === 'up') this.observer.warned(crossing);
      else this.observer.recovered(crossing);
    }
    if (this.#stop?.see(check) !== 'up') return;
    this.#isOver = true;
    this.observer.stopReached({ ...check, threshold: this.#stop.threshold });
  }
}

interface Watched {
  readonly threshold: MemoryThreshold;
  see(check: MemoryCheck): 'up' | 'down' | undefined;
}

function watched(threshold: MemoryThreshold | undefined): Watched | undefined {
  if (threshold === undefined) return undefined;
  const crossing = new Crossing(threshold.value);
  return { threshold, see: ({ sample }) => crossing.see(levelOf(sample, threshold)) };
}
