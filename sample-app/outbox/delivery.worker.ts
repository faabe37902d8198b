import { ScopedConsumer, ScopedWorker, type Tick } from 'nestjs-scoped-worker';
import { InjectScopedRepository } from 'nestjs-scoped-worker/typeorm';
import type { Repository } from 'typeorm';
import { ScopeNotes } from '../ticks/scope-notes.js';
import { Order } from './order.entity.js';
import type { OutboxMessage } from './outbox-message.entity.js';
import { OUTBOX } from './outbox.js';
import { Receiver } from './receiver.js';

/**
 * Delivers the orders. A delivery is a tick of up to two attempts, each with its own scope and transaction. If both fail, the
 * message goes back. After three deliveries, so six offers in all, it is put aside.
 */
@ScopedWorker()
export class DeliveryWorker {
  constructor(
    @InjectScopedRepository(Order) private readonly orders: Repository<Order>,
    private readonly receiver: Receiver,
    private readonly notes: ScopeNotes,
  ) {}

  @ScopedConsumer(OUTBOX, {
    name: 'deliver',
    concurrency: 2,
    retry: { attempts: 2, backoffMs: 500 },
    maxDeliveries: 3,
  })
  async deliver({ payload: message, attempt, scope }: Tick<OutboxMessage>): Promise<void> {
    const { order, deliveries } = message;
    this.notes.write(scope, {
      manager: this.orders.manager,
      text: `order ${order.id}, delivery ${deliveries}, attempt ${attempt}`,
    });
    const receipt = await this.receiver.take(message);
    await this.orders.update(order.id, { receipt });
  }
}
