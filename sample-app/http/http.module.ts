import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Reading } from '../recording/reading.entity.js';
import { Report } from '../report/report.entity.js';
import { TicksModule } from '../ticks/ticks.module.js';
import { ReadingsController } from './readings.controller.js';
import { ReportsController } from './reports.controller.js';
import { TicksController } from './ticks.controller.js';

/** Ordinary controllers on the ordinary, singleton repositories of `@nestjs/typeorm`. */
@Module({
  imports: [TypeOrmModule.forFeature([Reading, Report]), TicksModule],
  controllers: [ReadingsController, ReportsController, TicksController],
})
export class HttpModule {}
