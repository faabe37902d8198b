import 'reflect-metadata';
import { Injectable, Module, Scope } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Cron, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { createRequire } from 'node:module';
import { ScopedCron, ScopedWorker, ScopedWorkerModule } from 'nestjs-scoped-worker';
import { withinTenSeconds } from './within-ten-seconds.js';

/** Of the `cron` that `@nestjs/schedule` itself uses: version 3 under `@nestjs/schedule` 5. */
const { CronTime } = createRequire(require.resolve('@nestjs/schedule'))('cron') as {
  CronTime: new (expression: string) => never;
};

const waiting = new Map<string, () => void>();
const ran = ['ours', 'adopted', 'theirs'].map(
  (name) => new Promise<void>((resolve) => waiting.set(name, resolve)),
);

@ScopedWorker()
class Ours {
  @ScopedCron('0 0 0 1 1 *', { name: 'ours' })
  run(): void {
    waiting.get('ours')!();
  }
}

@Injectable({ scope: Scope.REQUEST })
class Adopted {
  @Cron('* * * * * *')
  run(): void {
    waiting.get('adopted')!();
  }
}

@Injectable()
class Theirs {
  @Cron('* * * * * *')
  run(): void {
    waiting.get('theirs')!();
  }
}

@Module({
  imports: [ScheduleModule.forRoot(), ScopedWorkerModule.forRoot({ adoptNestSchedules: true })],
  providers: [Ours, Adopted, Theirs],
})
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error', 'warn'] });
  app.get(SchedulerRegistry).getCronJob('ours').setTime(new CronTime('* * * * * *'));
  await Promise.all(ran);
  await app.close();
}
void withinTenSeconds(main());
