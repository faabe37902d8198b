import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A processor core of this host, as it was when it was looked at last. */
@Entity('cores')
export class Core {
  @PrimaryColumn('int')
  number!: number;

  @Column('text')
  model!: string;

  /** Since this host was started. */
  @Column('float')
  busySeconds!: number;

  @Column('timestamptz')
  syncedAt!: Date;
}
