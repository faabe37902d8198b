import 'reflect-metadata';
import { Injectable, Module, Scope } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ScopedInterval, ScopedWorker, ScopedWorkerModule, type Tick } from 'nestjs-scoped-worker';
import { withinTenSeconds } from './within-ten-seconds.js';

let ticked: () => void;
const firstTick = new Promise<void>((resolve) => (ticked = resolve));

@Injectable({ scope: Scope.REQUEST })
class Pulse {
  beat(signal: AbortSignal): void {
    if (!signal.aborted) ticked();
  }
}

@ScopedWorker()
class Heartbeat {
  constructor(private readonly pulse: Pulse) {}

  @ScopedInterval(50)
  run(tick: Tick): void {
    this.pulse.beat(tick.signal);
  }
}

@Module({ imports: [ScopedWorkerModule.forRoot()], providers: [Heartbeat, Pulse] })
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error', 'warn'] });
  await firstTick;
  await app.close();
}
void withinTenSeconds(main());
