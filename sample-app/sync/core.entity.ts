import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A processor core of this host, as last read. */
@Entity('cores')
export class Core {
  @PrimaryColumn('int')
  number!: number;

  @Column('text')
  model!: string;

  /** Counted since this host started. */
  @Column('float')
  busySeconds!: number;

  @Column('timestamptz')
  syncedAt!: Date;
}
