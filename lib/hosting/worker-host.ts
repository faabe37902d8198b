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
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    // On Nest 11 `app.close()` during start-up does not wait for it.
    if (this.#state !== 'idle') return;
    this.#state = 'started';
    this.bridge.show(this.book.all);
    this.events.on('tick:finished', (report) => this.book.remember(report));
    this.dispatcher.judge = (report) => this.judge(report);
    this.dispatcher.open();
    const startUp = (this.#startUp = new StartUpSettled(this.nest.http));
    await this.runningEngine.engine.start(this.book.all, {
      fire: (slot) =>
        new Promise((done) =>
          startUp.whenSettled(() => done(fromEmptyContext(() => this.fire(slot)))),
        ),
      missed: (slots) => slots.forEach((slot) => this.dispatcher.skip(slot, 'missed')),
    });
  }

  onModuleDestroy(): Promise<void> {
    this.#stopping ??= this.stop();
    return this.#stopping;
  }

  private async fire(slot: Slot): Promise<void> {
    await this.dispatcher.dispatch(slot);
  }

  private async stop(): Promise<void> {
    const wasStarted = this.#state === 'started';
    this.#state = 'stopped';
    this.#startUp?.dispose();
    this.dispatcher.close();
    try {
      if (wasStarted) await this.runningEngine.engine.stop();
    } catch (error) {
      // The ticks in flight must be drained all the same.
      this.events.emit('failure:stray', {
        where: 'engine',
        schedule: undefined,
        tickId: undefined,
        error,
      });
    }
    await this.drain.run();
  }

  private judge(report: TickReport): void {
    if (report.outcome !== 'failed' && report.outcome !== 'timed-out') return;
    const { onFailure } = this.book.get(report.schedule).options;
    if (onFailure === 'pause') this.registry.pause(report.schedule);
    if (onFailure !== 'stop-app' || this.#state !== 'started') return;
    this.dispatcher.close();
    fromEmptyContext(() => void this.stopper.stop(report.schedule));
  }
}
