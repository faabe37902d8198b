import { Module, type DynamicModule, type Type } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import Database from 'better-sqlite3';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataSourceOptions } from 'typeorm';

type SqliteOptions = Extract<DataSourceOptions, { type: 'better-sqlite3' }> & {
  readonly name: string;
  readonly manualInitialization: boolean;
};

/** A database file of a test, with a look at what is committed in it from outside. */
export interface TestFile {
  readonly path: string;
  /** Runs one statement on its own connection. */
  query<Row>(sql: string): Row[];
  /** The texts of all notes that are committed, sorted. */
  committed(): string[];
}

const folders: string[] = [];

export function createTestFile(): TestFile {
  const folder = mkdtempSync(join(tmpdir(), 'scoped-worker-sqlite-'));
  folders.push(folder);
  const path = join(folder, 'app.db');
  const query = <Row>(sql: string): Row[] => {
    const connection = new Database(path, { readonly: true });
    try {
      return connection.prepare(sql).all() as Row[];
    } finally {
      connection.close();
    }
  };
  return {
    path,
    query,
    committed: () =>
      query<{ text: string }>('SELECT text FROM notes ORDER BY text').map(({ text }) => text),
  };
}

/** A connection, as of another process, on which a transaction reads until it is closed: a new file can't be switched to WAL before. */
export function beginElsewhere({ path }: TestFile): Pick<Database, 'close'> {
  const other = new Database(path);
  other.exec('CREATE TABLE notes (id integer primary key, text text NOT NULL)');
  other.exec('BEGIN');
  other.prepare('SELECT * FROM notes').all();
  return other;
}

/** For `afterEach`, when the applications are closed. */
export function removeTestFiles(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
}

/** What happens to the connections of better-sqlite3 that a data source opens. */
export interface ConnectionLog {
  opened: number;
  closed: number;
  readonly driver: typeof Database;
}

/** For `driver` of the options: better-sqlite3 that counts. */
export function countConnections(): ConnectionLog {
  const log = { opened: 0, closed: 0 };
  class Counted extends Database {
    constructor(...args: ConstructorParameters<typeof Database>) {
      super(...args);
      log.opened += 1;
    }

    override close(): this {
      log.closed += 1;
      return super.close();
    }
  }
  return Object.assign(log, { driver: Counted as unknown as typeof Database });
}

/** The data source of a test on better-sqlite3; in memory without a file. */
export function sqliteRoot(file?: TestFile, options: Partial<SqliteOptions> = {}): DynamicModule {
  return TypeOrmModule.forRoot({
    type: 'better-sqlite3',
    database: file?.path ?? ':memory:',
    autoLoadEntities: true,
    synchronize: true,
    retryAttempts: 0,
    ...options,
  });
}

/** For the options: calls `requested` each time the library has tried to switch the connection of the application to WAL. */
export function watchWal(requested: () => void): Pick<SqliteOptions, 'prepareDatabase'> {
  return {
    prepareDatabase: (connection: Database) => {
      const pragma = connection.pragma.bind(connection);
      connection.pragma = (text, ...rest) => {
        try {
          return pragma(text, ...rest);
        } finally {
          if (text === 'journal_mode = WAL') requested();
        }
      };
    },
  };
}

/** A module that imports one with the provider, whose hook Nest therefore calls before that of the library. */
export function around(provider: Type): Type {
  @Module({ providers: [provider] })
  class Inner {}
  @Module({ imports: [Inner] })
  class Middle {}
  @Module({ imports: [Middle] })
  class Outer {}
  return Outer;
}
