import { Module } from '@nestjs/common';
import { TicksModule } from '../ticks/ticks.module.js';
import { LatenessWorker } from './lateness.worker.js';

@Module({ imports: [TicksModule], providers: [LatenessWorker] })
export class SchedulesModule {}
