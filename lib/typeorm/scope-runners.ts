import type { DataSource, QueryRunner } from 'typeorm';
import { textOf } from '../errors/error-parts.js';
import { fileOf, FILE_DRIVERS, type SqliteDriver } from './sqlite-driver.js';
import { SqliteFile } from './sqlite-file.js';

/** Creates query runners for scopes. Without `create`, the whole process shares one. */
export interface ScopeRunners {
  readonly create: ((isTransactional: boolean) => QueryRunner) | undefined;
  /** Why all scopes share one: the predicate of a sentence whose subject is the data source. */
  readonly sharedBecause: string;
}

const known = new WeakMap<object, Promise<ScopeRunners>>();

/** Returns the runners of a data source: the same promise on each call. */
export function scopeRunnersOf(dataSource: DataSource): Promise<ScopeRunners> {
  const { driver = dataSource } = dataSource as { readonly driver?: object };
  let runners = known.get(driver);
  if (runners === undefined) known.set(driver, (runners = find(dataSource)));
  return runners;
}

async function find(dataSource: DataSource): Promise<ScopeRunners> {
  const own = { create: () => dataSource.createQueryRunner(), sharedBecause: '' };
  const { driver } = dataSource as Partial<DataSource>;
  if (driver === undefined) return own; // a test double
  const { type } = driver.options;
  if (FILE_DRIVERS.includes(type)) return onFile(dataSource, driver as SqliteDriver);
  // For every driver: a query runner that all code shares must not be treated as a scope's own.
  const isOne = driver.createQueryRunner('master') === driver.createQueryRunner('master');
  return isOne ? shared(`has one connection for the whole process (driver ${type})`) : own;
}

async function onFile(dataSource: DataSource, driver: SqliteDriver): Promise<ScopeRunners> {
  const path = fileOf(driver);
  if (path === undefined)
    return shared('is an SQLite database in memory, which has only one connection');
  try {
    const file = await SqliteFile.open(dataSource, driver, path);
    return {
      create: (isTransactional) => file.createScopeRunner(isTransactional),
      sharedBecause: '',
    };
  } catch (error) {
    return shared(`cannot use WAL, which several connections require (${textOf(error)})`);
  }
}

function shared(sharedBecause: string): ScopeRunners {
  return { create: undefined, sharedBecause };
}
