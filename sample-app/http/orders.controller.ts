import { BadRequestException, Controller, Get, Post, Query } from '@nestjs/common';
import { OrderDesk } from '../outbox/order-desk.js';
import { OrderList, type OrderView } from '../outbox/order-list.js';
import type { Order } from '../outbox/order.entity.js';
import type { Refusals } from '../outbox/outbox-message.entity.js';

@Controller('orders')
export class OrdersController {
  constructor(
    private readonly desk: OrderDesk,
    private readonly orders: OrderList,
  ) {}

  /** Places an order. With `?fail=2`, the receiver refuses it twice; with `?fail=always`, until it is a dead letter. */
  @Post()
  place(@Query('item') item = 'coffee', @Query('fail') fail = '0'): Promise<Order> {
    return this.desk.place(String(item), refusalsIn(fail));
  }

  @Get()
  latest(): Promise<OrderView[]> {
    return this.orders.latest();
  }
}

function refusalsIn(fail: string): Refusals {
  if (fail === 'always') return fail;
  if (/^\d{1,6}$/.test(fail)) return Number(fail);
  throw new BadRequestException(
    `fail must be a whole number from 0 to 999999, or "always", not ${JSON.stringify(fail)}.`,
  );
}
