import type { DataSource, QueryRunner } from 'typeorm';
import { textOf } from '../errors/error-parts.js';
import type { ScopeNotice } from '../scope/scope-ports.js';
import { onceRecordOf, type OnceRecord, type OnceStore } from '../tick/once.js';
import { ONCE_COLUMNS, ONCE_TABLE, tableOf } from './once-schema.js';
import { FILE_DRIVERS } from './sqlite-driver.js';

const LIST = ONCE_COLUMNS.join(', ');
const LONGEST_TEXT = 255;

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
      await this.send(`SELECT ${LIST} FROM ${tableOf(this.source)} WHERE id = ''`);
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
      record.isDone = !(await this.write(runner, record));
      if (record.isDone)
        throw new Error(
          `${record.schedule}: another run has already done this work (${record.work}).`,
        );
      record.begin();
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
      return await insert(runner, tableOf(this.source), row, lockTimeoutMs);
    } catch (error) {
      if (isDoneInOtherSnapshot(error)) return false;
      if (!isLockTimeout(error)) throw error;
      throw new Error(
        `${schedule}: this run waited too long to record its work (${work}), and failed before its handler was called. Another run is probably doing this work. If that run commits, the work is done; otherwise, a retry or a redelivery repeats it. To wait longer, set once: { lockTimeoutMs }.`,
        { cause: error },
      );
    }
  }

  async deleteBefore(time: Date): Promise<void> {
    if (!this.source.isInitialized) return;
    const { type } = this.source.options;
    const value = type === 'postgres' ? '$1' : '?';
    const table = tableOf(this.source);
    await this.send(`DELETE FROM ${table} WHERE done_at < ${value}`, [time.getTime()]);
  }

  private async send(sql: string, values: unknown[] = []): Promise<void> {
    const runner = this.source.createQueryRunner('master');
    try {
      await runner.query(sql, values);
    } finally {
      await runner.release();
    }
  }
}

type Row = readonly [id: string, schedule: string, work: string, doneAt: number];

/** Inserts a record. @returns false if the record exists. */
type Insert = (
  runner: QueryRunner,
  table: string,
  row: Row,
  lockTimeoutMs: number,
) => Promise<boolean>;

interface Sent {
  readonly affected?: number;
  readonly records?: readonly Record<string, unknown>[];
}

async function insertPostgres(
  ...[runner, table, row, timeoutMs]: Parameters<Insert>
): ReturnType<Insert> {
  // The CTE changes the time limit before the INSERT waits, in the same round trip.
  const { records } = (await runner.query(
    `WITH "wait" AS MATERIALIZED (
       SELECT current_setting('lock_timeout') AS "before", set_config('lock_timeout', $5, true)
     )
     INSERT INTO ${table} (${LIST}) SELECT $1, $2, $3, $4::bigint FROM "wait" ON CONFLICT DO NOTHING
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
  ...[runner, table, row, timeoutMs]: Parameters<Insert>
): ReturnType<Insert> {
  const seconds = Math.ceil(timeoutMs / 1_000);
  await runner.query(
    `SET @scoped_worker_wait = @@innodb_lock_wait_timeout, innodb_lock_wait_timeout = ${seconds}`,
  );
  try {
    return await insertIgnoring(`INSERT IGNORE INTO`, runner, table, row);
  } finally {
    await runner.query('SET innodb_lock_wait_timeout = @scoped_worker_wait');
  }
}

async function insertIgnoring(
  into: string,
  runner: QueryRunner,
  table: string,
  row: Row,
): Promise<boolean> {
  const sql = `${into} ${table} (${LIST}) VALUES (?, ?, ?, ?)`;
  const { affected } = (await runner.query(sql, [...row], true)) as Sent;
  return affected === 1;
}

function insertOf(driver: string): Insert | undefined {
  if (driver === 'postgres') return insertPostgres;
  if (driver === 'mysql' || driver === 'mariadb') return insertMysql;
  if (!FILE_DRIVERS.includes(driver)) return undefined;
  return (runner, table, row) => insertIgnoring('INSERT OR IGNORE INTO', runner, table, row);
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

/** Returns true if a statement waited too long for a lock: on PostgreSQL, on MySQL or on SQLite. */
function isLockTimeout(error: unknown): boolean {
  const { code, errno } = driverErrorOf(error);
  return code === '55P03' || errno === 1205 || String(code).startsWith('SQLITE_BUSY');
}
