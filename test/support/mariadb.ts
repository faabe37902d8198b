import { afterAll, beforeAll } from '@jest/globals';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { DynamicModule } from '@nestjs/common';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { createConnection, type Connection } from 'mysql2/promise';
import type { DataSourceOptions } from 'typeorm';

/** The MariaDB server on the PATH; undefined on a machine without one. */
export const MARIADB = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']
  .map((folder) => join(folder, 'mariadbd'))
  .find((file) => existsSync(file));

/** A MariaDB of the test file, on a free port of the loopback interface, with its data in a temporary folder. */
export interface MariaDb {
  root(options?: Partial<DataSourceOptions>): DynamicModule;
  query<Row extends object>(sql: string): Promise<Row[]>;
}

export function testMariaDb(): MariaDb {
  let server: ChildProcess;
  let connection: Connection;
  let port = 0;
  let folder = '';
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'scoped-worker-mariadb-'));
    port = await freePort();
    // Without grant tables, the server needs none of the tables that its installation would create.
    const options = [
      '--no-defaults',
      `--datadir=${folder}`,
      `--socket=${join(folder, 'socket')}`,
      `--pid-file=${join(folder, 'pid')}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      '--skip-grant-tables',
      '--innodb-flush-log-at-trx-commit=0',
      ...(process.getuid?.() === 0 ? ['--user=root'] : []),
    ];
    server = spawn(MARIADB!, options, { stdio: ['ignore', 'ignore', 'pipe'] });
    for await (const line of createInterface({ input: server.stderr! }))
      if (line.includes('ready for connections')) break;
    server.stderr!.resume();
    connection = await createConnection({ host: '127.0.0.1', port, user: 'root' });
    await connection.query('CREATE DATABASE test');
    await connection.query('USE test');
  });
  afterAll(async () => {
    await connection?.end();
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    root: (options) =>
      TypeOrmModule.forRoot({
        type: 'mariadb',
        host: '127.0.0.1',
        port,
        username: 'root',
        database: 'test',
        autoLoadEntities: true,
        synchronize: true,
        retryAttempts: 0,
        ...options,
      } as never),
    query: async <Row extends object>(sql: string) =>
      (await connection.query(sql))[0] as unknown as Row[],
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
