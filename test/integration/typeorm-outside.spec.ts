import { Injectable, Scope } from '@nestjs/common';
import { ContextIdFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { InjectScopedEntityManager, ScopedTypeOrmModule } from '../../lib/typeorm/index.js';
import { closeApps, startApp } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

@Injectable({ scope: Scope.REQUEST })
class Query {
  constructor(@InjectScopedEntityManager() private readonly manager: EntityManager) {}

  run(): Promise<unknown> {
    return this.manager.query('SELECT 1 AS one');
  }
}

describe('A scoped entity manager', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterEach(closeApps);
  afterAll(() => database.drop());

  const start = () =>
    startApp({
      imports: [
        TypeOrmModule.forRoot({ type: 'postgres', url: database.url }),
        ScopedTypeOrmModule.forFeature([], { transaction: true }),
      ],
      providers: [Query],
    });

  it('refuses statements outside of a scope, where nobody would give its connection back', async () => {
    const { app } = await start();
    const outside = await app.resolve(Query, ContextIdFactory.create());

    await expect(outside.run()).rejects.toThrow('outside of a scope');
    const { master } = app.get(DataSource).driver as unknown as {
      master: { totalCount: number; idleCount: number };
    };
    expect(master.totalCount).toBe(master.idleCount);
  });

  it('takes statements in a scope by hand', async () => {
    const { scopes } = await start();

    await expect(scopes.run(async (scope) => (await scope.resolve(Query)).run())).resolves.toEqual([
      { one: 1 },
    ]);
  });
});
