import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Repository } from 'typeorm';
import { Offer } from './offer.entity.js';
import type { OutboxMessage } from './outbox-message.entity.js';

/**
 * Stands for another system, which is told of the orders and may refuse: what it writes is its own, and stays when
 * the tick that called it is rolled back.
 */
@Injectable()
export class Receiver {
  constructor(@InjectRepository(Offer) private readonly offers: Repository<Offer>) {}

  /**
   * @returns its receipt. A message is delivered at least once: for an order that it has already, it is the same.
   * @throws when it refuses.
   */
  async take({ order, refusals }: OutboxMessage): Promise<string> {
    const receipt = `R-${order.id}`;
    const known = await this.offers.findOneBy({ orderId: order.id });
    if (known?.takenAt) return receipt;
    const times = (known?.times ?? 0) + 1;
    const isRefused = refusals === 'always' || times <= refusals;
    await this.offers.save({ orderId: order.id, times, takenAt: isRefused ? null : new Date() });
    if (isRefused) throw new Error(`The receiver refused order ${order.id} (offer ${times}).`);
    return receipt;
  }
}
