import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { TickDispatcher } from '../execution/tick-dispatcher.js';
import type { TickReport } from '../execution/tick-report.js';
import { NestInside } from '../nest/index.js';
import { ScopedWorkerEvents } from '../observability/scoped-worker-events.js';
import { RunningEngine } from '../registry/running-engine.js';
import { ScheduleBook } from '../registry/schedule-book.js';
import { ScopedWorkerRegistry } from '../registry/scoped-worker-registry.js';
import type { Slot } from '../schedule/slot.js';
import { fromEmptyContext } from '../scope/ambient.js';
import { Announcement } from './announcement.js';
import { AppStopper } from './app-stopper.js';
import { Drain } from './drain.js';
import { SchedulerRegistryBridge } from './scheduler-registry-bridge.js';
import { StartUpSettled } from './start-up-settled.js';

/**
 * Starts the engine when start-up is complete, and stops it before anything of the application is
 * destroyed: its module is the last to bootstrap and the first to be destroyed.
 */
@Injectable()
export class WorkerHost implements OnApplicationBootstrap, OnModuleDestroy {
  #state: 'idle' | 'started' | 'stopped' = 'idle';
  #hasEngine = false;
  #stopping: Promise<void> | undefined;
  #startUp: StartUpSettled | undefined;

  constructor(
    private readonly nest: NestInside,
    private readonly book: ScheduleBook,
    private readonly dispatcher: TickDispatcher,
    private readonly runningEngine: RunningEngine,
    private readonly registry: ScopedWorkerRegistry,
    private readonly events: ScopedWorkerEvents,
    private readonly drain: Drain,
    private readonly bridge: SchedulerRegistryBridge,
    private readonly stopper: AppStopper,
    private readonly announce: Announcement,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    // On Nest 11 `app.close()` during start-up does not wait for it.
    if (this.#state !== 'idle') return;
    this.#state = 'started';
    this.nest.isStarted = true;
    this.bridge.show(this.book.all);
    this.dispatcher.judge = (report) => this.judge(report);
    this.dispatcher.open();
    const startUp = (this.#startUp = new StartUpSettled(this.nest.http));
    const { engine } = this.runningEngine;
    await engine.start(this.book.all, {
      fire: (slot) =>
        new Promise((done) =>
          startUp.whenSettled(() => done(fromEmptyContext(() => this.fire(slot)))),
        ),
      missed: (slots) => slots.forEach((slot) => this.dispatcher.skip(slot, 'missed')),
    });
    // An engine that refused to start may be another application's: it is not ours to stop.
    this.#hasEngine = true;
    this.announce.schedules();
  }

  onModuleDestroy(): Promise<void> {
    this.#stopping ??= this.stop();
    return this.#stopping;
  }

  private async fire(slot: Slot): Promise<void> {
    await this.dispatcher.dispatch(slot);
  }

  private async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#startUp?.dispose();
    this.dispatcher.close();
    try {
      if (this.#hasEngine) await this.runningEngine.engine.stop();
    } catch (error) {
      this.engineFailed(error); // the ticks in flight must be drained all the same
    }
    await this.drain.run();
  }

  private judge(report: TickReport): void {
    this.book.remember(report);
    if (report.outcome !== 'failed' && report.outcome !== 'timed-out') return;
    const { onFailure } = this.book.get(report.schedule).options;
    if (onFailure === 'pause') this.pause(report.schedule);
    if (onFailure !== 'stop-app' || this.#state !== 'started') return;
    this.dispatcher.close();
    fromEmptyContext(() => void this.stopper.stop(report.schedule));
  }

  /** A lost store must not keep the tick from being reported. */
  private pause(schedule: string): void {
    try {
      this.registry.pause(schedule);
    } catch (error) {
      this.engineFailed(error);
    }
  }

  private engineFailed(error: unknown): void {
    this.events.emit('failure:stray', {
      where: 'engine',
      schedule: undefined,
      tickId: undefined,
      error,
    });
  }
}
