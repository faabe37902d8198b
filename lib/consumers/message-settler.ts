import type { TickReport } from '../tick/tick-report.js';
import type { Delivery } from './source/message-source.js';
import type { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import type { ResolvedConsumer } from '../schedule/consumer-options.js';
import type { ProviderScope } from '../scope/provider-scope.interface.js';
import type { ProviderScopeFactory } from '../tick/provider-scope-factory.js';

/** Settles a message when its tick has finished: acknowledges it, sends it back to its source, or puts it aside. */
export class MessageSettler {
  /** The number of failed deliveries of each message, for sources that don't count deliveries. */
  readonly #failures = new RecentMessages<number>();
  /** The last error of each message that couldn't be put aside, or couldn't be acknowledged afterward. */
  readonly #lastErrors = new RecentMessages<unknown>();

  constructor(
    private readonly schedule: string,
    private readonly consumer: ResolvedConsumer,
    private readonly scopes: ProviderScopeFactory,
    private readonly resolve: <T>(token: unknown, scope: ProviderScope) => Promise<T>,
    private readonly events: ScopedWorkerEvents,
  ) {}

  /**
   * Settles a message; never rejects.
   *
   * @returns the report. Its outcome becomes `failed` if the message can't be acknowledged. Even then, the work stays committed,
   * and the source delivers the message again.
   */
  settle(delivery: Delivery, report: TickReport): Promise<TickReport> {
    return report.outcome === 'succeeded' || report.reason === 'already-done'
      ? this.acknowledge(delivery, report)
      : this.sendBack(delivery, report);
  }

  /**
   * Returns true if the source delivers a message again after the last allowed delivery. This can happen if the process ended
   * during that delivery, or if the message couldn't be put aside. Calling the handler again could end this process and later
   * ones too.
   */
  isSpent(delivery: Delivery): boolean {
    const { maxDeliveries } = this.consumer;
    return maxDeliveries !== undefined && this.deliveriesOf(delivery) > maxDeliveries;
  }

  /** Puts aside a message that has no deliveries left, or sends it back to its source if that fails; never rejects. */
  async putSpentAside(delivery: Delivery): Promise<void> {
    const { id } = delivery;
    const deliveries = this.deliveriesOf(delivery);
    const error = this.#lastErrors.get(id) ?? this.spentError(id, deliveries);
    if (await this.putAside(delivery, deliveries, error)) return;
    await this.attempt('nack', undefined, () => delivery.nack(error));
  }

  /** Sends a message back to its source if the message's tick was interrupted or never started. */
  async giveBack(delivery: Delivery, report?: TickReport): Promise<void> {
    await this.attempt('nack', report, () => delivery.nack());
  }

  private async acknowledge(delivery: Delivery, report: TickReport): Promise<TickReport> {
    this.forget(delivery.id);
    try {
      await delivery.ack();
      return report;
    } catch (error) {
      return { ...report, outcome: 'failed', phase: 'ack', error };
    }
  }

  private async sendBack(delivery: Delivery, report: TickReport): Promise<TickReport> {
    if (report.outcome === 'cancelled') await this.giveBack(delivery, report);
    else await this.failed(delivery, report);
    return report;
  }

  private async failed(delivery: Delivery, report: TickReport): Promise<void> {
    const { id } = delivery;
    const { maxDeliveries } = this.consumer;
    const deliveries = this.deliveriesOf(delivery);
    const error = errorOf(report);
    if (typeof delivery.deliveries !== 'number') this.#failures.set(id, deliveries);
    if (maxDeliveries !== undefined && deliveries >= maxDeliveries) {
      this.#lastErrors.set(id, error);
      if (await this.putAside(delivery, deliveries, error, report)) return;
    }
    await this.attempt('nack', report, () => delivery.nack(error));
  }

  private deliveriesOf({ id, deliveries }: Delivery): number {
    return deliveries ?? (this.#failures.get(id) ?? 0) + 1;
  }

  private forget(id: string): void {
    this.#failures.forget(id);
    this.#lastErrors.forget(id);
  }

  private spentError(id: string, deliveries: number): Error {
    return new Error(
      `Message ${id} of ${this.schedule} arrived as delivery ${deliveries}, but maxDeliveries is ${this.consumer.maxDeliveries}. The earlier deliveries failed, or their process died, so the handler was not called again. If the process died, find out why: it may have run out of memory.`,
    );
  }

  /** Puts a message aside; returns false if that failed and the message must go back. */
  private async putAside(
    delivery: Delivery,
    deliveries: number,
    error: unknown,
    report?: TickReport,
  ): Promise<boolean> {
    const { deadLetter } = this.consumer;
    const { body, id } = delivery;
    const letter = { body, id, schedule: this.schedule, deliveries, error };
    const isAside = await this.attempt('dead-letter', report, () =>
      deadLetter === undefined
        ? delivery.deadLetter!(error)
        : this.scopes.run(async (scope) =>
            deadLetter(letter as never, (token) => this.resolve(token, scope)),
          ),
    );
    if (!isAside) return false;
    const isGone =
      deadLetter === undefined || (await this.attempt('dead-letter', report, () => delivery.ack()));
    if (isGone) this.forget(id); // otherwise, the message will arrive again with no deliveries left
    this.events.emit('message:dead', letter);
    return true;
  }

  /** Calls a function; if the call fails, emits `failure:stray` and returns false. */
  private async attempt(
    where: 'nack' | 'dead-letter',
    report: TickReport | undefined,
    what: () => unknown,
  ): Promise<boolean> {
    try {
      await what();
      return true;
    } catch (error) {
      const { schedule } = this;
      this.events.emit('failure:stray', { where, schedule, tickId: report?.tickId, error });
      return false;
    }
  }
}

/**
 * Returns the error for the source, never undefined: without an error, the source would count the message as interrupted.
 */
function errorOf({ error, schedule }: TickReport): unknown {
  return error ?? new Error(`${schedule} failed without an error.`);
}

/** The maximum number of messages to remember; beyond it, the entry that was set longest ago is dropped. */
const MOST_REMEMBERED = 10_000;

/** Remembers a value for each message, by id. */
export class RecentMessages<V> {
  readonly #values = new Map<string, V>();

  get(id: string): V | undefined {
    return this.#values.get(id);
  }

  set(id: string, value: V): void {
    this.#values.delete(id);
    this.#values.set(id, value);
    if (this.#values.size > MOST_REMEMBERED) this.forget(this.#values.keys().next().value!);
  }

  forget(id: string): void {
    this.#values.delete(id);
  }
}
