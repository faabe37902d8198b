import { AppStopper } from '../nest/app-stopper.js';
import { ScheduleBook } from '../registry/schedule-book.js';
import type { ScopedWorkerRegistry } from '../registry/scoped-worker-registry.js';
import type { Slot } from '../schedule/slot.js';
import { fromEmptyContext } from '../scope/work-context.js';
import type { FailureObserver } from '../tick/tick-ports.js';
import type { TickDispatcher } from '../tick/tick-dispatcher.js';
import type { TickReport } from '../tick/tick-report.js';

/** The services that `OnFailure` calls. They are created later, because the dispatcher depends on `OnFailure`. */
export interface FailureTargets {
  readonly dispatcher: TickDispatcher;
  readonly registry: ScopedWorkerRegistry;
}

/** Applies the `onFailure` option of schedules. */
export class OnFailure implements FailureObserver {
  constructor(
    private readonly book: ScheduleBook,
    private readonly stopper: AppStopper,
    private readonly targets: () => FailureTargets,
  ) {}

  tickFailed({ outcome, schedule: name }: TickReport, slot: Slot): void {
    if (outcome !== 'failed' && outcome !== 'timed-out') return;
    const { dispatcher, registry } = this.targets();
    const { schedule } = slot;
    const { onFailure } = schedule.options;
    if (onFailure === 'pause' && this.book.holds(schedule))
      registry.pauseAfter(schedule.name, slot);
    if (onFailure !== 'stop-app' || !dispatcher.isOpen) return;
    dispatcher.close();
    fromEmptyContext(() => void this.stopper.stopAfterFailure(name));
  }
}
