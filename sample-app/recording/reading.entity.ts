import { Column, Entity, Index, ManyToOne, PrimaryGeneratedColumn, type Relation } from 'typeorm';
import { Report } from '../report/report.entity.js';

/** The values of the sensors of this host at one moment. */
@Entity('readings')
export class Reading {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('timestamptz')
  at!: Date;

  /** The load average of the last minute; 0 on Windows. */
  @Column('float')
  loadAverage!: number;

  @Column('float')
  freeMemoryMb!: number;

  @Column('float')
  heapUsedMb!: number;

  /** The average delay of timers in this process. */
  @Column('float')
  eventLoopDelayMs!: number;

  @Column('float')
  freeDiskMb!: number;

  /** The report that includes this reading. */
  @Index()
  @ManyToOne(() => Report, { nullable: true })
  report!: Relation<Report> | null;
}
