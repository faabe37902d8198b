import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, type CanActivate, type OnModuleDestroy } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { inspectScopes } from '../../lib/index.js';
import { closeApps, compileApp, startApp } from '../support/app.js';
import { probes, RequestScoped, Transient, worker } from '../support/probes.js';
import { findingsOf, told } from '../support/validation.js';

function fixture() {
  const { journal, Probe } = probes();
  @RequestScoped()
  class Tenant extends Probe {}
  @RequestScoped()
  class Service extends Probe {}
  @RequestScoped()
  class Guard extends Probe implements CanActivate {
    constructor(readonly tenant: Tenant) {
      super();
    }

    canActivate(): boolean {
      return true;
    }
  }
  const providers = [Tenant, Service, { provide: APP_GUARD, useClass: Guard }];
  return { journal, Tenant, Service, providers };
}

describe('A scoped global guard that runs around handlers', () => {
  afterEach(closeApps);

  it('is shown among what is built and disposed for a tick, in the order of a real one', async () => {
    const { journal, Service, providers } = fixture();
    const test = await startApp({
      options: { globalEnhancers: true },
      providers: [...providers, worker([Service])],
    });
    const [inspected] = inspectScopes(test.app).workers;
    await test.registry.run('Worker.run');
    expect(journal.of('disposed')).toEqual(['Guard', 'Tenant', 'Service']);
    expect(inspected!.disposal).toEqual(
      journal.of('disposed').map((name) => `${name}.[Symbol.asyncDispose]`),
    );
    expect(inspected!.tree.dependencies.map(({ name }) => name)).toEqual(['Service', 'Guard']);
  });

  it('is shown before start-up as well', async () => {
    const { Service, providers } = fixture();
    const { app } = await compileApp({
      options: { globalEnhancers: true },
      providers: [...providers, worker([Service])],
    });
    expect(inspectScopes(app).workers[0]!.disposal).toEqual(
      ['Guard', 'Tenant', 'Service'].map((name) => `${name}.[Symbol.asyncDispose]`),
    );
  });

  it('is not shown where it does not run', async () => {
    const { Service, providers } = fixture();
    const { app } = await compileApp({
      providers: [...providers, worker([Service])],
    });
    expect(inspectScopes(app).workers[0]!.disposal).toEqual(['Service.[Symbol.asyncDispose]']);
  });

  it('has what it rebuilds on every tick reported', async () => {
    @RequestScoped()
    class Tenant {}
    @Injectable()
    class Pool implements OnModuleDestroy {
      constructor(readonly tenant: Tenant) {}

      onModuleDestroy(): void {}
    }
    @RequestScoped()
    class Guard implements CanActivate {
      constructor(readonly pool: Pool) {}

      canActivate(): boolean {
        return true;
      }
    }
    const providers = [Tenant, Pool, { provide: APP_GUARD, useClass: Guard }, worker([])];
    const findings = await findingsOf({
      options: { globalEnhancers: true },
      providers,
    });
    expect(findings.map(({ number, subject }) => [number, subject])).toEqual([['SW202', 'Pool']]);
  });

  it('keeps a worker from the hint that it needs no scope', async () => {
    const { providers } = fixture();
    const test = await startApp({
      options: { globalEnhancers: true },
      providers: [...providers, worker([])],
    });
    expect(told(test)).toEqual([]);
  });
});

describe('The providers of APP_GUARD', () => {
  afterEach(closeApps);

  it('is named by its class: the same in every process', async () => {
    @Transient()
    class Connection {
      [Symbol.dispose](): void {}
    }
    @Injectable()
    class Guard implements CanActivate {
      constructor(readonly connection: Connection) {}

      canActivate(): boolean {
        return true;
      }
    }
    const providers = [Connection, { provide: APP_GUARD, useClass: Guard }];
    const [found] = await findingsOf({ providers });
    expect(found!.chain).toEqual(['Guard', 'Connection']);
  });
});
