import type { TickDispatcher } from '../tick/tick-dispatcher.js';
import type { TickReport } from '../tick/tick-report.js';
import type { Delivery } from './source/message-source.js';
import type { StrayFailure } from '../errors/stray-failure.interface.js';
import type { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import type { ResolvedConsumer } from '../schedule/consumer-options.js';
import type { Schedule } from '../schedule/schedule.js';
import { Latch } from '../util/latch.js';
import {
  fromEmptyContext,
  isInside,
  runAs,
  WorkContext,
  type WorkOwner,
} from '../scope/work-context.js';
import { Backoff } from '../util/backoff.js';
import { pause } from '../util/pause.js';
import { yieldToEventLoop } from '../util/event-loop.js';
import type { Straggler } from '../registry/long-running.js';
import type { MessageSettler } from './message-settler.js';
import { SourceIteration, type IterationObserver } from './source-iteration.js';

const FIRST_REOPEN_MS = 100;
const LONGEST_REOPEN_MS = 30_000;

export type ConsumerSchedule = Schedule & { readonly consumer: ResolvedConsumer };

/** One message in progress. */
class Handling implements WorkOwner, Straggler {
  readonly isAwaited = true;
  /** Undefined while a tick runs for the message, because that tick is a straggler with its own name. */
  name: string | undefined;
  readonly end = new Latch();

  get done(): Promise<void> {
    return this.end.opened;
  }
}

/** Reads one source, message by message, and runs a tick for each message. */
export class ConsumerLoop implements IterationObserver, WorkOwner {
  readonly isAwaited = true;
  readonly #stopping = new AbortController();
  readonly #backoff = new Backoff(FIRST_REOPEN_MS, LONGEST_REOPEN_MS);
  readonly #handlings = new Set<Handling>();
  #loop: Promise<void> = Promise.resolve();
  #isReading = false;
  #iteration: SourceIteration | undefined;
  /** Called when a message is settled, when the consumer is resumed, and when the consumer stops. */
  #wake: () => void = () => undefined;

  constructor(
    /** The schedule in the `ScheduleBook`, not a copy: a removed schedule must not be mistaken for a new one with the same name. */
    private readonly schedule: ConsumerSchedule,
    private readonly dispatcher: TickDispatcher,
    private readonly settler: MessageSettler,
    private readonly events: ScopedWorkerEvents,
  ) {}

  start(): void {
    this.#loop = fromEmptyContext(() => runAs(this, () => this.read()));
  }

  stop(why: string): void {
    this.#stopping.abort();
    this.#iteration?.stop(why);
    this.#wake();
  }

  /** Makes the loop continue after the consumer has been resumed. */
  wake(): void {
    this.#wake();
  }

  stragglers(): Straggler[] {
    const handlings = [...this.#handlings].filter((handling) => !isInside(handling));
    // A source that calls `app.close()` may itself be waiting for the shutdown.
    if (!this.#isReading || isInside(this)) return handlings;
    const source = { name: `${this.schedule.name} (its source)`, isBrief: true, done: this.#loop };
    return [...handlings, source];
  }

  late(delivery: Delivery): void {
    void this.hold((handling) => this.giveBack(delivery, handling));
  }

  listenerFailed(error: unknown): void {
    this.stray('abort-listener', error);
  }

  endFailed(error: unknown): void {
    this.stray('source', error);
  }

  /** Reads until the consumer stops. Opens the source again when it ends or fails; never rejects. */
  private async read(): Promise<void> {
    this.#isReading = true;
    while (!this.isStopped) {
      let error: unknown;
      try {
        await this.readToEnd();
      } catch (thrown) {
        error = thrown ?? new Error('The source failed without an error.');
      }
      if (this.isStopped) {
        // The source isn't read again, so `source:failed` doesn't report the error.
        if (error !== undefined) this.#iteration!.failedToEnd(error);
        break;
      }
      const reopenInMs = this.#backoff.next();
      this.events.emit('source:failed', { schedule: this.schedule.name, error, reopenInMs });
      await pause(reopenInMs, this.#stopping.signal);
    }
    this.#isReading = false;
  }

  /** Reads until the source ends or the consumer stops. Requests a message only when a tick can start for it immediately. */
  private async readToEnd(): Promise<void> {
    const { name, consumer } = this.schedule;
    const iteration = (this.#iteration = new SourceIteration(name, consumer.source, this));
    try {
      for (;;) {
        await this.untilFree();
        if (this.isStopped) return;
        const delivery = await iteration.next();
        if (delivery === undefined) return;
        this.#backoff.reset();
        void this.hold((handling) => this.handle(delivery, handling));
        const pending = yieldToEventLoop();
        if (pending !== undefined) await pending;
      }
    } finally {
      await iteration.end();
      // The source may close its connection in onModuleDestroy. A message that arrived after that couldn't go back to its source.
      if (this.isStopped) await iteration.ended;
    }
  }

  /** @param work must not reject. */
  private async hold(work: (handling: Handling) => Promise<void>): Promise<void> {
    const handling = new Handling();
    this.#handlings.add(handling);
    const context = new WorkContext(handling, undefined);
    // The AsyncLocalStorage context of the source must not leak into the tick.
    await fromEmptyContext(() => context.run(() => work(handling)));
    this.#handlings.delete(handling); // before the latch opens: a shutdown that the work began must not wait for the work
    context.end();
    handling.end.open();
    this.#wake();
  }

  private async handle(delivery: Delivery, handling: Handling): Promise<void> {
    const { schedule, dispatcher, settler } = this;
    if (settler.isSpent(delivery) && !dispatcher.isPaused(schedule)) {
      handling.name = this.nameOf(delivery);
      return settler.putSpentAside(delivery);
    }
    const report = await dispatcher.dispatch(
      { schedule, scheduledAt: new Date(), trigger: 'message', messageId: delivery.id },
      { payload: delivery.body, conclude: (report) => settler.settle(delivery, report) },
    );
    if (report.outcome === 'skipped' && report.reason !== 'already-done')
      await this.giveBack(delivery, handling, report);
  }

  private giveBack(delivery: Delivery, handling: Handling, report?: TickReport): Promise<void> {
    handling.name = this.nameOf(delivery);
    return this.settler.giveBack(delivery, report);
  }

  private nameOf({ id }: Delivery): string {
    return `${this.schedule.name} (message ${id})`;
  }

  /** Waits until another tick can start, or until the consumer stops. */
  private async untilFree(): Promise<void> {
    while (!this.isStopped && !this.isFree)
      await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  private get isFree(): boolean {
    const { schedule, dispatcher } = this;
    return this.#handlings.size < schedule.consumer.concurrency && !dispatcher.isPaused(schedule);
  }

  private get isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  private stray(where: StrayFailure['where'], error: unknown): void {
    const { name: schedule } = this.schedule;
    this.events.emit('failure:stray', { where, schedule, tickId: undefined, error });
  }
}
