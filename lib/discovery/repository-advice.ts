import { connectionOf, type ConnectionOfScope } from '../graph/connection-of.js';
import {
  injectionsOf,
  partsOfScopedToken,
  tokenText,
  type NestModule,
  type NestWrapper,
} from '../nest/index.js';
import { seenProvider } from '../nest/seen-provider.js';
import { reachable } from '../util/values.js';

/** A place where a repository or an entity manager is missing. */
export interface MissingRepository {
  readonly token: unknown;
  /** The injection point, as in `Injection`. */
  readonly at: string;
  /** The module whose provider injects the token. */
  readonly host: NestModule;
  /** A worker whose ticks need that provider. */
  readonly worker: NestWrapper;
  /** All modules of the application. */
  readonly modules: readonly NestModule[];
}

/** An entity with its data source or, for an entity manager, only the data source. */
interface Wanted {
  /** The expression that names the entity in code. */
  readonly entity: string | undefined;
  readonly dataSource: string;
}

/**
 * Returns the advice for a missing repository or entity manager of TypeORM; undefined for other tokens. The advice must not move
 * writes out of the tick's transaction: if the tick failed, such writes would stay committed.
 */
export function repositoryAdvice(missing: MissingRepository): string | undefined {
  const { token, host } = missing;
  const parts = partsOfScopedToken(token);
  if (parts !== undefined) {
    const { entity, dataSource } = parts;
    const isName = typeof token === 'string' && entity !== undefined;
    return `Add ${importOf({ entity: isName ? `'${entity}'` : entity, dataSource }, missing)}`;
  }
  const wanted = wantedPlainly(missing);
  if (wanted === undefined) return undefined;
  const { entity, dataSource } = wanted;
  // The application itself may also define such a token.
  const provide = `${tokenText(token)} to the providers of ${host.name}, or import a module that exports it`;
  const scoped = scopedInstead(wanted, missing);
  const named = dataSource === 'default' ? '' : `, '${dataSource}'`;
  return scoped === undefined
    ? `Add ${provide}. For the repository of a TypeORM entity, import TypeOrmModule.forFeature([${entity}]${named})`
    : `For the repository of a TypeORM entity, write ${scoped}. Otherwise, add ${provide}`;
}

/** Returns the entity and the data source that a token such as `reports_UserRepository` names; undefined for other tokens. */
function wantedPlainly({ token, modules }: MissingRepository): Wanted | undefined {
  const [, name] = (typeof token === 'string' && /^(.+)Repository$/.exec(token)) || [];
  if (name === undefined) return undefined;
  const [known] = modules
    .flatMap(({ providers }) => [...providers.keys()])
    .map((key) => (typeof key === 'string' && /^(.+)DataSource$/.exec(key)?.[1]) || '')
    .filter((each) => each !== '' && name.startsWith(`${each}_`))
    .sort((a, b) => b.length - a.length);
  // The data source may be missing too. In `User_Role` and `order_item`, the underscore is part of the entity's name.
  const dataSource = known ?? /^([a-z].*)_[A-Z]\w*$/.exec(name)?.[1];
  const entity = dataSource === undefined ? name : name.slice(dataSource.length + 1);
  return /^\w+$/.test(entity) ? { entity, dataSource: dataSource ?? 'default' } : undefined;
}

/** Returns the replacement for `@InjectRepository()`; undefined if neither the module nor the ticks use scoped repositories. */
function scopedInstead(wanted: Wanted, missing: MissingRepository): string | undefined {
  const { entity, dataSource } = wanted;
  const { at, host, worker, modules } = missing;
  const connection = connectionSeenBy(host, dataSource) ?? connectionOfTicks(worker, dataSource);
  if (connection === undefined) return undefined;
  const named = dataSource === 'default' ? entity : `${entity}, '${dataSource}'`;
  const scoped = at.startsWith('inject')
    ? `getScopedRepositoryToken(${named})`
    : `@InjectScopedRepository(${named})`;
  const isImported = modules
    .flatMap(({ providers }) => [...providers.keys()])
    .filter((token) => {
      const parts = partsOfScopedToken(token);
      return parts?.entity === entity && parts?.dataSource === dataSource;
    })
    .some((token) => seenProvider(host, token) !== undefined);
  return isImported
    ? `${scoped} at ${at}, because ${host.name} already imports it`
    : `${scoped} at ${at}, and add ${importOf(wanted, missing)}`;
}

/** Returns the text that follows "Add": which entity or import to add, and where, so that the module has the scoped repository. */
function importOf({ entity = '', dataSource }: Wanted, missing: MissingRepository): string {
  const { host, worker, modules } = missing;
  const imported = connectionSeenBy(host, dataSource);
  if (imported !== undefined)
    return `${entity} to the ${forFeature('...', imported)} that ${host.name} already imports`;
  const [connection = { dataSource, isTransactional: false }] = [
    connectionOfTicks(worker, dataSource),
    ...modules.map((module) => connectionSeenBy(module, dataSource)),
  ].filter((each) => each !== undefined);
  return `${forFeature(entity, connection)} to the imports of ${host.name}`;
}

function forFeature(entities: string, { dataSource, isTransactional }: ConnectionOfScope): string {
  const options = [
    ...(dataSource === 'default' ? [] : [`dataSource: '${dataSource}'`]),
    ...(isTransactional ? ['transaction: true'] : []),
  ];
  const written = options.length === 0 ? '' : `, { ${options.join(', ')} }`;
  return `ScopedTypeOrmModule.forFeature([${entities}]${written})`;
}

/** Returns the connection that the ticks of a worker use, or that the worker's module imports for them. */
function connectionOfTicks(worker: NestWrapper, dataSource: string): ConnectionOfScope | undefined {
  const dependencies = (wrapper: NestWrapper): NestWrapper[] =>
    injectionsOf(wrapper).map((injection) => injection.wrapper);
  for (const { token } of reachable(worker, dependencies)) {
    const connection = connectionOf(token);
    if (connection?.dataSource === dataSource) return connection;
  }
  return connectionSeenBy(worker.host!, dataSource);
}

/** Returns the connection that a module sees, through the entity manager that each `ScopedTypeOrmModule.forFeature()` exports. */
function connectionSeenBy(module: NestModule, dataSource: string): ConnectionOfScope | undefined {
  const manager = seenProvider(module, `nestjs-scoped-worker:EntityManager:${dataSource}`);
  return connectionOf(manager?.inject?.[0]);
}
