import { Column, CreateDateColumn, Entity, PrimaryGeneratedColumn } from 'typeorm';

@Entity('orders')
export class Order {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('text')
  item!: string;

  @CreateDateColumn({ type: 'timestamptz' })
  placedAt!: Date;

  /** What the receiver answered with when it took the order. */
  @Column('text', { nullable: true })
  receipt!: string | null;
}
