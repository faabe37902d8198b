import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, type Repository } from 'typeorm';
import { Offer } from './offer.entity.js';
import type { Order } from './order.entity.js';
import { OutboxMessage, type Refusals } from './outbox-message.entity.js';

/** An order and its state. */
export interface OrderView extends Order {
  readonly state: 'waiting' | 'delivered' | 'dead';
  readonly refusals: Refusals;
  /** The number of offers to the receiver: the attempts of all deliveries. */
  readonly attempts: number;
  readonly deliveries: number;
  readonly lastError: string | null;
}

@Injectable()
export class OrderList {
  constructor(
    @InjectRepository(OutboxMessage) private readonly messages: Repository<OutboxMessage>,
    @InjectRepository(Offer) private readonly offers: Repository<Offer>,
  ) {}

  /** Returns the latest orders, newest first. */
  async latest(): Promise<OrderView[]> {
    const messages = await this.messages.find({ order: { id: 'DESC' }, take: 60 });
    const orderIds = messages.map(({ order }) => order.id);
    const offers = await this.offers.findBy({ orderId: In(orderIds) });
    const times = new Map(offers.map(({ orderId, times }) => [orderId, times]));
    return messages.map((message) => viewOf(message, times.get(message.order.id) ?? 0));
  }
}

function viewOf(message: OutboxMessage, attempts: number): OrderView {
  const { order, refusals, deliveries, lastError } = message;
  const { id, item, placedAt, receipt } = order;
  const state = stateOf(message);
  return { id, item, placedAt, receipt, state, refusals, attempts, deliveries, lastError };
}

function stateOf({ deadAt, deliveredAt }: OutboxMessage): OrderView['state'] {
  if (deadAt !== null) return 'dead';
  return deliveredAt === null ? 'waiting' : 'delivered';
}
