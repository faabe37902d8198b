import { TickDispatcher } from '../tick/tick-dispatcher.js';
import type { ScheduleChange } from '../events/event-map.js';
import { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import { ScheduleBook } from '../registry/schedule-book.js';
import { isDisabled, type Schedule } from '../schedule/schedule.js';
import type { ProviderScope } from '../scope/provider-scope.interface.js';
import type { Scope } from '../scope/scope.js';
import { ProviderScopeFactory } from '../tick/provider-scope-factory.js';
import type { LongRunning, Straggler } from '../registry/long-running.js';
import { ConsumerLoop, type ConsumerSchedule } from './consumer-loop.js';
import { MessageSettler } from './message-settler.js';

/** Runs the consumers of the application. */
export class ConsumerHost implements LongRunning {
  /** All started consumers by name, including removed ones, which may still be handling a message. */
  readonly #consumers = new Map<string, ConsumerLoop>();

  constructor(
    private readonly book: ScheduleBook,
    private readonly dispatcher: TickDispatcher,
    private readonly scopes: ProviderScopeFactory,
    private readonly events: ScopedWorkerEvents,
  ) {}

  start(): void {
    this.events.on('schedule:changed', (change) => this.changed(change));
    for (const schedule of this.book.all) {
      if (!isConsumer(schedule) || isDisabled(schedule)) continue;
      const { name, consumer } = schedule;
      const resolve = <T>(token: unknown, scope: ProviderScope): Promise<T> =>
        (scope as Scope).resolveFor(schedule.target.worker, token);
      const settler = new MessageSettler(name, consumer, this.scopes, resolve, this.events);
      const loop = new ConsumerLoop(schedule, this.dispatcher, settler, this.events);
      this.#consumers.set(name, loop);
      loop.start();
    }
  }

  stop(): void {
    for (const consumer of this.#consumers.values())
      consumer.stop('the application is shutting down');
  }

  stragglers(): Straggler[] {
    return [...this.#consumers.values()].flatMap((consumer) => consumer.stragglers());
  }

  private changed({ schedule, change }: ScheduleChange): void {
    const consumer = this.#consumers.get(schedule);
    if (change === 'resumed') consumer?.wake();
    if (change === 'removed') consumer?.stop('the consumer was removed');
  }
}

function isConsumer(schedule: Schedule): schedule is ConsumerSchedule {
  return schedule.consumer !== undefined;
}
