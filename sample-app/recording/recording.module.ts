import { Module } from '@nestjs/common';
import { ScopedTypeOrmModule } from 'nestjs-scoped-worker/typeorm';
import { TicksModule } from '../ticks/ticks.module.js';
import { EventLoopWatch } from './event-loop-watch.js';
import { HostSensors } from './host-sensors.js';
import { Reading } from './reading.entity.js';
import { RecordingWorker } from './recording.worker.js';

@Module({
  imports: [TicksModule, ScopedTypeOrmModule.forFeature([Reading])],
  providers: [RecordingWorker, EventLoopWatch, HostSensors],
})
export class RecordingModule {}
