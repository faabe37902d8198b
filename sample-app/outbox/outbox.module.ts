import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ScopedTypeOrmModule } from 'nestjs-scoped-worker/typeorm';
import { TicksModule } from '../ticks/ticks.module.js';
import { DeliveryWorker } from './delivery.worker.js';
import { Offer } from './offer.entity.js';
import { OrderDesk } from './order-desk.js';
import { OrderList } from './order-list.js';
import { Order } from './order.entity.js';
import { OutboxMessage } from './outbox-message.entity.js';
import { outboxProvider } from './outbox.js';
import { Receiver } from './receiver.js';

@Module({
  imports: [
    TicksModule,
    ScopedTypeOrmModule.forFeature([Order], { transaction: true }),
    TypeOrmModule.forFeature([OutboxMessage, Offer]),
  ],
  providers: [DeliveryWorker, OrderDesk, OrderList, Receiver, outboxProvider],
  exports: [OrderDesk, OrderList],
})
export class OutboxModule {}
