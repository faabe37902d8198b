import type { DataSource, QueryRunner } from 'typeorm';
import { textOf } from '../errors/error-parts.js';
import type { ScopeNotice } from '../scope/scope-ports.js';
import { onceRecordOf, type OnceRecord, type OnceStore } from '../tick/once.js';
import { ONCE_TABLE, onceNames, type OnceNames } from './once-schema.js';
import { FILE_DRIVERS } from './sqlite-driver.js';

const LONGEST_TEXT = 255;

/** The number of records that one statement deletes. SQLite allows 32,766 values in a statement; before 3.32, 999. */
const BATCH = 500;

/** Runs the statements on the table of work that is done. */
export class OnceTable implements OnceStore {
  constructor(
    readonly dataSource: string,
    private readonly source: DataSource,
  ) {}

  async problem(): Promise<string | undefined> {
    if (!this.source.isInitialized) return undefined; // a test double, or a data source that is initialized later
    const { type } = this.source.options;
    if (insertOf(type) === undefined)
      return `The driver ${type} is not supported: use PostgreSQL, MySQL, MariaDB or an SQLite file.`;
    try {
      const { table, columns, id } = onceNames(this.source);
      await this.send(`SELECT ${columns} FROM ${table} WHERE ${id} = ''`);
      return undefined;
    } catch (error) {
      return `The table ${ONCE_TABLE} cannot be read (${textOf(error)}). Add CreateScopedWorkerOnce1764374400000 to the migrations of the data source and run them, or add OnceRecordEntity to its entities with synchronize: true.`;
    }
  }

  /**
   * Returns a function that records the work of a scope with the first statement of its transaction; undefined if that work needs no
   * record. The function throws if another run has done the work.
   */
  recorder(scope: ScopeNotice | undefined): ((runner: QueryRunner) => Promise<void>) | undefined {
    const record = onceRecordOf(scope);
    if (record?.isFor(this.dataSource) !== true) return undefined;
    return async (runner) => {
      if (!record.isDone) record.written(await this.write(runner, record));
      if (record.isDone)
        throw new Error(
          `${record.schedule}: another run has already done this work (${record.work}).`,
        );
    };
  }

  /**
   * Writes a record. If another run is doing the work, waits until that run has ended.
   *
   * @returns false if another run has committed the work.
   * @throws Error if this run has waited too long for the other one.
   */
  private async write(runner: QueryRunner, record: OnceRecord): Promise<boolean> {
    const { id, schedule, work, lockTimeoutMs } = record;
    const insert = insertOf(this.source.options.type)!;
    const row = [id, shortened(schedule), shortened(work), Date.now()] as const;
    try {
      return await insert(runner, onceNames(this.source), row, lockTimeoutMs);
    } catch (error) {
      if (isDoneInOtherSnapshot(error)) return false;
      if (!isLockTimeout(error)) throw error;
      record.throwIfAborted(); // a tick that was aborted while it waited is cancelled
      throw new Error(
        `${schedule}: this run waited too long to record its work (${work}), and failed before its handler was called. Another run is probably doing this work. If that run commits, the work is done; otherwise, a retry or a redelivery repeats it. To wait longer, set once: { lockTimeoutMs }.`,
        { cause: error },
      );
    }
  }

  /**
   * Deletes old records by their ids: on MySQL and MariaDB, one by one. A `DELETE` of several rows may scan the table there, and would
   * then wait for the records of some running ticks while blocking those of others.
   */
  async deleteBefore(time: Date, signal: AbortSignal): Promise<void> {
    const { type } = this.source.options;
    while (this.source.isInitialized && !signal.aborted) {
      const { table, id, doneAt } = onceNames(this.source);
      const { records = [] } = await this.send(
        `SELECT ${id} AS id FROM ${table} WHERE ${doneAt} < ${time.getTime()} LIMIT ${BATCH}`,
      );
      if (records.length === 0) return;
      const ids = records.map((record) => record['id']);
      for (const some of isMysql(type) ? ids.map((each) => [each]) : [ids]) {
        if (signal.aborted) return;
        const values = some.map((_, index) => (type === 'postgres' ? `$${index + 1}` : '?'));
        await this.send(`DELETE FROM ${table} WHERE ${id} IN (${values.join(', ')})`, some);
      }
    }
  }

  private async send(sql: string, values: unknown[] = []): Promise<Sent> {
    const runner = this.source.createQueryRunner('master');
    try {
      return (await runner.query(sql, values, true)) as Sent;
    } finally {
      await runner.release();
    }
  }
}

