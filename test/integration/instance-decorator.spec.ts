import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, Scope, type InjectionToken, type Provider } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { types } from 'node:util';
import { shared, type LeakDetectionOptions, type Tick } from '../../lib/index.js';
import { closeApps, startApp, type TestApp } from '../support/app.js';
import { DECORATES, DECORATORS } from '../support/decorators.js';
import { probes, RequestScoped, Transient, worker } from '../support/probes.js';

// Nest 11.0 has no `instrument`, so nothing is ever decorated there.
const onDecorating = DECORATES ? describe : describe.skip;

const MODES: Readonly<Record<string, LeakDetectionOptions | undefined>> = {
  'without leak detection': undefined,
  'with leak detection': {},
  'with leakDetection.strict': { strict: true },
};

const combinations = Object.keys(DECORATORS).flatMap((decorator) =>
  Object.keys(MODES).map((mode) => [decorator, mode] as const),
);

/** A request-scoped factory, by its token, and what a scope disposes that resolves it. */
interface Case {
  readonly token: string;
  readonly inject?: InjectionToken[];
  readonly make: (...injected: never[]) => unknown;
  readonly disposed: readonly string[];
}

onDecorating.each(combinations)('Ownership behind %s, %s', (decorator, mode) => {
  const { journal, Probe, probe } = probes();

  class Resource extends Probe {
    self(): this {
      return this;
    }
  }
  @Injectable()
  class Single extends Resource {}
  @Injectable()
  class Pools {
    readonly main = probe('main pool');
    readonly byTenant = new Map([['eu', probe('pool of a tenant')]]);
  }
  @RequestScoped()
  class Scoped extends Resource {}
  @RequestScoped()
  class Holder extends Resource {
    constructor(readonly scoped: Scoped) {
      super();
    }
  }
  @Transient()
  class Passing extends Resource {}

  const value = probe('value');
  const made = probe('made by a factory');
  const hidden = probe('hidden pool');
  const frozen = Object.freeze(probe('frozen pool'));
  const cases: readonly Case[] = [
    { token: 'a singleton', inject: [Single], make: (single: Single) => single, disposed: [] },
    {
      token: 'a singleton, bare',
      inject: [Single],
      make: (one: Single) => one.self(),
      disposed: [],
    },
    {
      token: 'a field of a singleton',
      inject: [Pools],
      make: ({ main }: Pools) => main,
      disposed: [],
    },
    {
      token: 'a map of a singleton',
      inject: [Pools],
      make: (all: Pools) => all.byTenant.get('eu'),
      disposed: [],
    },
    { token: 'a value', inject: ['VALUE'], make: (given: object) => given, disposed: [] },
    { token: 'a value, bare', make: () => value, disposed: [] },
    { token: 'a frozen value', inject: ['FROZEN'], make: (given: object) => given, disposed: [] },
    { token: 'a result', inject: ['MADE'], make: (given: object) => given, disposed: [] },
    { token: 'a result, bare', make: () => made, disposed: [] },
    {
      token: 'a result, decorated twice',
      inject: ['AGAIN'],
      make: (given: object) => given,
      disposed: [],
    },
    {
      token: 'what is lent, once more',
      inject: ['a value'],
      make: (given: object) => given,
      disposed: [],
    },
    { token: 'shared', make: () => shared(hidden), disposed: [] },
    { token: 'shared, once more', inject: ['shared'], make: () => hidden, disposed: [] },
    {
      token: 'shared as it is injected',
      inject: ['shared'],
      make: (given: object) => shared(given),
      disposed: [],
    },
    { token: 'the request', inject: [REQUEST], make: (given: object) => given, disposed: [] },

    { token: 'new', make: () => probe('new'), disposed: ['new'] },
    { token: 'own', inject: [Scoped], make: (scoped: Scoped) => scoped, disposed: ['Scoped'] },
    {
      token: 'own, bare',
      inject: [Scoped],
      make: (one: Scoped) => one.self(),
      disposed: ['Scoped'],
    },
    {
      token: 'own, twice',
      inject: ['own'],
      make: (scoped: Scoped) => scoped,
      disposed: ['Scoped'],
    },
    {
      token: 'own, new, once more',
      inject: ['new'],
      make: (given: object) => given,
      disposed: ['new'],
    },
    {
      token: 'own, of a holder',
      inject: [Holder],
      make: ({ scoped }: Holder) => scoped,
      disposed: ['Holder', 'Scoped'],
    },
    {
      token: 'transient',
      inject: [Passing],
      make: (passing: Passing) => passing,
      disposed: ['Passing'],
    },
  ];
  const providers: Provider[] = [
    Single,
    Pools,
    Scoped,
    Holder,
    Passing,
    { provide: 'VALUE', useValue: value },
    { provide: 'FROZEN', useValue: frozen },
    { provide: 'MADE', useFactory: () => made },
    { provide: 'AGAIN', useFactory: (given: object) => given, inject: ['MADE'] },
    { provide: 'alias', useExisting: Scoped },
    {
      provide: 'payload',
      scope: Scope.REQUEST,
      useFactory: ({ payload }: Tick) => payload,
      inject: [REQUEST],
    },
    ...cases.map(({ token, inject = [], make }) => ({
      provide: token,
      scope: Scope.REQUEST,
      inject,
      useFactory: make,
    })),
  ];

  let test: TestApp;
  beforeAll(async () => {
    const leakDetection = MODES[mode];
    test = await startApp({
      providers: [worker([Holder, 'own', 'alias', 'new', 'payload', 'shared']), ...providers],
      instanceDecorator: DECORATORS[decorator]!(),
      options: { ...(leakDetection && { leakDetection }) },
    });
  });
  beforeEach(() => void (journal.lines.length = 0));
  afterAll(closeApps);

  it.each(cases)('[B16][K4] $token: a scope disposes $disposed', async ({ token, disposed }) => {
    for (let scope = 0; scope < 2; scope += 1)
      await test.scopes.run((open) => open.resolve(token), { request: probe('request') });

    expect(journal.of('disposed')).toEqual([...disposed, ...disposed]);
  });

  it('[B16][K4] a tick disposes what is its own, once, and leaves its payload', async () => {
    const report = await test.registry.run('Worker.run', { payload: probe('payload') });

    expect(report).toMatchObject({ outcome: 'succeeded', disposeErrors: [], disposed: 3 });
    expect(journal.of('disposed').sort()).toEqual(['Holder', 'Scoped', 'new']);
  });

  it('[K4] Nest has decorated singletons and what belongs to a scope', async () => {
    expect(types.isProxy(test.app.get(Single))).toBe(true);
    const scoped = await test.scopes.run((scope) => scope.resolve(Scoped));
    expect(types.isProxy(scoped)).toBe(true);
  });
});
