/** The reasons why the transaction of a scope can't continue, or can't be committed. */

export const DOOMED =
  'The transaction of the scope cannot be committed: one of its statements failed, and the handler continued. Let the error propagate, or run the statement in entityManager.transaction().';

export const LOST =
  'The database rolled back the transaction of the scope when a statement failed, and the handler continued. Do not catch the error of that statement.';

export const DISCONNECTED =
  'The connection of the scope was lost before COMMIT, so the database rolled back its transaction. Run the work again. If this recurs, look for a database restart, a timeout for idle transactions, or code that releases the query runner or destroys the data source.';

export const UNFINISHED =
  'The transaction of the scope cannot be committed: a transaction inside it has not ended. Await every save() and manager.transaction(), even if part of the work fails.';

export const CUT =
  'The transaction of the scope cannot be committed: a stream was still open, so the library destroyed it. Read every stream to its end, or destroy it.';

export const ENDED =
  'The handler ended the transaction of the scope with a statement that the library did not recognize, but only the scope may end it. Throw to roll it back, or omit { transaction: true }.';

export const FAILED =
  'The library refused a statement from a rollback hook: the scope was not committed, so the database might commit the statement separately. Send it in a scope.defer() cleanup, which runs after the rollback.';

export function beginText(statement: string): string {
  return `The library refused a statement that would begin another transaction (${statement}), because the scope has one already. Call manager.transaction(), which sets a savepoint, or omit { transaction: true }.`;
}

export function endText(statement: string): string {
  return `The library refused a statement that would end the transaction of the scope (${statement}), because only the scope may end it. Throw to roll it back, or omit { transaction: true }.`;
}

export function levelText(level: string): string {
  return `The transaction of the scope has already begun, so its isolation level can no longer change. The library refused an inner transaction at the isolation level ${level}. Call manager.transaction() with this level before any other statement, or set isolationLevel for the data source.`;
}

/** Instead of this error, `manager.transaction()` throws the error that kept the transaction from beginning. */
export const NOT_BEGUN = 'The inner transaction has not begun, so it cannot be rolled back.';
