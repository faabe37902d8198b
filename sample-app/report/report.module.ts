import { Module } from '@nestjs/common';
import { ScopedTypeOrmModule } from 'nestjs-scoped-worker/typeorm';
import { Reading } from '../recording/reading.entity.js';
import { TicksModule } from '../ticks/ticks.module.js';
import { Report } from './report.entity.js';
import { ReportWorker } from './report.worker.js';

@Module({
  imports: [TicksModule, ScopedTypeOrmModule.forFeature([Reading, Report], { transaction: true })],
  providers: [ReportWorker],
})
export class ReportModule {}
