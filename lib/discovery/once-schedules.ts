import { ModuleRef } from '@nestjs/core';
import { connectionOf } from '../graph/connection-of.js';
import type { GraphProvider } from '../graph/lifetime-graph.js';
import { ApplicationGraph } from '../graph/read-graph.js';
import { Application, isScopedTypeOrmToken, type NestWrapper } from '../nest/index.js';
import type { ResolvedHandlerOptions } from '../schedule/handler-options.js';
import { isDisabled, type Schedule } from '../schedule/schedule.js';
import { getOrAdd } from '../util/values.js';

/** Checks whether a schedule can use the option `once`, and finds the transaction that records its work. */
export class OnceSchedules {
  constructor(
    private readonly graph: ApplicationGraph,
    private readonly application: Application,
  ) {}

  /** Returns the problem with the option `once` of a schedule, as a clause. */
  problem(
    { once, forEach }: Schedule['options'],
    worker: NestWrapper | undefined,
  ): string | undefined {
    if (once === undefined) return undefined;
    if (worker === undefined)
      return "needs a worker, whose transaction records the work. Instead of a function, pass 'Class.method' as the handler";
    if (forEach !== undefined && once.itemKey === undefined)
      return 'needs itemKey, because forEach runs the handler once for each item. Write once: { itemKey: (item) => item.id }';
    if (forEach === undefined && once.itemKey !== undefined)
      return 'has itemKey, but the schedule has no forEach. Remove itemKey';
    const found = this.transactionsOf(worker);
    if (found === undefined) return undefined;
    const { dataSource } = once;
    const of = String(worker.name);
    if (found.length === 0 && this.hasDouble(worker)) return undefined;
    if (found.length === 0) return `needs a transaction, but ${of} ${NO_TRANSACTION}`;
    if (dataSource !== undefined && !found.includes(dataSource))
      return `names the data source ${JSON.stringify(dataSource)}, but ${of} has a transaction only on ${listed(found)}. Correct once.dataSource`;
    if (dataSource === undefined && found.length > 1)
      return `must name a data source, because ${of} has transactions on ${listed(found)}. Write, for example, once: { dataSource: ${JSON.stringify(found[0])} }`;
    return undefined;
  }

  /** Returns the options with the data source on which the worker has its transaction, if `once` names none. */
  resolved(
    options: ResolvedHandlerOptions,
    worker: NestWrapper | undefined,
  ): ResolvedHandlerOptions {
    const { once } = options;
    if (once === undefined || once.dataSource !== undefined || worker === undefined) return options;
    const [dataSource, ...others] = this.transactionsOf(worker) ?? [];
    return dataSource === undefined || others.length > 0
      ? options
      : { ...options, once: { ...once, dataSource } };
  }

  /**
   * Returns the data sources on which schedules record their work, each with the handlers of those schedules. Leaves out disabled
   * schedules, because an application that only runs the migrations has no table yet.
   */
  dataSourcesOf(schedules: readonly Schedule[]): ReadonlyMap<string, readonly string[]> {
    const handlers = new Map<string, string[]>();
    for (const schedule of schedules) {
      const dataSource = schedule.options.once?.dataSource;
      if (dataSource !== undefined && !isDisabled(schedule))
        getOrAdd(handlers, dataSource, () => []).push(schedule.handler);
    }
    return handlers;
  }

  /**
   * Returns true if a test has replaced the worker, or a class that it depends on, with a ready-made value: the class may have had the
   * transaction.
   */
  private hasDouble(worker: NestWrapper): boolean {
    if (!this.application.isTestingModule) return false;
    const graph = this.graph.current;
    const provider = graph.of(worker);
    const tree = provider === undefined ? [] : graph.scopedTree(provider);
    return [...tree, ...tree.flatMap((each) => graph.dependenciesOf(each))].some(
      ({ token, kind }) =>
        kind === 'value' && typeof token === 'function' && token !== (ModuleRef as Function),
    );
  }

  /**
   * Returns the data sources on which a worker has a transaction; undefined if a test has replaced one of its scoped repositories or
   * entity managers.
   */
  private transactionsOf(worker: NestWrapper): readonly string[] | undefined {
    const graph = this.graph.current;
    const provider = graph.of(worker);
    if (provider === undefined) return undefined;
    const tree = graph.scopedTree(provider);
    const isReplaced = (each: GraphProvider): boolean =>
      isScopedTypeOrmToken(each.token) &&
      [each, ...graph.dependenciesOf(each)].every(({ token }) => connectionOf(token) === undefined);
    if (tree.flatMap((each) => graph.dependenciesOf(each)).some(isReplaced)) return undefined;
    const found = tree.flatMap(({ token }) => {
      const connection = connectionOf(token);
      return connection?.isTransactional === true ? [connection.dataSource] : [];
    });
    return [...new Set(found)];
  }
}

const NO_TRANSACTION =
  'uses no scoped repository or entity manager from ScopedTypeOrmModule.forFeature([...], { transaction: true }). Inject one into the worker, or into a provider that it uses, or remove the option once';

function listed(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(' and ');
}
