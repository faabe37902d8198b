import { describe, expect, it } from '@jest/globals';
import {
  Injectable,
  Module,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
  ScopedWorkerModule,
} from '../../lib/index.js';
import { replaceExit, restoreExit } from '../support/exit.js';
import { gate } from '../support/gate.js';

// This release of @nestjs/microservices cannot be loaded beside Nest 11.
const onNest12 = process.env['NEST'] ? describe.skip : describe;

/** A transport that takes a moment to listen, as a broker does. */
async function slowTransport(onClose: () => void = () => undefined) {
  const { Server } = await import('@nestjs/microservices');
  return new (class SlowServer extends Server {
    listen(done: () => void): void {
      setTimeout(done, 20);
    }

    close(): void {
      onClose();
    }

    on(): void {}

    unwrap<T>(): T {
      throw new Error('There is no server.');
    }
  })();
}

function burn(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

onNest12('A microservice', () => {
  restoreExit();

  it('[D2] has resolved app.listen() before a first tick burns 300 ms of CPU', async () => {
    const order: string[] = [];
    const burnt = gate();
    @ScopedWorker()
    class Burner {
      @ScopedInterval(60_000, { runOnStart: true })
      run(): void {
        order.push('burning');
        burn(300);
        burnt.open();
      }
    }
    @Module({ imports: [ScopedWorkerModule.forRoot()], providers: [Burner] })
    class Root {}
    const strategy = await slowTransport();
    const app = await NestFactory.createMicroservice(Root, { strategy, logger: false });
    await app.listen();
    order.push('listening');
    await burnt.opened;
    await app.close();
    expect(order).toEqual(['listening', 'burning']);
  });

  describe.each(['alone', 'in a hybrid application'])('%s', (kind) => {
    it("[D13] closes its transport when 'stop-app' closes the application, as app.close() does", async () => {
      const exited = replaceExit();
      const order: string[] = [];
      @ScopedWorker()
      class Failing {
        @ScopedTimeout(0, { onFailure: 'stop-app' })
        run(): never {
          throw new Error('no license');
        }
      }
      @Injectable()
      class Pool implements OnModuleDestroy, OnApplicationShutdown {
        onModuleDestroy(): void {
          order.push('destroyed');
        }

        onApplicationShutdown(): void {
          order.push('shut down');
        }
      }
      @Module({ imports: [ScopedWorkerModule.forRoot()], providers: [Failing, Pool] })
      class Root {}
      const strategy = await slowTransport(() => order.push('transport closed'));
      if (kind === 'alone') {
        const app = await NestFactory.createMicroservice(Root, { strategy, logger: false });
        await app.listen();
      } else {
        const app = await NestFactory.create(Root, { logger: false });
        app.connectMicroservice({ strategy });
        await app.startAllMicroservices();
        await app.init();
      }
      await exited;
      expect(order).toEqual(['destroyed', 'transport closed', 'shut down']);
    });
  });
});
