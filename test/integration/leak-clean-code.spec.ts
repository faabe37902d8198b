import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable, Scope } from '@nestjs/common';
import { ContextIdFactory, REQUEST, type HostComponentInfo } from '@nestjs/core';
import type { LeakDetectionOptions, LeakFound, Tick } from '../../lib/index.js';
import { closeApps, startApp, type TestApp, type TestAppOptions } from '../support/app.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { gate } from '../support/gate.js';
import { probes, RequestScoped, Transient, worker } from '../support/probes.js';

describe('leak:found is silent on clean code', () => {
  afterEach(closeApps);

  async function start(
    options: TestAppOptions,
    leakDetection: LeakDetectionOptions = { graceMs: 0 },
  ): Promise<TestApp & { found: LeakFound[] }> {
    const test = await startApp({ ...options, options: { leakDetection } });
    const found: LeakFound[] = [];
    test.events.on('leak:found', (leak) => found.push(leak));
    return { ...test, found };
  }

  const scoped = (useFactory: (...injected: never[]) => unknown, inject: unknown[] = []) => ({
    provide: 'MADE',
    scope: Scope.REQUEST,
    inject: inject as never[],
    useFactory,
  });

  it('of what a factory shares with scopes that sample leaves out', async () => {
    const pooled = {};
    const { registry, found } = await start(
      { providers: [worker(['MADE']), scoped(() => pooled)] },
      { graceMs: 0, sample: 0.01 },
    );
    const random = jest.spyOn(Math, 'random');
    for (const drawn of [0.5, 0, 0.5]) {
      random.mockReturnValue(drawn);
      await registry.run('Worker.run');
    }
    random.mockRestore();
    await collectGarbage();

    expect(found).toEqual([]);
  });

  it('of what a factory returns although a static provider holds it, also when its first result was fresh', async () => {
    @Injectable()
    class Pools {
      readonly byTenant = new Map<string, object>([['eu', {}]]);
    }
    const results: ((pools: Pools) => unknown)[] = [
      () => ({}),
      (pools) => pools.byTenant.get('eu'),
    ];
    const { registry, found } = await start({
      providers: [
        worker(['MADE']),
        Pools,
        scoped((pools: Pools) => results.shift()!(pools), [Pools]),
      ],
    });
    await registry.run('Worker.run');
    await registry.run('Worker.run');
    await collectGarbage();

    expect(found).toEqual([]);
  });

  it('of a payload that a factory returns, which no scope disposes', async () => {
    const { journal, probe } = probes();
    const payload = probe('payload');
    const { registry, found } = await start({
      providers: [worker(['MADE']), scoped((tick: Tick) => tick.payload, [REQUEST])],
    });
    await registry.run('Worker.run', { payload });
    await collectGarbage();

    expect(journal.lines).toEqual(['built payload']);
    expect(found).toEqual([]);
  });

  it('of what listens to the signal of an attempt, or was returned by it, while the next one waits', async () => {
    @RequestScoped()
    class Session {
      follow(signal: AbortSignal): void {
        signal.addEventListener('abort', () => this.stop());
      }
      stop(): void {}
    }
    @RequestScoped()
    class Result {}
    const Worker = worker(
      [Session, Result],
      ({ signal, scope }: Tick, session: Session, result: Result) => {
        session.follow(signal);
        scope.waitFor(Promise.reject(new Error('down')));
        return result;
      },
      { retry: { attempts: 2, backoffMs: 3_600_000 } },
    );
    const { registry, found, next } = await start({ providers: [Worker, Session, Result] });
    const retrying = next('tick:retrying');
    const ended = registry.run('Worker.run');
    await retrying;
    await collectGarbage();
    registry.cancel('Worker.run');
    await ended;

    expect(found.map(({ className }) => className)).toEqual([]);
  });

  it('of the repository whose cause the last report of a list keeps', async () => {
    @RequestScoped()
    class Repository {
      all(): never {
        throw new Error('no list', { cause: this.cause() });
      }
      cause(): Error {
        return new Error('down');
      }
    }
    const Worker = worker([], () => undefined, {
      forEach: { inject: [Repository], useFactory: (its: Repository) => its.all() },
    });
    const { registry, found } = await start({ providers: [Worker, Repository] });
    expect((await registry.run('Worker.run')).outcome).toBe('failed');
    await collectGarbage();

    expect(found.map(({ className }) => className)).toEqual([]);
  });

  it('of what the handler of an item returned, while a list that nobody waits for goes on', async () => {
    @RequestScoped()
    class Session {}
    const mayEnd = gate();
    const second = gate();
    const Worker = worker(
      [Session],
      async ({ payload }: Tick, session: Session) => {
        if (payload !== 2) return session;
        second.open();
        return mayEnd.opened;
      },
      { disabled: false, runOnStart: true, forEach: { useFactory: () => [1, 2] } },
    );
    const { found } = await start({ providers: [Worker, Session] });
    await second.opened;
    await collectGarbage();
    mayEnd.open();

    expect(found.map(({ className }) => className)).toEqual([]);
  });

  describe('with durable providers', () => {
    const tenant = ContextIdFactory.create();
    afterEach(() => ContextIdFactory.apply(undefined as never));

    it.each([false, true])(
      'of a transient of one, which lives as long: strict %s',
      async (strict) => {
        ContextIdFactory.apply({
          attach: (contextId) => ({
            resolve: (info: HostComponentInfo) => (info.isTreeDurable ? tenant : contextId),
            payload: {},
          }),
        });
        const { journal, Probe } = probes();
        @Transient()
        class Log extends Probe {
          write(): string {
            return 'written';
          }
        }
        @Injectable({ scope: Scope.REQUEST, durable: true })
        class Tenant {
          constructor(readonly log: Log) {}
        }
        const Worker = worker([Tenant], (_tick: Tick, { log }: Tenant) => log.write());
        const { registry, found } = await start(
          { providers: [Worker, Tenant, Log] },
          { graceMs: 0, strict },
        );
        await registry.run('Worker.run');
        const { value } = await registry.run('Worker.run');
        await collectGarbage();

        expect(journal.lines).toEqual(['built Log']);
        expect(value).toBe('written');
        expect(found).toEqual([]);
      },
    );
  });
});
