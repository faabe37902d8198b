import { Module, Scope, type DynamicModule } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { DataSource } from 'typeorm';
import { InvalidOptionsError } from '../errors/index.js';
import { ScopedConnection } from './scoped-connection.js';
import { loadTypeOrm } from './typeorm-peer.js';

/** Looks a data source up in the application, once. */
class DataSourceLookup {
  #dataSource: DataSource | undefined;

  constructor(
    private readonly name: string,
    private readonly moduleRef: ModuleRef,
  ) {}

  get dataSource(): DataSource {
    if (this.#dataSource === undefined)
      throw new InvalidOptionsError([unknownDataSource(this.name)]);
    return this.#dataSource;
  }

  /** At start-up, when every data source stands. */
  async onModuleInit(): Promise<void> {
    const { getDataSourceToken } = await loadTypeOrm();
    try {
      this.#dataSource = this.moduleRef.get<DataSource>(getDataSourceToken(this.name) as never, {
        strict: false,
      });
    } catch (cause) {
      throw new InvalidOptionsError([unknownDataSource(this.name)], { cause });
    }
  }
}

function unknownDataSource(name: string): string {
  return name === 'default'
    ? 'ScopedTypeOrmModule.forFeature(): the application has no default data source. Import TypeOrmModule.forRoot(), or name another with { dataSource }.'
    : `ScopedTypeOrmModule.forFeature(): the application has no data source named "${name}". Import TypeOrmModule.forRoot({ name: '${name}', ... }), or correct { dataSource }.`;
}

const modules = new Map<string, DynamicModule>();

/** The token of the connection of a scope. */
export function connectionToken(dataSource: string, transactional: boolean): string {
  return `nestjs-scoped-worker:Connection:${dataSource}${transactional ? ':transaction' : ''}`;
}

/**
 * Gives each scope its connection to one data source. The same definition for every `forFeature()` that asks
 * for it, so that Nest makes one module of it and a scope has one connection.
 */
@Module({})
export class ScopedDataSourceModule {
  static for(dataSource: string, transactional: boolean): DynamicModule {
    const token = connectionToken(dataSource, transactional);
    const lookup = `${token}:lookup`;
    let definition = modules.get(token);
    if (definition === undefined) {
      definition = {
        module: ScopedDataSourceModule,
        providers: [
          {
            provide: lookup,
            inject: [ModuleRef],
            useFactory: (moduleRef: ModuleRef) => new DataSourceLookup(dataSource, moduleRef),
          },
          {
            provide: token,
            scope: Scope.REQUEST,
            inject: [lookup],
            useFactory: ({ dataSource }: DataSourceLookup) =>
              new ScopedConnection(dataSource, transactional),
          },
        ],
        exports: [token],
      };
      modules.set(token, definition);
    }
    return definition;
  }
}