type Row = readonly [id: string, schedule: string, work: string, doneAt: number];

/** Inserts a record. @returns false if the record exists. */
type Insert = (
  runner: QueryRunner,
  names: OnceNames,
  row: Row,
  lockTimeoutMs: number,
) => Promise<boolean>;

interface Sent {
  readonly affected?: number;
  readonly records?: readonly Record<string, unknown>[];
}

async function insertPostgres(
  ...[runner, { table, columns }, row, timeoutMs]: Parameters<Insert>
): ReturnType<Insert> {
  // The CTE changes the time limit before the INSERT waits, in the same round trip.
  const { records } = (await runner.query(
    `WITH "wait" AS MATERIALIZED (
       SELECT current_setting('lock_timeout') AS "before", set_config('lock_timeout', $5, true)
     )
     INSERT INTO ${table} (${columns}) SELECT $1, $2, $3, $4::bigint FROM "wait" ON CONFLICT DO NOTHING
     RETURNING (SELECT "before" FROM "wait") AS "before"`,
    [...row, String(Math.ceil(timeoutMs))],
    true,
  )) as Sent;
  const [inserted] = records ?? [];
  if (inserted === undefined) return false;
  await runner.query(`SELECT set_config('lock_timeout', $1, true)`, [inserted['before']]);
  return true;
}

async function insertMysql(
  ...[runner, names, row, timeoutMs]: Parameters<Insert>
): ReturnType<Insert> {
  // Bypasses TypeORM, because after a deadlock, the transaction refuses all statements.
  const client = (await runner.connect()) as MysqlClient;
  const send = (sql: string): Promise<void> =>
    new Promise((resolve, reject) =>
      client.query(sql, (error) => (error === null ? resolve() : reject(error))),
    );
  const seconds = Math.ceil(timeoutMs / 1_000);
  await send(
    `SET @scoped_worker_wait = @@innodb_lock_wait_timeout, innodb_lock_wait_timeout = ${seconds}`,
  );
  try {
    return await insertIgnoring('INSERT IGNORE INTO', runner, names, row);
  } finally {
    await send('SET innodb_lock_wait_timeout = @scoped_worker_wait');
  }
}

/** A connection of `mysql2` or `mysql`. */
interface MysqlClient {
  query(sql: string, done: (error: Error | null) => void): void;
}

async function insertIgnoring(
  into: string,
  runner: QueryRunner,
  { table, columns }: OnceNames,
  row: Row,
): Promise<boolean> {
  const sql = `${into} ${table} (${columns}) VALUES (?, ?, ?, ?)`;
  const { affected } = (await runner.query(sql, [...row], true)) as Sent;
  return affected === 1;
}

function insertOf(driver: string): Insert | undefined {
  if (driver === 'postgres') return insertPostgres;
  if (isMysql(driver)) return insertMysql;
  if (!FILE_DRIVERS.includes(driver)) return undefined;
  return (runner, names, row) => insertIgnoring('INSERT OR IGNORE INTO', runner, names, row);
}

function isMysql(driver: string): boolean {
  return driver === 'mysql' || driver === 'mariadb';
}

/** Only `id` identifies the work; the other texts are for people. PostgreSQL's text can't contain \0. */
function shortened(text: string): string {
  return text.replaceAll('\0', '').slice(0, LONGEST_TEXT);
}

interface DriverError {
  readonly code?: unknown;
  readonly errno?: unknown;
  readonly routine?: unknown;
}

function driverErrorOf(error: unknown): DriverError {
  return (error as { driverError?: DriverError }).driverError ?? {};
}

/**
 * Returns true for the error that PostgreSQL reports at REPEATABLE READ and SERIALIZABLE if the existing record is newer than the
 * snapshot: `ON CONFLICT DO NOTHING` can't ignore a row that the transaction must not see.
 */
function isDoneInOtherSnapshot(error: unknown): boolean {
  const { code, routine } = driverErrorOf(error);
  return code === '40001' && routine === 'ExecCheckTupleVisible';
}

/**
 * Returns true if a statement waited too long for a lock: on PostgreSQL, on MySQL or on SQLite. On MySQL, if the run that holds the
 * record fails while several others wait for it, all but one of them fail with a deadlock error.
 */
function isLockTimeout(error: unknown): boolean {
  const { code, errno } = driverErrorOf(error);
  return (
    code === '55P03' || errno === 1205 || errno === 1213 || String(code).startsWith('SQLITE_BUSY')
  );
}
