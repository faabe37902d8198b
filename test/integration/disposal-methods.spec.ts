import { afterEach, describe, expect, it } from '@jest/globals';
import { Scope, type Provider } from '@nestjs/common';
import { closeApps, startApp } from '../support/app.js';
import { turn } from '../support/gate.js';
import { thenable, worker } from '../support/probes.js';

describe('The disposer of an instance', () => {
  afterEach(closeApps);

  /** Runs one tick with what the factory returns in it. */
  async function runWith(make: () => object) {
    const provider: Provider = { provide: 'IT', scope: Scope.REQUEST, useFactory: make };
    const { registry } = await startApp({ providers: [worker(['IT']), provider] });
    return registry.run('Worker.run');
  }

  const names = ['asyncDispose', 'dispose', 'onModuleDestroy'] as const;
  const methodOf = { asyncDispose: Symbol.asyncDispose, dispose: Symbol.dispose } as const;

  function instanceWith(methods: readonly (typeof names)[number][], calls: string[]): object {
    return Object.fromEntries(
      methods.map((name) => [
        name === 'onModuleDestroy' ? name : methodOf[name],
        () => void calls.push(name),
      ]),
    );
  }

  it.each([
    [['asyncDispose', 'dispose', 'onModuleDestroy'], 'asyncDispose'],
    [['onModuleDestroy', 'dispose', 'asyncDispose'], 'asyncDispose'],
    [['dispose', 'onModuleDestroy'], 'dispose'],
    [['asyncDispose', 'onModuleDestroy'], 'asyncDispose'],
  ] as const)('[B6] of %j is %s, and no other is called', async (methods, first) => {
    const calls: string[] = [];
    const report = await runWith(() => instanceWith(methods, calls));

    expect(calls).toEqual([first]);
    expect(report).toMatchObject({ outcome: 'succeeded', disposed: 1 });
  });

  it.each([['asyncDispose'], ['dispose'], ['onModuleDestroy']] as const)(
    '[B9] is %s when there is nothing else',
    async (method) => {
      const calls: string[] = [];
      await runWith(() => instanceWith([method], calls));

      expect(calls).toEqual([method]);
    },
  );

  it('[B9] is called as a method of its instance, also when a base class has it', async () => {
    class Base {
      self: unknown;
      onModuleDestroy(): void {
        this.self = this;
      }
    }
    class Derived extends Base {}
    const derived = new Derived();
    await runWith(() => derived);

    expect(derived.self).toBe(derived);
  });

  it('[B6] passes over a name that holds no function', async () => {
    const calls: string[] = [];
    await runWith(() => ({
      ...instanceWith(['onModuleDestroy'], calls),
      [Symbol.asyncDispose]: undefined,
      [Symbol.dispose]: 'not a function',
    }));

    expect(calls).toEqual(['onModuleDestroy']);
  });

  it('[B6] is no other hook of Nest', async () => {
    const calls: string[] = [];
    const hook = (name: string) => (): void => void calls.push(name);
    const { outcome, built, disposed } = await runWith(() => ({
      beforeApplicationShutdown: hook('beforeApplicationShutdown'),
      onApplicationShutdown: hook('onApplicationShutdown'),
      destroy: hook('destroy'),
    }));

    expect({ outcome, built, disposed }).toEqual({ outcome: 'succeeded', built: 2, disposed: 0 });
    expect(calls).toEqual([]);
  });

  it('[B5, B11] is awaited under every name, and called exactly once though it yields', async () => {
    const calls: string[] = [];
    const yielding = (name: string) => async (): Promise<void> => {
      calls.push(`begin ${name}`);
      for (let round = 0; round < 3; round += 1) await turn();
      calls.push(`end ${name}`);
    };
    const { registry } = await startApp({
      providers: [
        worker(['FIRST', 'SECOND', 'THIRD']),
        ...[
          ['FIRST', 'onModuleDestroy'],
          ['SECOND', Symbol.dispose],
          ['THIRD', Symbol.asyncDispose],
        ].map(([provide, method]) => ({
          provide: provide as string,
          scope: Scope.REQUEST,
          useFactory: () => ({ [method!]: yielding(provide as string) }),
        })),
      ],
    });
    const report = registry.run('Worker.run').then(() => calls.push('reported'));
    await report;

    expect(calls).toEqual([
      'begin THIRD',
      'end THIRD',
      'begin SECOND',
      'end SECOND',
      'begin FIRST',
      'end FIRST',
      'reported',
    ]);
  });

  it('[B5] may return a thenable that is not a promise', async () => {
    let settled = false;
    await runWith(() => ({
      onModuleDestroy: () => thenable(turn().then(() => (settled = true))),
    }));

    expect(settled).toBe(true);
  });

  it('[B9] may belong to a function, or to an object without a prototype', async () => {
    const calls: string[] = [];
    const callable = Object.assign(() => undefined, instanceWith(['dispose'], calls));
    const bare = Object.assign(Object.create(null) as object, instanceWith(['dispose'], calls));
    await runWith(() => callable);
    await runWith(() => bare);

    expect(calls).toEqual(['dispose', 'dispose']);
  });
});
