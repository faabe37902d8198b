import type { DataSource, EntitySchema, QueryRunner } from 'typeorm';
import { dataSourceOf } from './client.js';

/** The columns of the table. The time is an integer, because each database has its own types for times. */
const COLUMNS = {
  id: { name: 'id', type: 'varchar', length: 64, primary: true },
  schedule: { name: 'schedule', type: 'varchar', length: 255 },
  work: { name: 'work', type: 'varchar', length: 255 },
  done_at: { name: 'done_at', type: 'bigint' },
} as const;

/** The table of work that is done. */
export const ONCE_TABLE = 'scoped_worker_once';

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
    indices: [{ columns: ['done_at'] }],
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
    const { table } = onceNames(dataSourceOf(runner)!);
    const columns = Object.entries(COLUMNS).map(([name, column]) => {
      const length = 'length' in column ? `(${column.length})` : '';
      return `${name} ${column.type}${length} NOT NULL`;
    });
    await runner.query(`CREATE TABLE ${table} (${columns.join(', ')}, PRIMARY KEY (id))`);
    await runner.query(`CREATE INDEX ${ONCE_TABLE}_done_at ON ${table} (done_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE ${onceNames(dataSourceOf(runner)!).table}`);
  }
}

/** The table and its columns, quoted for SQL. */
export interface OnceNames {
  readonly table: string;
  readonly id: string;
  readonly doneAt: string;
  /** All columns, in the order of `id`, `schedule`, `work`, `done_at`. */
  readonly columns: string;
}

/**
 * Returns the names that TypeORM uses for the entity or, if the data source doesn't have the entity, those of the migration, in the
 * data source's schema.
 */
export function onceNames(dataSource: DataSource): OnceNames {
  const { driver } = dataSource;
  const { schema } = dataSource.options as { schema?: string };
  const metadata = dataSource.hasMetadata(OnceRecordEntity)
    ? dataSource.getMetadata(OnceRecordEntity)
    : undefined;
  const parts = metadata?.tablePath.split('.') ?? [...(schema ? [schema] : []), ONCE_TABLE];
  const columns = Object.keys(COLUMNS).map((name) =>
    driver.escape(metadata?.findColumnWithPropertyName(name)?.databaseName ?? name),
  );
  return {
    table: parts.map((part) => driver.escape(part)).join('.'),
    id: columns[0]!,
    doneAt: columns[3]!,
    columns: columns.join(', '),
  };
}
