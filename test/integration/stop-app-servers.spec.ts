import { describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Injectable,
  Module,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type WebSocketAdapter,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventEmitter, once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ScopedTimeout, ScopedWorker, ScopedWorkerModule } from '../../lib/index.js';
import { replaceExit, restoreExit } from '../support/exit.js';
import { gate } from '../support/gate.js';

// This release of @nestjs/websockets cannot be loaded beside Nest 11, which answers 503 only once its server closes.
const onNest12 = process.env['NEST'] ? describe.skip : describe;

/** Accepts upgraded connections on the HTTP server, as the adapters of Nest do, and ends them when its server is closed. */
class UpgradeAdapter implements WebSocketAdapter {
  constructor(
    private readonly http: Server,
    private readonly order: string[],
  ) {}

  create(): object {
    const clients = new Set<Duplex>();
    this.http.on('upgrade', (_request, socket: Duplex) => {
      clients.add(socket);
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n');
    });
    return Object.assign(new EventEmitter(), {
      close: () => clients.forEach((client) => client.destroy()),
    });
  }

  close(server: { close(): void }): void {
    this.order.push('server closed');
    server.close();
  }

  dispose(): void {
    this.order.push('adapter disposed');
  }

  bindClientConnect(): void {}

  bindMessageHandlers(): void {}
}

async function upgraded(port: number): Promise<Socket> {
  const client = connect(port, '127.0.0.1');
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n');
  await once(client, 'data');
  return client;
}

onNest12("The servers of an application that 'stop-app' closes", () => {
  restoreExit();

  it.each([1, 2])(
    '[D13] are closed as by app.close(): those of WebSocket gateways (%i)',
    async (count) => {
      const { WebSocketGateway } = await import('@nestjs/websockets');
      const exited = replaceExit();
      const order: string[] = [];
      const mayFail = gate();

      @WebSocketGateway()
      class Gateway {}
      @WebSocketGateway(0, { path: '/other' })
      class Other {}
      @ScopedWorker()
      class Failing {
        @ScopedTimeout(0, { onFailure: 'stop-app' })
        async run(): Promise<never> {
          await mayFail.opened;
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
      const gateways = [Gateway, Other].slice(0, count);
      @Module({
        imports: [ScopedWorkerModule.forRoot()],
        providers: [Failing, Pool, ...gateways],
      })
      class Root {}
      const app = await NestFactory.create(Root, { logger: false });
      const server = app.getHttpServer() as Server;
      app.useWebSocketAdapter(new UpgradeAdapter(server, order));
      await app.listen(0, '127.0.0.1');
      const client = await upgraded((server.address() as AddressInfo).port);
      const left = once(client, 'close');
      mayFail.open();
      await exited;
      await left;
      expect(order).toEqual([
        'destroyed',
        ...gateways.map(() => 'server closed'),
        'adapter disposed',
        'shut down',
      ]);
    },
  );

  it('[D13] answer 503 meanwhile, with return503OnClosing', async () => {
    const exited = replaceExit();
    const closing = gate();
    const mayClose = gate();

    @Controller()
    class Site {
      @Get()
      get(): string {
        return 'served';
      }
    }
    @ScopedWorker()
    class Failing {
      @ScopedTimeout(0, { onFailure: 'stop-app' })
      run(): never {
        throw new Error('no license');
      }
    }
    @Injectable()
    class Pool implements OnModuleDestroy {
      async onModuleDestroy(): Promise<void> {
        closing.open();
        await mayClose.opened;
      }
    }
    @Module({
      imports: [ScopedWorkerModule.forRoot()],
      controllers: [Site],
      providers: [Failing, Pool],
    })
    class Root {}
    const app = await NestFactory.create(Root, {
      logger: false,
      return503OnClosing: true,
      forceCloseConnections: true,
    });
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    await closing.opened;
    const { status } = await fetch(url);
    mayClose.open();
    await exited;
    expect(status).toBe(503);
  });
});
