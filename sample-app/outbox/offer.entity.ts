import { Column, Entity, PrimaryColumn } from 'typeorm';

/** The receiver's own book: how often it was offered an order, and when it took it. */
@Entity('offers')
export class Offer {
  @PrimaryColumn('int')
  orderId!: number;

  @Column('int')
  times!: number;

  @Column('timestamptz', { nullable: true })
  takenAt!: Date | null;
}
