import { Column, Entity, Index, ManyToOne, PrimaryGeneratedColumn, type Relation } from 'typeorm';
import { Report } from '../report/report.entity.js';

/** What the sensors of this host said at one moment. */
@Entity('readings')
export class Reading {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('timestamptz')
  at!: Date;

  /** Processes that want to run, average of the last minute; 0 on Windows. */
  @Column('float')
  loadAverage!: number;

  @Column('float')
  freeMemoryMb!: number;

  @Column('float')
  heapUsedMb!: number;

  /** How late timers of this process are, on average. */
  @Column('float')
  eventLoopDelayMs!: number;

  @Column('float')
  freeDiskMb!: number;

  /** The report that has summed this reading up. */
  @Index()
  @ManyToOne(() => Report, { nullable: true })
  report!: Relation<Report> | null;
}
