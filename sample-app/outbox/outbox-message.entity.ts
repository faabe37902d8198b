import {
  Column,
  Entity,
  Index,
  JoinColumn,
  OneToOne,
  PrimaryGeneratedColumn,
  type Relation,
} from 'typeorm';
import { Order } from './order.entity.js';

/** The number of times that the receiver refuses an order before it accepts it. */
export type Refusals = number | 'always';

/** An order to deliver. It stays after delivery, so that you can inspect it. */
@Entity('outbox_messages')
@Index(['availableAt', 'id'], { where: '"deadAt" IS NULL AND "deliveredAt" IS NULL' })
export class OutboxMessage {
  @PrimaryGeneratedColumn()
  id!: number;

  @OneToOne(() => Order, { eager: true, nullable: false })
  @JoinColumn()
  order!: Relation<Order>;

  @Column('jsonb')
  refusals!: Refusals;

  // Columns that the source needs.

  @Column('timestamptz', { default: () => 'now()' })
  availableAt!: Date;

  @Column('int', { default: 0 })
  deliveries!: number;

  // Optional columns of the source.

  @Column('timestamptz', { nullable: true })
  deliveredAt!: Date | null;

  @Column('timestamptz', { nullable: true })
  deadAt!: Date | null;

  @Column('text', { nullable: true })
  lastError!: string | null;
}
