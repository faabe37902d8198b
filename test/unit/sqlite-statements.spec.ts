import {
  beginAsWriter,
  begins,
  effectOnTransaction,
  mayWrite,
} from '../../lib/typeorm/sqlite-statements.js';

describe('A statement for SQLite', () => {
  it.each([
    'SELECT 1',
    '  select * from "a"',
    '-- why\nSELECT 1',
    '/* why */ SELECT 1',
    'WITH a AS (SELECT 1) SELECT * FROM a',
    'EXPLAIN QUERY PLAN DELETE FROM a',
    'PRAGMA table_info("a")',
    'PRAGMA foreign_keys',
    'PRAGMA user_version',
    'ROLLBACK',
  ])('%j does not wait for writers', (statement) => {
    expect(mayWrite(statement)).toBe(false);
  });

  it.each([
    'INSERT INTO a VALUES (1)',
    'replace into a values (1)',
    'WITH a AS (SELECT 1) INSERT INTO b SELECT * FROM a',
    'BEGIN TRANSACTION',
    'SAVEPOINT a',
    'COMMIT',
    'VACUUM',
    'CREATE TABLE a (b)',
    'PRAGMA user_version = 3',
    'PRAGMA foreign_keys = ON',
    'PRAGMA wal_checkpoint(TRUNCATE)',
    '-- SELECT\nDELETE FROM a',
  ])('%j waits for its turn', (statement) => {
    expect(mayWrite(statement)).toBe(true);
  });

  it.each([
    ['BEGIN TRANSACTION', 'BEGIN IMMEDIATE TRANSACTION'],
    ['begin', 'BEGIN IMMEDIATE TRANSACTION'],
    ['BEGIN;', 'BEGIN IMMEDIATE TRANSACTION'],
    ['BEGIN DEFERRED', 'BEGIN DEFERRED'],
    ['BEGIN EXCLUSIVE TRANSACTION', 'BEGIN EXCLUSIVE TRANSACTION'],
    ['SAVEPOINT a', 'SAVEPOINT a'],
  ])('%j is sent as %j', (statement, sent) => {
    expect(beginAsWriter(statement)).toBe(sent);
  });

  it.each([
    ['BEGIN', true, 'begin'],
    ['SAVEPOINT a', true, undefined],
    ['COMMIT', false, 'end'],
    ['END TRANSACTION', false, 'end'],
    ['ROLLBACK', false, 'end'],
    ['ROLLBACK TO SAVEPOINT a', false, undefined],
    ['RELEASE SAVEPOINT a', false, undefined],
    ['SELECT 1', false, undefined],
  ])('%j: begins %j, and its effect on a transaction is %j', (statement, isBegin, effect) => {
    expect(begins(statement)).toBe(isBegin);
    expect(effectOnTransaction(statement)).toBe(effect);
  });
});
