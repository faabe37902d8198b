import { Column, Entity, PrimaryColumn } from 'typeorm';

/** The receiver's own records: the number of offers of an order, and when it accepted the order. */
@Entity('offers')
export class Offer {
  @PrimaryColumn('int')
  orderId!: number;

  @Column('int')
  times!: number;

  @Column('timestamptz', { nullable: true })
  takenAt!: Date | null;
}
