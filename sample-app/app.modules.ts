import { Module, type DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ScopedWorkerModule } from 'nestjs-scoped-worker';
import { HttpModule } from './http/http.module.js';
import { OutboxModule } from './outbox/outbox.module.js';
import { RecordingModule } from './recording/recording.module.js';
import { ReportModule } from './report/report.module.js';
import { SchedulesModule } from './schedules/schedules.module.js';
import { SyncModule } from './sync/sync.module.js';
import { TerminalModule } from './terminal/terminal.module.js';

/** Everything but HTTP. */
@Module({})
export class WorkersModule {
  static on(databaseUrl: string): DynamicModule {
    return {
      module: WorkersModule,
      imports: [
        // On Ctrl-C, running ticks have five seconds before they are aborted, and three more to finish: less than the ten seconds
        // after which `docker stop` kills the process.
        ScopedWorkerModule.forRoot({ drainTimeoutMs: 5_000, shutdownTimeoutMs: 8_000 }),
        TypeOrmModule.forRoot({
          type: 'postgres',
          url: databaseUrl,
          autoLoadEntities: true,
          synchronize: true,
          poolSize: 10,
          retryAttempts: 0,
        }),
        RecordingModule,
        ReportModule,
        OutboxModule,
        SyncModule,
        SchedulesModule,
        TerminalModule,
      ],
    };
  }
}

/** The workers, and HTTP access to what they have stored. */
@Module({})
export class HttpAppModule {
  static on(databaseUrl: string): DynamicModule {
    return { module: HttpAppModule, imports: [WorkersModule.on(databaseUrl), HttpModule] };
  }
}
