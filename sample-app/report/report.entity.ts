import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** A summary of the readings of some seconds. */
@Entity('reports')
export class Report {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('timestamptz')
  at!: Date;

  @Column('int', { default: 0 })
  readings!: number;

  @Column('float', { nullable: true })
  averageLoad!: number | null;

  @Column('float', { nullable: true })
  leastFreeMemoryMb!: number | null;

  @Column('float', { nullable: true })
  mostHeapUsedMb!: number | null;

  @Column('float', { nullable: true })
  longestEventLoopDelayMs!: number | null;
}
