import { Injectable } from '@nestjs/common';
import type { Tick } from './tick.js';

/** Why a tick was aborted from outside. */
export type AbortCause = 'shutdown' | 'cancel';

/** A tick that has been fired and not yet reported. */
export interface RunningTick {
  readonly tick: Tick;
  /** Settles when the report is out; never rejects. */
  readonly done: Promise<unknown>;
  abort(cause: AbortCause): void;
}

/** The ticks that run at this moment. */
@Injectable()
export class RunningTicks {
  readonly #running = new Set<RunningTick>();

  add(running: RunningTick): void {
    this.#running.add(running);
    void running.done.then(() => this.#running.delete(running));
  }

  get all(): readonly RunningTick[] {
    return [...this.#running];
  }

  of(schedule: string): readonly RunningTick[] {
    return this.all.filter(({ tick }) => tick.schedule === schedule);
  }

  get count(): number {
    return this.#running.size;
  }
}
