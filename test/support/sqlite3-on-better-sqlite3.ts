import Database from 'better-sqlite3';

type Callback = (
  this: { lastID?: unknown; changes?: number },
  error: Error | null,
  rows?: unknown[],
) => void;

/**
 * The interface of the package sqlite3, as TypeORM 0.3 uses it: callbacks, and nothing that says whether a transaction is open.
 * It runs on better-sqlite3, so the package need not be compiled.
 */
class CallbackDatabase {
  readonly #database: Database;

  constructor(path: string, done: (error: Error | null) => void) {
    this.#database = new Database(path);
    setImmediate(done, null);
  }

  run(sql: string, ...rest: unknown[]): void {
    this.all(sql, ...rest);
  }

  all(sql: string, ...rest: unknown[]): void {
    const done = rest.pop() as Callback;
    const parameters = (rest[0] ?? []) as unknown[];
    setImmediate(() => {
      let answer: { lastInsertRowid?: unknown; changes?: number } = {};
      let rows: unknown[] = [];
      try {
        const statement = this.#database.prepare(sql);
        if (statement.reader) rows = statement.all(...parameters);
        else answer = statement.run(...parameters);
      } catch (error) {
        const { code, message } = error as Error & { code?: string };
        done.call({}, Object.assign(new Error(`${code}: ${message}`), { code }));
        return;
      }
      done.call({ lastID: answer.lastInsertRowid, changes: answer.changes ?? 0 }, null, rows);
    });
  }

  close(done: (error: Error | null) => void): void {
    this.#database.close();
    setImmediate(done, null);
  }
}

/** For `driver` of a data source of type `sqlite`. */
export const sqlite3OnBetterSqlite3 = {
  Database: CallbackDatabase,
  verbose: (): unknown => sqlite3OnBetterSqlite3,
};
