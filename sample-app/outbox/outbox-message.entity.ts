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

/** How often the receiver is to refuse an order before it takes it. */
export type Refusals = number | 'always';

/** An order that is to be delivered. It is kept when that is done, so that it can be watched. */
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

  // What the source needs.

  @Column('timestamptz', { default: () => 'now()' })
  availableAt!: Date;

  @Column('int', { default: 0 })
  deliveries!: number;

  // What the source may have.

  @Column('timestamptz', { nullable: true })
  deliveredAt!: Date | null;

  @Column('timestamptz', { nullable: true })
  deadAt!: Date | null;

  @Column('text', { nullable: true })
  lastError!: string | null;
}
