import { afterAll, beforeAll } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import pg from 'pg';

export interface TestDatabase {
  readonly name: string;
  /** Connection string, for `type: 'postgres'` of TypeORM and for `pg` alike. */
  readonly url: string;
  /** Runs one statement on its own connection. */
  query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** Drops the database, together with the connections that are still open. */
  drop(): Promise<void>;
}

/** An empty database on the PostgreSQL of this run: there from `beforeAll` on, dropped in `afterAll`. */
export function testDatabase(): TestDatabase {
  const { database, create } = describeDatabase();
  beforeAll(create);
  afterAll(() => database.drop());
  return database;
}

/** The same, when a test drops it itself. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { database, create } = describeDatabase();
  await create();
  return database;
}

function describeDatabase(): { readonly database: TestDatabase; create(): Promise<void> } {
  const server = process.env['TEST_DATABASE_URL'];
  if (!server) throw new Error('TEST_DATABASE_URL is not set: unit tests have no PostgreSQL.');

  const name = `test_${randomBytes(8).toString('hex')}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    create: async () => void (await query(server, `CREATE DATABASE ${name}`)),
    database: {
      name,
      url: url.href,
      query: (sql, values) => query(url.href, sql, values),
      drop: async () => void (await query(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
    },
  };
}

async function query<Row extends pg.QueryResultRow>(
  url: string,
  sql: string,
  values?: unknown[],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
