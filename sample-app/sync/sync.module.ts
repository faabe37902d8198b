import { Module } from '@nestjs/common';
import { ScopedTypeOrmModule } from 'nestjs-scoped-worker/typeorm';
import { TicksModule } from '../ticks/ticks.module.js';
import { CoreTable } from './core-table.js';
import { Core } from './core.entity.js';
import { SyncWorker } from './sync.worker.js';

@Module({
  imports: [TicksModule, ScopedTypeOrmModule.forFeature([Core], { transaction: true })],
  providers: [CoreTable, SyncWorker],
  exports: [SyncWorker],
})
export class SyncModule {}
