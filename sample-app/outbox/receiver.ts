import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Repository } from 'typeorm';
import { Offer } from './offer.entity.js';
import type { OutboxMessage } from './outbox-message.entity.js';

/**
 * Plays another system, which receives the orders and may refuse them. Its own writes stay when the tick that called it is rolled
 * back.
 */
@Injectable()
export class Receiver {
  constructor(@InjectRepository(Offer) private readonly offers: Repository<Offer>) {}

  /**
   * @returns the receipt. Delivery is at least once, so a known order gets the same receipt again.
   * @throws if it refuses the order.
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
