import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** The readings of some seconds, summed up. */
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
