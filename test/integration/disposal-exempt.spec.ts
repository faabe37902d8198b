import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, Scope, type Provider } from '@nestjs/common';
import { ContextIdFactory, type ContextId, type HostComponentInfo } from '@nestjs/core';
import { closeApps, startApp } from '../support/app.js';
import { probes, RequestScoped, Transient, worker } from '../support/probes.js';

describe('Disposal passes over', () => {
  const { journal, Probe } = probes();
  const tenant: ContextId = { id: 1 };

  @Injectable({ scope: Scope.REQUEST, durable: true })
  class Durable extends Probe {}
  @RequestScoped()
  class Scoped extends Probe {
    constructor(readonly durable: Durable) {
      super();
    }
  }

  beforeEach(() => void (journal.lines.length = 0));
  afterEach(async () => {
    // Nest has no way to take a strategy off again but this one.
    (ContextIdFactory as unknown as { strategy?: unknown }).strategy = undefined;
    await closeApps();
  });

  it('[B1] a durable instance, which belongs to the context that the strategy returns', async () => {
    ContextIdFactory.apply({
      attach: (contextId) => (info: HostComponentInfo) => (info.isTreeDurable ? tenant : contextId),
    });
    const { registry } = await startApp({ providers: [worker([Scoped]), Scoped, Durable] });
    await registry.run('Worker.run');
    await registry.run('Worker.run');

    expect(journal.of('built').sort()).toEqual(['Durable', 'Scoped', 'Scoped']);
    expect(journal.of('disposed')).toEqual(['Scoped', 'Scoped']);
  });

  it('[B1] not a transient that injects a durable instance ininto a request-scoped class', async () => {
    ContextIdFactory.apply({
      attach: (contextId) => (info: HostComponentInfo) => (info.isTreeDurable ? tenant : contextId),
    });
    @Transient()
    class Helper extends Probe {
      constructor(readonly durable: Durable) {
        super();
      }
    }
    @RequestScoped()
    class Helped extends Probe {
      constructor(readonly helper: Helper) {
        super();
      }
    }
    const { registry } = await startApp({
      providers: [worker([Helped]), Helped, Helper, Durable],
    });
    await registry.run('Worker.run');
    await registry.run('Worker.run');

    // Nest 11.0 shares the transient among all requests of the tenant.
    const own = process.env['NEST'] === 'nest11-oldest' ? ['Helped'] : ['Helped', 'Helper'];
    expect(journal.of('disposed')).toEqual([...own, ...own]);
  });

  it('[B1] no durable instance when there is no strategy: it is built for the tick like any other', async () => {
    const { registry } = await startApp({ providers: [worker([Scoped]), Scoped, Durable] });
    await registry.run('Worker.run');

    expect(journal.of('disposed')).toEqual(['Scoped', 'Durable']);
  });

  it('[B17] what a durable provider holds and a request-scoped factory returns, such as the pool of a tenant', async () => {
    ContextIdFactory.apply({
      attach: (contextId) => (info: HostComponentInfo) => (info.isTreeDurable ? tenant : contextId),
    });
    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Tenant {
      readonly pool = new Disposable();
      readonly regions = new Map([['eu', new Disposable()]]);
    }
    const disposed: string[] = [];
    class Disposable {
      [Symbol.dispose](): void {
        disposed.push('held');
      }
    }
    const made = (): object => ({ [Symbol.dispose]: () => void disposed.push('made') });
    const ofTenant = (provide: string, useFactory: (tenant: Tenant) => object): Provider => ({
      provide,
      scope: Scope.REQUEST,
      inject: [Tenant],
      useFactory,
    });
    const { registry } = await startApp({
      providers: [
        worker(['POOL', 'EU', 'OWN']),
        Tenant,
        ofTenant('POOL', ({ pool }) => pool),
        ofTenant('EU', ({ regions }) => regions.get('eu')!),
        ofTenant('OWN', made),
      ],
    });
    await registry.run('Worker.run');
    await registry.run('Worker.run');

    expect(disposed).toEqual(['made', 'made']);
  });

  it('[B17] a factory result other than an object', async () => {
    const nothing = [undefined, null, 0, '', 'text', true, Symbol('mark')];
    const { registry } = await startApp({
      providers: [
        worker(nothing.map((_, index) => `NOTHING_${index}`)),
        ...nothing.map((value, index) => ({
          provide: `NOTHING_${index}`,
          scope: Scope.REQUEST,
          useFactory: () => value,
        })),
      ],
    });

    expect(await registry.run('Worker.run')).toMatchObject({
      outcome: 'succeeded',
      built: 1,
      disposed: 0,
    });
  });
});
