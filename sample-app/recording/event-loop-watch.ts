import { Injectable, Scope } from '@nestjs/common';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

const NANOSECONDS_PER_MS = 1e6;

/**
 * Measures the delay of the event loop for one tick. While enabled, it holds a system timer: without its disposer, every tick
 * would leave one behind.
 */
@Injectable({ scope: Scope.REQUEST })
export class EventLoopWatch implements Disposable {
  static readonly resolutionMs = 10;
  readonly #histogram = monitorEventLoopDelay({ resolution: EventLoopWatch.resolutionMs });

  /** Measures for some time. The histogram counts from timer to timer, so its resolution is subtracted. */
  async averageDelayMs(forMs: number, signal: AbortSignal): Promise<number> {
    this.#histogram.enable();
    await delay(forMs, undefined, { signal });
    const { mean } = this.#histogram;
    return Number.isNaN(mean)
      ? 0
      : Math.max(0, mean / NANOSECONDS_PER_MS - EventLoopWatch.resolutionMs);
  }

  [Symbol.dispose](): void {
    this.#histogram.disable();
  }
}
