import { exploreBackground } from '../discovery/background-explorer.js';
import { NestInside } from '../nest/index.js';
import { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import { AppStopper } from '../nest/app-stopper.js';
import type { LongRunning, Straggler } from '../registry/long-running.js';
import { BackgroundLoop } from './background-loop.js';
import type { BackgroundWorker } from './background-worker.js';

/** Runs the background workers of the application. */
export class BackgroundHost implements LongRunning {
  #lives: readonly BackgroundLoop[] = [];

  constructor(
    private readonly nest: NestInside,
    private readonly events: ScopedWorkerEvents,
    private readonly stopper: AppStopper,
  ) {}

  start(): void {
    this.#lives = exploreBackground(this.nest.modules.values()).workers.map(
      ({ name, instance }) =>
        new BackgroundLoop(name, instance as BackgroundWorker, this.events, this.stopper),
    );
    for (const life of this.#lives) life.start();
  }

  stop(): void {
    for (const life of this.#lives) life.stop();
  }

  interrupt(): void {
    for (const life of this.#lives) life.interrupt();
  }

  stragglers(): Straggler[] {
    return this.#lives.flatMap((life) => life.stragglers());
  }
}
