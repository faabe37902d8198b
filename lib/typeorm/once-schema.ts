import type { DataSource, EntitySchema, QueryRunner } from 'typeorm';
import { dataSourceOf } from './client.js';

/** The columns of the table. The time is an integer, because each database has its own types for times. */
const COLUMNS = {
  id: { type: 'varchar', length: 64, primary: true },
  schedule: { type: 'varchar', length: 255 },
  work: { type: 'varchar', length: 255 },
  done_at: { type: 'bigint' },
} as const;

/** The table of work that is done. */
export const ONCE_TABLE = 'scoped_worker_once';

export const ONCE_COLUMNS = Object.keys(COLUMNS);

/**
 * The table of work that is done, as an entity. Add it to the `entities` of a data source that sets `synchronize: true`, or whose
 * migrations you generate.
 *
 * @publicApi
 */
export const OnceRecordEntity = {
  // An EntitySchema, as TypeORM 0.3 and 1.x recognize it. The library doesn't import TypeORM itself, because there may be two copies.
  '@instanceof': Symbol.for('EntitySchema'),
  options: {
    name: 'ScopedWorkerOnce',
    tableName: ONCE_TABLE,
    columns: COLUMNS,
    indices: [{ name: `${ONCE_TABLE}_done_at`, columns: ['done_at'] }],
  },
} as unknown as EntitySchema;

/**
 * A migration that creates the table of work that is done. Add it to the `migrations` of the data source.
 *
 * @publicApi
 */
export class CreateScopedWorkerOnce1764374400000 {
  readonly name = 'CreateScopedWorkerOnce1764374400000';

  async up(runner: QueryRunner): Promise<void> {
    const table = tableOf(dataSourceOf(runner)!);
    const columns = Object.entries(COLUMNS).map(([name, column]) => {
      const length = 'length' in column ? `(${column.length})` : '';
      return `${name} ${column.type}${length} NOT NULL`;
    });
    await runner.query(`CREATE TABLE ${table} (${columns.join(', ')}, PRIMARY KEY (id))`);
    await runner.query(`CREATE INDEX ${ONCE_TABLE}_done_at ON ${table} (done_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE ${tableOf(dataSourceOf(runner)!)}`);
  }
}

/** Returns the table's name for SQL: with the schema of the data source, or as TypeORM names the entity's table. */
export function tableOf(dataSource: DataSource): string {
  const isEntity = dataSource.hasMetadata(OnceRecordEntity);
  const { schema } = dataSource.options as { schema?: string };
  if (isEntity) return dataSource.getMetadata(OnceRecordEntity).tablePath;
  return schema === undefined ? ONCE_TABLE : `${dataSource.driver.escape(schema)}.${ONCE_TABLE}`;
}
