import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Scope } from '@nestjs/common';
import type { Tick } from '../../lib/index.js';
import { closeApps, startApp, type TestAppOptions } from '../support/app.js';
import { probes, RequestScoped, worker } from '../support/probes.js';

describe('strict', () => {
  afterEach(closeApps);

  const start = (options: TestAppOptions) =>
    startApp({ ...options, options: { leakDetection: { strict: true } } });

  it('commits and disposes once what a factory takes out of an injected provider', async () => {
    const { journal, Probe } = probes();
    @RequestScoped()
    class Transaction extends Probe {
      onScopeCommit(): void {
        journal.note('committed');
      }
    }
    @RequestScoped()
    class UnitOfWork {
      constructor(readonly transaction: Transaction) {}
    }
    const transaction = {
      provide: 'TRANSACTION',
      scope: Scope.REQUEST,
      inject: [UnitOfWork],
      useFactory: (work: UnitOfWork) => work.transaction,
    };
    const { registry } = await start({
      providers: [worker(['TRANSACTION']), Transaction, UnitOfWork, transaction],
    });
    const { built, disposed } = await registry.run('Worker.run');

    expect(journal.lines).toEqual(['built Transaction', 'committed', 'disposed Transaction']);
    expect({ built, disposed }).toEqual({ built: 3, disposed: 1 });
  });

  it('lets a scope use what another one has given back to a pool', async () => {
    class Connection {
      query(): string {
        return 'rows';
      }
    }
    @Injectable()
    class Pool {
      readonly #free = [new Connection()];
      acquire(): Connection {
        return this.#free.pop()!;
      }
      release(connection: Connection): void {
        this.#free.push(connection);
      }
    }
    const connection = {
      provide: Connection,
      scope: Scope.REQUEST,
      inject: [Pool],
      useFactory: (pool: Pool) => pool.acquire(),
    };
    const Worker = worker([Connection, Pool], ({ scope }: Tick, its: Connection, pool: Pool) => {
      scope.defer(() => pool.release(its));
      return its.query();
    });
    const { registry } = await start({ providers: [Worker, Pool, connection] });

    expect((await registry.run('Worker.run')).value).toBe('rows');
    const { error, value } = await registry.run('Worker.run');
    expect(error).toBeUndefined();
    expect(value).toBe('rows');
  });

  it('leaves an instance alone when one that inherits from it is written to', async () => {
    @RequestScoped()
    class Log {
      level = 'info';
      describe(): string {
        return this.level;
      }
    }
    const Worker = worker([Log], (_tick: Tick, log: Log) => {
      const child = Object.create(log) as Log;
      child.level = 'debug';
      return [log.describe(), child.describe()];
    });
    const { registry } = await start({ providers: [Worker, Log] });

    expect((await registry.run('Worker.run')).value).toEqual(['info', 'debug']);
  });

  it('disposes a scope though the application has stacks that are not text', async () => {
    const { journal, Probe } = probes();
    @RequestScoped()
    class Session extends Probe {}
    const { registry } = await start({ providers: [worker([Session]), Session] });
    const { prepareStackTrace } = Error;
    Error.prepareStackTrace = (_error, frames) => frames;
    const report = await registry.run('Worker.run').finally(() => {
      Error.prepareStackTrace = prepareStackTrace;
    });
    const { openScopes } = registry.stats();
    expect({ outcome: report.outcome, openScopes }).toEqual({
      outcome: 'succeeded',
      openScopes: 0,
    });
    expect(journal.of('disposed')).toEqual(['Session']);
  });
});
