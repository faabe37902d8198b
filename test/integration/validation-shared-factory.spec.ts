import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module, Scope, type FactoryProvider, type Provider } from '@nestjs/common';
import { LazyModuleLoader } from '@nestjs/core';
import { inspectScopes, shared, type Finding } from '../../lib/index.js';
import { closeApps, startApp, type TestApp, type TestAppOptions } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { worker } from '../support/probes.js';
import { told } from '../support/validation.js';

class Connection {
  ended = 0;

  [Symbol.dispose](): void {
    this.ended += 1;
  }
}

@Injectable()
class DataSource {
  readonly manager = new Connection();
  readonly settings = { region: 'eu' };
  readonly replicas = new Map([['eu', new Connection()]]);
}

const handsOut = (useFactory: (source: DataSource) => unknown): FactoryProvider => ({
  provide: 'manager',
  scope: Scope.REQUEST,
  inject: [DataSource],
  useFactory,
});

const LENT = handsOut(({ manager }) => manager);
const MESSAGE =
  'The factory of manager is request-scoped, but returns an object that a singleton holds (Worker.run -> manager). Every tick gets the same object, and no scope disposes it. Create a new object in the factory. If sharing is intentional, return shared(...), or remove the scope of the factory.';

/** Runs two ticks, and returns what was reported in them. */
async function reported(metadata: TestAppOptions): Promise<TestApp & { findings: Finding[] }> {
  const test = await startApp({
    ...metadata,
    providers: [DataSource, worker(['manager']), ...(metadata.providers ?? [])],
  });
  expect(told(test, 'warn')).toEqual([]);
  const findings: Finding[] = [];
  test.events.on('finding:reported', (finding) => void findings.push(finding));
  await test.registry.run('Worker.run');
  await test.registry.run('Worker.run');
  return { ...test, findings };
}

