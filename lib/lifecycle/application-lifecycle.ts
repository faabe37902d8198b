import { TickDispatcher } from '../tick/tick-dispatcher.js';
import { AppStopper } from '../nest/app-stopper.js';
import { NestInside } from '../nest/index.js';
import { RunningEngine } from '../registry/running-engine.js';
import { ScheduleBook } from '../registry/schedule-book.js';
import type { EngineSlot, Slot } from '../schedule/slot.js';
import { fromEmptyContext } from '../scope/work-context.js';
import { NEXT_MICROTASK } from '../util/event-loop.js';
import { Announcement } from './announcement.js';
import type { LongRunning } from '../registry/long-running.js';
import { Drain } from './drain.js';
import { SignalWarning } from './signals.js';
import { StartUpSettled } from './start-up-settled.js';

/**
 * Starts the engine when start-up is complete, and stops it before any part of the application is destroyed. Nest initializes and
 * bootstraps `HostingModule` last, and destroys it first.
 */
export class ApplicationLifecycle {
  #isStopped = false;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #settled: StartUpSettled | undefined;
  readonly #signalWarning: SignalWarning;

  constructor(
    private readonly nest: NestInside,
    private readonly book: ScheduleBook,
    private readonly dispatcher: TickDispatcher,
    private readonly runningEngine: RunningEngine,
    private readonly drain: Drain,
    private readonly announce: Announcement,
    private readonly longRunning: readonly LongRunning[],
    private readonly stopper: AppStopper,
  ) {
    this.#signalWarning = new SignalWarning(nest);
  }

  /**
   * Starts the engine and the long-running work. A second call returns the same promise: an engine that failed to start
   * isn't started again.
   */
  start(): Promise<void> {
    this.#starting ??= this.startOnce();
    return this.#starting;
  }

  /**
   * Stops the engine and drains. A second call returns the same promise. If the library is closing the application, the second
   * call waits until the process ends. Without that wait, both `close()` calls would run all hooks.
   */
  stop(): Promise<void> {
    if (this.#stopping !== undefined && this.stopper.isStopping) return this.stopper.exited;
    this.#stopping ??= this.stopAndDrain();
    return this.#stopping;
  }

  /**
   * Closes the scopes that are open after the last shutdown hook. Then ends the process, if the library is closing the
   * application.
   */
  async close(): Promise<void> {
    await this.drain.close();
    this.stopper.closed();
  }

  private async startOnce(): Promise<void> {
    // On Nest 11, `app.close()` doesn't wait for a start-up that is still running.
    if (this.#isStopped) return;
    this.nest.hasStarted = true;
    this.dispatcher.open();
    const settled = (this.#settled = new StartUpSettled(this.nest));
    await this.runningEngine.start(this.book.all, {
      fire: (slot) => {
        const fire = (): Promise<void> => fromEmptyContext(() => this.fire(slot));
        if (settled.isSettled) return fire();
        return new Promise((done) => {
          const later = (): void => done(fire());
          settled.whenSettled(later, later); // if the shutdown begins first, the slot is skipped; an engine may await this promise
        });
      },
      missed: (slots) => slots.forEach((slot) => this.dispatcher.miss(this.slotOf(slot))),
    });
    // The application may have been closed while the engine was starting.
    if (this.#isStopped) return;
    const isWorking = this.announce.whatRuns();
    for (const work of this.longRunning) settled.whenSettled(() => work.start());
    if (isWorking) settled.whenSettled(() => this.#signalWarning.begin());
  }

  private async fire(fired: EngineSlot): Promise<void> {
    const slot = this.slotOf(fired);
    if (this.book.holds(slot.schedule)) return void (await this.dispatcher.dispatch(slot));
    await NEXT_MICROTASK; // `remove()` may have fired the slot, and must finish first
    this.dispatcher.skip(slot, 'removed');
  }

  private slotOf(slot: EngineSlot): Slot {
    return { ...slot, schedule: this.book.known(slot.schedule) };
  }

  private async stopAndDrain(): Promise<void> {
    this.#isStopped = true;
    this.#signalWarning.dispose();
    this.dispatcher.close();
    this.drain.begin();
    this.#settled?.dispose();
    for (const work of this.longRunning) work.stop();
    this.runningEngine.stop();
    await this.drain.run();
  }
}
