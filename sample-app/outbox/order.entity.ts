import { Column, CreateDateColumn, Entity, PrimaryGeneratedColumn } from 'typeorm';

@Entity('orders')
export class Order {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('text')
  item!: string;

  @CreateDateColumn({ type: 'timestamptz' })
  placedAt!: Date;

  /** The receiver's answer when it accepted the order. */
  @Column('text', { nullable: true })
  receipt!: string | null;
}
