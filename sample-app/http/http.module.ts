import { Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { OutboxMessage } from '../outbox/outbox-message.entity.js';
import { OutboxModule } from '../outbox/outbox.module.js';
import { Reading } from '../recording/reading.entity.js';
import { Report } from '../report/report.entity.js';
import { Core } from '../sync/core.entity.js';
import { SyncModule } from '../sync/sync.module.js';
import { TicksModule } from '../ticks/ticks.module.js';
import { DeadLettersController } from './dead-letters.controller.js';
import { EventLoopController } from './event-loop.controller.js';
import { LibraryErrorsInterceptor } from './library-errors.interceptor.js';
import { OrdersController } from './orders.controller.js';
import { ReadingsController } from './readings.controller.js';
import { ReportsController } from './reports.controller.js';
import { SchedulesController } from './schedules.controller.js';
import { SyncController } from './sync.controller.js';
import { TicksController } from './ticks.controller.js';

/** Ordinary controllers with the singleton repositories of `@nestjs/typeorm`. */
@Module({
  imports: [
    TypeOrmModule.forFeature([Reading, Report, OutboxMessage, Core]),
    TicksModule,
    OutboxModule,
    SyncModule,
  ],
  controllers: [
    ReadingsController,
    ReportsController,
    OrdersController,
    DeadLettersController,
    SyncController,
    SchedulesController,
    EventLoopController,
    TicksController,
  ],
  providers: [{ provide: APP_INTERCEPTOR, useClass: LibraryErrorsInterceptor }],
})
export class HttpModule {}
