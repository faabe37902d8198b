import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Order } from './order.entity.js';
import { OutboxMessage, type Refusals } from './outbox-message.entity.js';

/** Takes orders. An ordinary singleton for HTTP requests, which needs no scope. */
@Injectable()
export class OrderDesk {
  constructor(private readonly dataSource: DataSource) {}

  /** Stores the order and its message in one transaction. */
  place(item: string, refusals: Refusals): Promise<Order> {
    return this.dataSource.transaction(async (manager) => {
      const order = await manager.save(Order, { item, receipt: null });
      await manager.save(OutboxMessage, { order, refusals });
      return order;
    });
  }
}
