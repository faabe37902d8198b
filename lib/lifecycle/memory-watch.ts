import { Logger } from '@nestjs/common';
import { TickDispatcher } from '../tick/tick-dispatcher.js';
import { GrowthMeter } from '../memory/growth-meter.js';
import { DEFAULT_CHECK_EVERY_MS, type MemoryOptions } from '../memory/memory-options.js';
import { MIB, MemorySource } from '../memory/process-memory.js';
import { reachedText, thresholdText } from '../memory/memory-text.js';
import {
  Crossing,
  levelOf,
  thresholdOf,
  type MemoryCheck,
  type MemoryCrossing,
  type MemoryThreshold,
} from '../memory/memory-threshold.js';
import { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import { ModuleOptionsStore } from '../options/module-options-store.js';
import { fromEmptyContext } from '../scope/work-context.js';
import { AppStopper } from '../nest/app-stopper.js';
import type { LongRunning } from '../registry/long-running.js';

/** Runs the memory watch from start-up to shutdown, if the option `memory` is set. */
export class MemoryWatch implements LongRunning {
  readonly #logger = new Logger('ScopedWorker');
  #ends: (() => void)[] = [];

  constructor(
    private readonly options: ModuleOptionsStore,
    private readonly source: MemorySource,
    private readonly events: ScopedWorkerEvents,
    private readonly dispatcher: TickDispatcher,
    private readonly stopper: AppStopper,
  ) {}

  start(): void {
    const { memory } = this.options.resolved;
    if (memory === undefined) return;
    this.guarded(() => this.warnOfVainStop(memory));
    const meter = new GrowthMeter(this.source);
    this.#ends = [this.measure(meter), this.watch(memory, meter)];
  }

  stop(): void {
    for (const end of this.#ends.splice(0)) end();
  }

  private measure(meter: GrowthMeter): () => void {
    const offs = [
      this.events.on('tick:started', ({ schedule, id }) => meter.started(schedule, id)),
      this.events.on('tick:finished', ({ tickId }) => {
        if (!meter.ended(tickId)) return;
        // The tick is still on the stack. Without an empty context, its AsyncLocalStorage stores would stay alive.
        fromEmptyContext(() => setImmediate(() => meter.finish(tickId)));
      }),
      this.events.on('schedule:changed', ({ schedule, change }) => {
        if (change === 'removed') meter.forget(schedule);
      }),
    ];
    return () => {
      for (const off of offs) off();
      meter.end();
    };
  }

  private watch(memory: MemoryOptions, meter: GrowthMeter): () => void {
    const warn = onCrossing(thresholdOf(memory, 'warn'), (direction, crossing) =>
      this.events.emit(direction === 'up' ? 'memory:warning' : 'memory:recovered', crossing),
    );
    const stop = onCrossing(thresholdOf(memory, 'stop'), (direction, crossing) => {
      if (direction === 'down') return;
      clearInterval(timer); // the application must not be stopped twice
      this.events.emit('memory:stopping', crossing);
      this.dispatcher.close();
      void this.stopper.stop(`Memory: ${reachedText(crossing)}`);
    });
    const check = (): void => {
      meter.look();
      const found = { sample: this.source.sample(), schedules: meter.growing() };
      this.events.emit('memory:sampled', found);
      warn(found);
      stop(found);
    };
    const everyMs = memory.checkEveryMs ?? DEFAULT_CHECK_EVERY_MS;
    const timer = fromEmptyContext(() => setInterval(() => this.guarded(check), everyMs));
    timer.unref();
    return () => clearInterval(timer);
  }

  private guarded(look: () => void): void {
    try {
      look();
    } catch (error) {
      // Reading RSS opens a system file, which fails if no file handle is free. The next check tries again.
      const noTick = { schedule: undefined, tickId: undefined };
      this.events.emit('failure:stray', { where: 'memory', ...noTick, error });
    }
  }

  /** Warns about a `stopAtMb` that isn't below the process's memory limit, because the kernel would end the process earlier. */
  private warnOfVainStop(memory: MemoryOptions): void {
    const stop = thresholdOf(memory, 'stop');
    if (stop?.option !== 'stopAtMb') return;
    const limitMb = Math.floor(this.source.sample().limitBytes / MIB);
    if (stop.value >= limitMb)
      this.#logger.warn(
        `${thresholdText(stop)} can never be reached: this process can use only ${limitMb} MiB. Set a lower value.`,
      );
  }
}

/** Returns a function that calls `crossed` if the memory has crossed the threshold since the previous check. */
function onCrossing(
  threshold: MemoryThreshold | undefined,
  crossed: (direction: 'up' | 'down', crossing: MemoryCrossing) => void,
): (check: MemoryCheck) => void {
  if (threshold === undefined) return () => undefined;
  const level = new Crossing(threshold.value);
  return (check) => {
    const direction = level.see(levelOf(check.sample, threshold));
    if (direction !== undefined) crossed(direction, { ...check, threshold });
  };
}
