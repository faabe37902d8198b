import type { DataSource, Driver, QueryRunner } from 'typeorm';
import { getOrAdd } from '../util/values.js';
import { fileOf, FILE_DRIVERS, type SqliteDriver } from './sqlite-driver.js';
import { SqliteFile } from './sqlite-file.js';
import { NoWalError } from './sqlite-wal.js';

/** Creates a query runner for each scope, or reports that the whole process shares one connection. */
export type ScopeRunners = OwnConnections | SharedConnection;

interface OwnConnections {
  create(isTransactional: boolean): QueryRunner;
  /** Runs when an application starts. */
  onStart?(): void;
  /** Runs once the shutdown no longer waits for ticks. */
  afterDrain?(): void;
}

interface SharedConnection {
  readonly create?: undefined;
  readonly onStart?: undefined;
  readonly afterDrain?: undefined;
  /** The reason, as a predicate whose subject is the data source. */
  readonly sharedBecause: string;
  /** True if scopes on such a data source usually have their own connections. */
  readonly isUnexpected?: boolean;
}

const known = new WeakMap<object, Promise<ScopeRunners>>();

/** Returns the runners for a data source. Each call returns the same promise, unless that promise has been rejected. */
export function scopeRunnersOf(dataSource: DataSource): Promise<ScopeRunners> {
  const driver = (dataSource as { readonly driver?: object | null }).driver ?? dataSource;
  return getOrAdd(known, driver, () => {
    const found = find(dataSource);
    found.catch(() => known.delete(driver)); // the next call tries again
    return found;
  });
}

async function find(dataSource: DataSource): Promise<ScopeRunners> {
  const own = { create: () => dataSource.createQueryRunner() };
  const { driver } = dataSource as { readonly driver?: Partial<Driver> | null };
  const type = driver?.options?.type;
  if (driver?.createQueryRunner === undefined || type === undefined) return own; // a test double
  if (FILE_DRIVERS.includes(type)) return onFile(dataSource, driver as SqliteDriver);
  // This check applies to every driver, because two scopes must not share one query runner.
  const one: unknown = driver.createQueryRunner('master'); // a mock may return undefined
  return one !== undefined && one === driver.createQueryRunner('master')
    ? { sharedBecause: `has one connection for the whole process (driver ${type})` }
    : own;
}

async function onFile(dataSource: DataSource, driver: SqliteDriver): Promise<ScopeRunners> {
  const path = fileOf(driver);
  if (path === undefined)
    return { sharedBecause: 'is an in-memory SQLite database, which has only one connection' };
  try {
    const file = await SqliteFile.open(dataSource, driver, path);
    return {
      create: (isTransactional) => file.createScopeRunner(isTransactional),
      onStart: () => file.onStart(),
      afterDrain: () => file.afterDrain(),
    };
  } catch (error) {
    if (!(error instanceof NoWalError)) throw error;
    return {
      sharedBecause: `cannot use WAL, which several connections require (${error.message})`,
      isUnexpected: true,
    };
  }
}
