import type { TickReport } from '../../execution/tick-report.js';
import type { Delivery } from '../../messages/message-source.js';
import type { ScopedWorkerEvents } from '../../observability/scoped-worker-events.js';
import type { ResolvedConsumer } from '../../schedule/consumer-options.js';
import type { ProviderScopeFactory } from '../../execution/provider-scope-factory.js';
import { DeliveryCounts } from './delivery-counts.js';

/** Decides what becomes of a message when its tick has ended: acknowledged, given back, or put aside. */
export class MessageSettler {
  readonly #counts = new DeliveryCounts();

  constructor(
    private readonly schedule: string,
    private readonly consumer: ResolvedConsumer,
    private readonly scopes: ProviderScopeFactory,
    private readonly events: ScopedWorkerEvents,
  ) {}

  /**
   * Never rejects.
   *
   * @returns the report, which becomes a failure when the message cannot be acknowledged: its work is committed, and
   * it will be delivered again.
   */
  async settle(delivery: Delivery, report: TickReport): Promise<TickReport> {
    if (report.outcome === 'succeeded') return this.acknowledge(delivery, report);
    if (report.outcome === 'cancelled') await this.giveBack(delivery, report);
    else await this.failed(delivery, report);
    return report;
  }

  /** For a message that was interrupted, or never begun. */
  async giveBack(delivery: Delivery, report?: TickReport): Promise<void> {
    await this.attempt('nack', report, () => delivery.nack());
  }

  private async acknowledge(delivery: Delivery, report: TickReport): Promise<TickReport> {
    this.#counts.forget(delivery.id);
    try {
      await delivery.ack();
      return report;
    } catch (error) {
      return { ...report, outcome: 'failed', phase: 'ack', error };
    }
  }

  private async failed(delivery: Delivery, report: TickReport): Promise<void> {
    const deliveries = delivery.deliveries ?? this.#counts.add(delivery.id);
    const { maxDeliveries } = this.consumer;
    const isLast = maxDeliveries !== undefined && deliveries >= maxDeliveries;
    if (isLast && (await this.putAside(delivery, deliveries, report))) {
      this.#counts.forget(delivery.id);
      return;
    }
    await this.attempt('nack', report, () => delivery.nack(errorOf(report)));
  }

  /** @returns false when it could not be put aside: then it must go back. */
  private async putAside(
    delivery: Delivery,
    deliveries: number,
    report: TickReport,
  ): Promise<boolean> {
    const { deadLetter } = this.consumer;
    const { body, id } = delivery;
    const error = errorOf(report);
    const letter = { body, id, schedule: this.schedule, deliveries, error };
    const isAside = await this.attempt('dead-letter', report, () =>
      deadLetter === undefined
        ? delivery.deadLetter!(error)
        : this.scopes.run(async (scope) =>
            deadLetter(letter as never, (token) => scope.resolve(token)),
          ),
    );
    if (!isAside) return false;
    if (deadLetter !== undefined) await this.attempt('dead-letter', report, () => delivery.ack());
    this.events.emit('message:dead', letter);
    return true;
  }

  /** @returns false when it failed, which is told. */
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

/** Never undefined: to a source, a message that goes back without an error was only interrupted. */
function errorOf({ error, schedule }: TickReport): unknown {
  return error ?? new Error(`${schedule} failed without an error.`);
}
