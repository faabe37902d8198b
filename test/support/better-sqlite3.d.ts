/** The part of better-sqlite3 that tests use; the package has no types. */
declare module 'better-sqlite3' {
  interface Statement {
    readonly reader: boolean;
    run(...parameters: unknown[]): { lastInsertRowid: unknown; changes: number };
    all(...parameters: unknown[]): unknown[];
  }

  class Database {
    constructor(path: string, options?: { readonly?: boolean; timeout?: number });
    readonly inTransaction: boolean;
    prepare(sql: string): Statement;
    exec(sql: string): this;
    pragma(source: string, options?: { readonly simple: boolean }): unknown;
    close(): this;
  }

  export default Database;
}
