import { AsyncLocalStorage } from 'node:async_hooks';
import { Inject, Injectable, Optional, Scope, type Provider } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { currentTick, InjectTick, ScopedCron, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp, type TestApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { YEARLY } from '../support/probes.js';

const tenants = new AsyncLocalStorage<string>();

describe('The context of a tick', () => {
  afterEach(closeApps);

  describe('when onOpen seeds it', () => {
    @Injectable({ scope: Scope.REQUEST })
    class Seeded {
      readonly tenantAtBirth = tenants.getStore();
      readonly payloadAtBirth: unknown;
      tenantAtDisposal: string | undefined;

      constructor(@InjectTick() tick: Tick) {
        this.payloadAtBirth = seeds.get(tick.scope);
      }

      async [Symbol.asyncDispose](): Promise<void> {
        await turn();
        this.tenantAtDisposal = tenants.getStore();
      }
    }

    const seeds = new WeakMap<object, unknown>();

    @ScopedWorker()
    class SeededWorker {
      readonly tenantAtBirth = tenants.getStore();

      constructor(readonly seeded: Seeded) {}

      @ScopedCron(YEARLY, { overlap: 'allow' })
      async tick(): Promise<unknown> {
        const atOnce = tenants.getStore();
        await turn();
        const afterAwait = tenants.getStore();
        const afterTimer = await new Promise((resolve) =>
          setTimeout(() => resolve(tenants.getStore()), 0),
        );
        return { worker: this, atOnce, afterAwait, afterTimer };
      }
    }

    const providers = [Seeded, SeededWorker];

    it('[A15] it runs before any constructor of the scope', async () => {
      const { registry } = await startApp({
        providers,
        options: { onOpen: (tick) => tenants.enterWith(String(tick.payload)) },
      });
      const { value } = await registry.run('SeededWorker.tick', { payload: 'acme' });
      expect(value).toMatchObject({
        worker: { tenantAtBirth: 'acme', seeded: { tenantAtBirth: 'acme' } },
      });
    });

    it('[A15] it is awaited before any constructor of the scope', async () => {
      const { registry } = await startApp({
        providers,
        options: {
          onOpen: async (tick) => {
            await turn();
            seeds.set(tick.scope, tick.payload);
          },
        },
      });
      const { value } = await registry.run('SeededWorker.tick', { payload: 'late' });
      expect(value).toMatchObject({ worker: { seeded: { payloadAtBirth: 'late' } } });
    });

    it('[A15] when it fails, nothing is built, and the tick fails with that error', async () => {
      const failure = new Error('no tenant');
      const { registry } = await startApp({
        providers,
        options: { onOpen: () => Promise.reject(failure) },
      });
      const report = await registry.run('SeededWorker.tick');
      expect(report).toMatchObject({ outcome: 'failed', phase: 'open', built: 0 });
      expect(report.error).toBe(failure);
    });

    it.each([
      ['a synchronous', (tenant: string): void => tenants.enterWith(tenant)],
      [
        'an asynchronous',
        async (tenant: string): Promise<void> => {
          tenants.enterWith(tenant);
          await turn();
        },
      ],
    ])(
      '[A17] what %s hook enters is visible in the handler, after its awaits and in disposers',
      async (_kind, enter) => {
        const { registry } = await startApp({
          providers,
          options: { onOpen: (tick) => enter(String(tick.payload)) },
        });
        const reports = await Promise.all(
          ['acme', 'bolt', 'core'].map((payload) => registry.run('SeededWorker.tick', { payload })),
        );
        for (const [index, tenant] of ['acme', 'bolt', 'core'].entries()) {
          expect(reports[index]!.value).toMatchObject({
            worker: { tenantAtBirth: tenant, seeded: { tenantAtDisposal: tenant } },
            atOnce: tenant,
            afterAwait: tenant,
            afterTimer: tenant,
          });
        }
        expect(tenants.getStore()).toBeUndefined();
      },
    );
  });

  it.each<[string, (inside: () => unknown, services: TestApp) => unknown]>([
    ['itself', (inside) => inside()],
    ['in a standalone scope', (inside, { scopes }) => scopes.run(async () => inside())],
    ['in exclusive work', (inside, { registry }) => registry.exclusive('key', inside)],
  ])('[A22] code of an ended tick is not part of the tick around it: %s', async (_, startWork) => {
    const innerEnded = gate();
    let stray: Promise<unknown> | undefined;
    let services: TestApp;
    const seen: unknown[] = [];
    @ScopedWorker()
    class Jobs {
      @ScopedCron(YEARLY, { name: 'inner' })
      inner(): void {
        stray = innerEnded.opened.then(() =>
          startWork(() => seen.push(currentTick()?.schedule), services),
        );
      }

      @ScopedCron(YEARLY, { name: 'outer' })
      async outer(): Promise<void> {
        await services.registry.run('inner');
        innerEnded.open();
        await stray;
        seen.push(currentTick()?.schedule);
      }
    }
    services = await startApp({ providers: [Jobs] });
    await services.registry.run('outer');

    expect(seen).toEqual([undefined, 'outer']);
  });

  describe('when providers ask for the tick', () => {
    @Injectable()
    class ByConstructor {
      constructor(
        @Inject(REQUEST) readonly request: unknown,
        @InjectTick() readonly tick: Tick,
      ) {}
    }

    @Injectable()
    class ByProperty {
      @Inject(REQUEST) readonly request: unknown;
      @InjectTick() readonly tick!: Tick;
    }

    @Injectable({ scope: Scope.TRANSIENT })
    class ByTransient {
      constructor(
        @Inject(REQUEST) readonly request: unknown,
        @InjectTick() readonly tick: Tick,
      ) {}
    }

    const byFactory: Provider = {
      provide: 'by factory',
      inject: [REQUEST, ByConstructor],
      useFactory: (request: unknown, deep: ByConstructor) => ({ request, tick: deep.tick }),
    };

    @ScopedWorker()
    class Asking {
      @InjectTick() readonly tickOfProperty!: Tick;

      constructor(
        @Inject(REQUEST) readonly request: unknown,
        @InjectTick() readonly tickOfConstructor: Tick,
        readonly byConstructor: ByConstructor,
        readonly byProperty: ByProperty,
        readonly byTransient: ByTransient,
        @Inject('by factory') readonly byFactory: ByConstructor,
        @Optional() @Inject('nothing') readonly nothing: unknown,
      ) {}

      @ScopedCron(YEARLY, { overlap: 'allow' })
      async run(tick: Tick): Promise<unknown> {
        await turn();
        const others = [this.byConstructor, this.byProperty, this.byTransient, this.byFactory];
        const seen = [this.request, this.tickOfProperty, this.tickOfConstructor];
        seen.push(...others.flatMap((other) => [other.request, other.tick]));
        seen.push(
          (await tick.scope.resolve(ByConstructor)).tick,
          await tick.scope.resolve(REQUEST),
        );
        return { seen: seen.length, right: seen.filter((one) => one === tick).length };
      }
    }

    const providers = [ByConstructor, ByProperty, ByTransient, byFactory, Asking];

    it('[A22] REQUEST and InjectTick inject it, in the worker and in all that it depends on', async () => {
      const { registry } = await startApp({ providers });
      const report = await registry.run('Asking.run', { payload: 'x' });
      expect(report).toMatchObject({ outcome: 'succeeded', value: { seen: 13, right: 13 } });
    });

    it('[A22] each of many ticks at once gets its own', async () => {
      const { registry } = await startApp({ providers });
      const reports = await Promise.all(
        Array.from({ length: 20 }, (_, payload) => registry.run('Asking.run', { payload })),
      );
      expect(reports.map(({ value }) => value)).toEqual(
        Array.from({ length: 20 }, () => ({ seen: 13, right: 13 })),
      );
    });

    it('[A22] in a standalone scope they inject what the caller seeded', async () => {
      const { scopes } = await startApp({ providers });
      const request = { headers: {} };
      await scopes.run(
        async (scope) => {
          const { request: seen, tick } = await scope.resolve(ByConstructor);
          expect(seen).toBe(request);
          expect(tick).toBe(request);
        },
        { request },
      );
      await scopes.run(async (scope) => {
        expect((await scope.resolve(ByConstructor)).request).toBeUndefined();
      });
    });
  });
});