describe('A request-scoped factory', () => {
  afterEach(closeApps);

  it('[B17] is reported once when it shares what a static provider holds, and that is not disposed', async () => {
    const test = await reported({ providers: [LENT] });
    expect(test.findings).toEqual([
      {
        number: 'SW205',
        kind: 'shared-by-factory',
        severity: 'warning',
        subject: 'manager',
        token: 'manager',
        chain: ['Worker.run', 'manager'],
        message: MESSAGE,
      },
    ]);
    expect(told(test, 'warn')).toEqual([`[SW205] ${MESSAGE}`]);
    expect(test.app.get(DataSource).manager.ended).toBe(0);
    expect(inspectScopes(test.app).findings).toContainEqual(
      expect.objectContaining({ kind: 'shared-by-factory', subject: 'manager' }),
    );
  });

  it.each<[string, (source: DataSource) => unknown]>([
    ['an object without a disposer', ({ settings }) => settings],
    ['an entry of a map', ({ replicas }) => replicas.get('eu')],
    ['a promise of it', async ({ manager }) => manager],
  ])('is reported once for %s', async (_what, factory) => {
    const { findings } = await reported({ providers: [handsOut(factory)] });
    expect(findings).toMatchObject([{ kind: 'shared-by-factory', subject: 'manager' }]);
  });

  it('is reported once, also after a module was loaded lazily', async () => {
    @Module({})
    class Late {}
    const { app, registry, findings } = await reported({ providers: [LENT] });
    await app.get(LazyModuleLoader, { strict: false }).load(() => Late);
    await registry.run('Worker.run');
    expect(findings).toHaveLength(1);
  });

  it('[B17] is reported when a module that ran ticks while it loaded holds the object', async () => {
    const opening = gate();
    @Module({
      providers: [
        {
          provide: 'pool',
          useFactory: async () => {
            await opening.opened;
            return { connection: new Connection() };
          },
        },
        {
          provide: 'late',
          scope: Scope.REQUEST,
          inject: ['pool'],
          useFactory: (pool: { connection: Connection }) => pool.connection,
        },
      ],
    })
    class Late {}
    const { app, registry, scopes, findings } = await reported({ providers: [LENT] });
    const loading = app.get(LazyModuleLoader, { strict: false }).load(() => Late);
    await turn();
    await registry.run('Worker.run');
    opening.open();
    await loading;
    const late = await scopes.run((scope) => scope.resolve<Connection>('late'));
    expect(late.ended).toBe(0);
    expect(findings.map(({ subject }) => subject)).toEqual(['manager', 'late']);
  });

  it('is reported once for many ticks at the same time', async () => {
    const { registry, findings } = await reported({ providers: [LENT] });
    await Promise.all(Array.from({ length: 5 }, () => registry.run('Worker.run')));
    expect(findings).toHaveLength(1);
  });

  it('is reported for each of two factories', async () => {
    const other = { ...handsOut(({ replicas }) => replicas.get('eu')), provide: 'replica' };
    const { scopes, findings } = await reported({ providers: [LENT, other] });
    await scopes.run((scope) => scope.resolve('replica'));
    expect(findings.map(({ subject, chain }) => [subject, chain])).toEqual([
      ['manager', ['Worker.run', 'manager']],
      ['replica', ['replica']],
    ]);
  });

  it("is reported under 'strict' too: the application has started by then", async () => {
    const test = await reported({ providers: [LENT], options: { scopeValidation: 'strict' } });
    expect(test.findings).toHaveLength(1);
    const { outcome } = await test.registry.run('Worker.run');
    expect(outcome).toBe('succeeded');
  });

  it('does not fail the tick when a listener of the event throws', async () => {
    const test = await startApp({ providers: [DataSource, LENT, worker(['manager'])] });
    test.events.on('finding:reported', () => {
      throw new Error('listener');
    });
    const { outcome } = await test.registry.run('Worker.run');
    expect(outcome).toBe('succeeded');
  });

  describe('is not reported', () => {
    const pooled = new Connection();

    it.each<[string, Provider]>([
      ['when it builds a new one', handsOut(() => new Connection())],
      ['when it says that it is shared', handsOut(({ manager }) => shared(manager))],
      ['for a text or a number', handsOut(() => 'eu')],
      ['for what nobody holds', handsOut(() => pooled)],
      ['for nothing', handsOut(() => undefined)],
      [
        'when it returns what was injected into it: an alias by another name',
        handsOut((source) => source),
      ],
      [
        'when it is a singleton',
        {
          provide: 'manager',
          inject: [DataSource],
          useFactory: ({ manager }: DataSource) => manager,
        },
      ],
      ['when it is an alias', { provide: 'manager', useExisting: DataSource }],
      ['when it is a value', { provide: 'manager', useValue: pooled }],
    ])('%s', async (_what, provider) => {
      const test = await reported({ providers: [provider] });
      expect([test.findings, told(test, 'warn')]).toEqual([[], []]);
    });

    it("when scopeValidation is 'off'", async () => {
      const test = await reported({ providers: [LENT], options: { scopeValidation: 'off' } });
      expect([test.findings, told(test, 'warn')]).toEqual([[], []]);
      expect(test.app.get(DataSource).manager.ended).toBe(0);
    });

    it.each(['shared-by-factory', 'SW205'])('when it is allowed as %s', async (finding) => {
      const allowFindings = [
        { finding, token: 'manager', reason: 'the manager is meant to be lent' },
      ];
      const test = await reported({ providers: [LENT], options: { allowFindings } });
      expect([test.findings, told(test, 'warn')]).toEqual([[], []]);
      expect(inspectScopes(test.app).allowed).toMatchObject([
        { finding: { subject: 'manager' }, reason: 'the manager is meant to be lent' },
      ]);
    });

    it('as an allowance without use, while it has not been found', async () => {
      const allowFindings = [
        { finding: 'SW205', token: 'manager', reason: 'lent in production only' },
      ];
      const test = await reported({
        providers: [handsOut(() => new Connection())],
        options: { allowFindings },
      });
      expect(told(test)).toEqual([]);
    });
  });
});
