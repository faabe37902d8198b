import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { TickDispatcher } from '../tick/tick-dispatcher.js';
import type { TickReport } from '../tick/tick-report.js';
import { NestInside } from '../nest/index.js';
import { RunningEngine } from '../registry/running-engine.js';
import { ScheduleBook } from '../registry/schedule-book.js';
import { ScopedWorkerRegistry } from '../registry/scoped-worker-registry.js';
import type { Slot } from '../schedule/slot.js';
import { fromEmptyContext } from '../scope/ambient.js';
import { Announcement } from './announcement.js';
import { AppStopper } from '../nest/app-stopper.js';
import { BackgroundHost } from '../background/background-host.js';
import { ConsumerHost } from '../consumers/consumer-host.js';
import { Drain } from './drain.js';
import { MemoryHost } from './memory-host.js';
import { SchedulerRegistryBridge } from './scheduler-registry/scheduler-registry-bridge.js';
import { SignalHint } from './signal-hint.js';
import { StartUpSettled } from './start-up-settled.js';

/**
 * Starts the engine when start-up is complete, and stops it before anything of the application is destroyed: Nest initialises
 * and bootstraps its module last, and destroys it first.
 */
export class WorkerHost implements OnApplicationBootstrap, OnModuleDestroy {
  #state: 'idle' | 'started' | 'stopped' = 'idle';
  #stopping: Promise<void> | undefined;
  #settled: StartUpSettled | undefined;
  readonly #signalHint: SignalHint;

  constructor(
    private readonly nest: NestInside,
    private readonly book: ScheduleBook,
    private readonly dispatcher: TickDispatcher,
    private readonly runningEngine: RunningEngine,
    private readonly registry: ScopedWorkerRegistry,
    private readonly drain: Drain,
    private readonly bridge: SchedulerRegistryBridge,
    private readonly stopper: AppStopper,
    private readonly announce: Announcement,
    background: BackgroundHost,
    consumers: ConsumerHost,
    memory: MemoryHost,
  ) {
    // The watch sees what starts behind it.
    drain.longRunning = [memory, consumers, background];
    this.#signalHint = new SignalHint(nest);
  }

  async onApplicationBootstrap(): Promise<void> {
    // On Nest 11 `app.close()` during start-up does not wait for it.
    if (this.#state !== 'idle') return;
    this.#state = 'started';
    this.nest.isStarted = true;
    this.bridge.show(this.book.all);
    this.dispatcher.judge = (report, slot) => this.judge(report, slot);
    this.dispatcher.remember = (report, { schedule }) => this.book.remember(report, schedule);
    this.dispatcher.open();
    const settled = (this.#settled = new StartUpSettled(this.nest.http));
    await this.runningEngine.start(this.book.all, {
      fire: (slot) =>
        new Promise((done) =>
          settled.whenSettled(() => done(fromEmptyContext(() => this.fire(slot)))),
        ),
      missed: (slots) => slots.forEach((slot) => this.dispatcher.miss(slot)),
    });
    const isWorking = this.announce.whatRuns();
    // The engine may have taken its time, and the application may have been closed meanwhile.
    if (this.#state !== 'started') return;
    for (const work of this.drain.longRunning) settled.whenSettled(() => work.start());
    if (isWorking) settled.whenSettled(() => this.#signalHint.begin());
  }

  onModuleDestroy(): Promise<void> {
    this.#stopping ??= this.stop();
    return this.#stopping;
  }

  private async fire(slot: Slot): Promise<void> {
    // It may have been removed since it was due.
    if (!this.book.holds(slot.schedule)) return void this.dispatcher.skip(slot, 'removed');
    await this.dispatcher.dispatch(slot);
  }

  private async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#settled?.dispose();
    this.#signalHint.dispose();
    this.dispatcher.close();
    this.drain.begin();
    for (const work of this.drain.longRunning) work.stop();
    await this.runningEngine.stop();
    await this.drain.run();
  }

  private judge(report: TickReport, slot: Slot): void {
    const { schedule } = slot;
    if (report.outcome !== 'failed' && report.outcome !== 'timed-out') return;
    const { onFailure } = schedule.options;
    if (onFailure === 'pause' && this.book.holds(schedule))
      this.registry.pauseAfter(schedule.name, slot);
    if (onFailure !== 'stop-app' || this.#state !== 'started') return;
    this.dispatcher.close();
    fromEmptyContext(() => void this.stopper.stopAfterFailure(report.schedule));
  }
}
