const COMMENTS = /^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/;
const WRITING_PRAGMA =
  /^PRAGMA\s+[\w".]*((user_version|application_id|journal_mode|auto_vacuum|foreign_keys)\s*[=(]|incremental_vacuum|wal_checkpoint|optimize)/i;

/** Returns the statement without leading comments and whitespace. */
export function withoutComments(statement: string): string {
  return statement.replace(COMMENTS, '');
}

/**
 * Returns true for a statement that may write to the file, or that begins a transaction that may write. If unsure, returns true.
 * Also returns true for `PRAGMA foreign_keys = ...`, which affects writes, and is ignored while a transaction is open on the
 * connection.
 */
export function mayWrite(statement: string): boolean {
  const text = withoutComments(statement);
  if (/^(SELECT|VALUES|EXPLAIN|DETACH|ROLLBACK|ATTACH)\b/i.test(text)) return false;
  if (/^PRAGMA\b/i.test(text)) return WRITING_PRAGMA.test(text);
  if (/^WITH\b/i.test(text)) return /\b(INSERT|UPDATE|DELETE|REPLACE)\b/i.test(text);
  return true;
}

/** Returns true for a statement that begins a transaction if none is open. */
export function begins(statement: string): boolean {
  return /^(BEGIN|SAVEPOINT)\b/i.test(withoutComments(statement));
}

/** Returns true for the statement with which TypeORM begins a transaction inside another one. */
export function beginsInside(statement: string): boolean {
  return statement.startsWith('SAVEPOINT typeorm_');
}

/** Returns true for the statement with which TypeORM undoes a whole transaction. */
export function rollsBack(statement: string): boolean {
  return /^ROLLBACK\s*$/i.test(statement);
}

/** Returns true for a statement that doesn't write anything by itself inside a transaction. */
export function divides(statement: string): boolean {
  return /^(SAVEPOINT|RELEASE|COMMIT|END)\b/i.test(withoutComments(statement));
}

/**
 * Makes a transaction a writer from its first statement on. A transaction that reads first and writes later fails with
 * SQLITE_BUSY_SNAPSHOT if another connection has written in between. Sending the write again doesn't help.
 */
export function beginAsWriter(statement: string): string {
  return /^\s*BEGIN(\s+TRANSACTION)?\s*;?\s*$/i.test(statement)
    ? 'BEGIN IMMEDIATE TRANSACTION'
    : statement;
}

/** Returns what a successful statement does to a transaction: begins it, ends it, or neither. */
export function effectOnTransaction(statement: string): 'begin' | 'end' | undefined {
  const text = withoutComments(statement);
  if (/^BEGIN\b/i.test(text)) return 'begin';
  if (/^(COMMIT|END)\b/i.test(text)) return 'end';
  return /^ROLLBACK\b/i.test(text) && !/\bTO\b/i.test(text) ? 'end' : undefined;
}
