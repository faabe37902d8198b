import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import { createInstanceDecorator, createObserveModule } from '@nestjs/observe';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Repository } from 'typeorm';
import {
  BackgroundWorker,
  inMemoryQueue,
  inspectScopes,
  ScopedConsumer,
  ScopedWorker,
  ScopedWorkerModule,
} from '../../lib/index.js';
import { InjectScopedRepository, ScopedTypeOrmModule } from '../../lib/typeorm/index.js';
import { closeApps, compileApp, startApp, type InstanceDecorator } from '../support/app.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { DECORATES, DECORATORS, plainProxy } from '../support/decorators.js';
import { turn } from '../support/gate.js';
import { OnDemand, RequestScoped } from '../support/probes.js';
import { Note } from '../support/scoped-typeorm.js';
import { createTestFile, removeTestFiles, sqliteRoot, type TestFile } from '../support/sqlite.js';

// Nest 11.0 has no `instrument`, so nothing is ever decorated there.
const onDecorating = DECORATES ? describe : describe.skip;

/** Nest Observe's decorator, with a registry that only notes the spans of a trace. */
function tracing() {
  const spans: string[] = [];
  const store = new AsyncLocalStorage<Map<string, unknown>>();
  const registry = {
    internalStartTraceStep: (_trace: string, className: string, method: string): string => {
      spans.push(`${className}.${method}`);
      return `span-${spans.length}`;
    },
    internalEndTraceStep: (): void => undefined,
  };
  const instanceDecorator: InstanceDecorator = createInstanceDecorator(
    store as never,
    registry as never,
    { traceIdKey: 'traceId', skipInstrumentation: () => false },
  );
  const trace = <T>(work: () => T): T => store.run(new Map([['traceId', 'trace-1']]), work);
  return { spans, instanceDecorator, trace };
}

/** An application behind a plain Proxy, whose worker does what the script says with the notes of a database file. */
async function startNotes(file: TestFile) {
  const script = { current: (notes: Repository<Note>): unknown => notes.count() };
  @ScopedWorker()
  class Notes {
    constructor(@InjectScopedRepository(Note) private readonly notes: Repository<Note>) {}

    @OnDemand()
    run(): unknown {
      return script.current(this.notes);
    }
  }
  const started = await startApp({
    imports: [sqliteRoot(file), ScopedTypeOrmModule.forFeature([Note], { transaction: true })],
    providers: [Notes],
    instanceDecorator: plainProxy,
  });
  return { ...started, script };
}

onDecorating('An application with an instance decorator', () => {
  afterEach(async () => {
    await closeApps();
    removeTestFiles();
  });

  describe('when a scope calls its instances', () => {
    function registered() {
      const known = new Set<object>();
      const lines: string[] = [];
      @RequestScoped()
      class Session {
        constructor() {
          known.add(this);
        }
        onScopeInit(): void {
          lines.push(`init ${known.has(this)}`);
        }
        onScopeCommit(): void {
          lines.push(`commit ${known.has(this)}`);
        }
        onScopeRollback(): void {
          lines.push(`rollback ${known.has(this)}`);
        }
        onModuleDestroy(): void {
          lines.push(`dispose ${known.delete(this)}`);
        }
      }
      return { Session, known, lines };
    }

    it.each(Object.entries(DECORATORS))(
      'hooks and disposers run on the object that its constructor knows: %s',
      async (_name, decorator) => {
        const { Session, known, lines } = registered();
        const instanceDecorator = decorator();
        const { scopes } = await startApp({ providers: [Session], instanceDecorator });
        await scopes.run((scope) => scope.resolve(Session));
        const failing = scopes.run(async (scope) => {
          await scope.resolve(Session);
          throw new Error('meant');
        });
        await expect(failing).rejects.toThrow('meant');

        expect(lines).toEqual([
          'init true',
          'commit true',
          'dispose true',
          'init true',
          'rollback true',
          'dispose true',
        ]);
        expect(known.size).toBe(0);
      },
    );

    it('private fields work in hooks and disposers, also behind a plain Proxy', async () => {
      const ended: string[] = [];
      @RequestScoped()
      class Session {
        readonly #state = { open: true };
        async [Symbol.asyncDispose](): Promise<void> {
          this.#state.open = false;
          ended.push('session');
        }
      }
      const { scopes } = await startApp({
        providers: [Session],
        instanceDecorator: plainProxy,
      });
      await scopes.run((scope) => scope.resolve(Session));
      expect(ended).toEqual(['session']);
    });

    it.each([
      ['without leak detection', {}],
      ['with leakDetection.strict', { leakDetection: { strict: true } }],
    ])('the handler is called through the decoration, %s', async (_name, options) => {
      const calls: string[] = [];
      @ScopedWorker()
      class Reports {
        @OnDemand()
        send(): void {}
      }
      const instanceDecorator: InstanceDecorator = (instance) =>
        typeof instance !== 'object' || instance === null
          ? instance
          : new Proxy(instance, {
              get: (target, key, receiver) => {
                if (key === 'send') calls.push('send');
                return Reflect.get(target, key, receiver) as unknown;
              },
            });
      const { registry } = await startApp({ providers: [Reports], instanceDecorator, options });
      expect(await registry.run('Reports.send')).toMatchObject({ outcome: 'succeeded' });
      expect(calls).toContain('send');
    });
  });

  describe("when it is Nest Observe's", () => {
    it('a trace shows what the user has written, and nothing of the library', async () => {
      const { spans, instanceDecorator, trace } = tracing();
      @RequestScoped()
      class Orders {
        count(): number {
          return 3;
        }
        onModuleDestroy(): void {}
      }
      @Injectable()
      class Imports {
        async all(orders: Orders): Promise<number> {
          return orders.count();
        }
      }
      const { app, scopes } = await startApp({ providers: [Orders, Imports], instanceDecorator });
      const imports = app.get(Imports);
      spans.length = 0;
      await trace(() => scopes.run(async (scope) => imports.all(await scope.resolve(Orders))));
      expect(spans).toEqual(['ProviderScopeFactory.run', 'Imports.all', 'Orders.count']);
    });

    it('a tick that is run by hand shows its handler, and no step of the library', async () => {
      const { spans, instanceDecorator, trace } = tracing();
      @ScopedWorker()
      class Reports {
        @OnDemand()
        send(): void {}
      }
      const { registry } = await startApp({ providers: [Reports], instanceDecorator });
      await trace(() => registry.run('Reports.send'));
      expect(spans).toEqual(['ScopedWorkerRegistry.run', 'Reports.send']);
    });

    it('with its module, the application starts, ticks and stops', async () => {
      const { ObserveModule, ObserveInstrument } = createObserveModule();
      const ended: string[] = [];
      @RequestScoped()
      class Session {
        onModuleDestroy(): void {
          ended.push('session');
        }
      }
      @ScopedWorker()
      class Reports {
        constructor(readonly session: Session) {}
        @OnDemand()
        send(): void {}
      }
      const keys = { appKey: 'key', appSecret: 'secret', serviceId: 'test' };
      const options = { ...keys, endpoint: 'http://127.0.0.1:9', flushInterval: 600_000 };
      const { app, registry } = await startApp({
        imports: [ObserveModule.forRoot(options as never)],
        providers: [Reports, Session],
        instanceDecorator: ObserveInstrument!.instanceDecorator,
      });
      expect(await registry.run('Reports.send')).toMatchObject({
        outcome: 'succeeded',
        disposed: 1,
      });
      expect(ended).toEqual(['session']);
      await app.close();
    });

    it('options with functions may be imported twice', async () => {
      const { instanceDecorator } = tracing();
      const options = { onOpen: (): void => undefined };
      @Module({ imports: [ScopedWorkerModule.forRoot(options)] })
      class FeatureModule {}
      await expect(
        startApp({ imports: [FeatureModule], options, instanceDecorator }),
      ).resolves.toBeDefined();
    });

    it('leak:scope names the place of the application that has opened the scope', async () => {
      const { instanceDecorator, trace } = tracing();
      const options = { leakDetection: { graceMs: 0 } };
      const { scopes, events } = await startApp({ instanceDecorator, options });
      const places: unknown[] = [];
      events.on('leak:scope', ({ place }) => places.push(place));
      const forget = async (): Promise<void> => void (await scopes.open());
      await forget();
      await trace(forget);
      await collectGarbage();
      await turn();

      const here = expect.stringMatching(/instance-decorator-calls\.spec\.ts:\d+:\d+$/);
      expect(places).toEqual([here, here]);
    });

    it('leak:found names an instance that outlives its scope, and nothing else', async () => {
      const { instanceDecorator } = tracing();
      @RequestScoped()
      class Kept {}
      @RequestScoped()
      class Dropped {}
      const options = { leakDetection: { graceMs: 0 } };
      const providers = [Kept, Dropped];
      const { scopes, events } = await startApp({ providers, instanceDecorator, options });
      const found: string[] = [];
      events.on('leak:found', ({ className, count }) => found.push(`${className} ${count}`));
      const kept: unknown[] = [];
      await scopes.run(async (scope) => {
        await scope.resolve(Dropped);
        kept.push(await scope.resolve(Kept));
      });
      for (let wait = 0; wait < 4; wait += 1) {
        await collectGarbage();
        await turn();
      }

      expect(found).toEqual(['Kept 1']);
      expect(kept).toHaveLength(1);
    });
  });

  describe('when it wraps everything in a plain Proxy', () => {
    it('a background worker under two tokens runs once', async () => {
      let runs = 0;
      @Injectable()
      class Sync extends BackgroundWorker {
        async execute(): Promise<void> {
          runs += 1;
        }
      }
      const again = { provide: 'SYNC', useFactory: (sync: Sync) => sync, inject: [Sync] };
      const { app } = await compileApp({
        providers: [Sync, again],
        instanceDecorator: plainProxy,
      });
      expect(inspectScopes(app)).toMatchObject({ background: ['Sync'] });
      expect(runs).toBe(0);
    });

    it('a consumer reads an in-memory queue', async () => {
      const orders = inMemoryQueue<string>();
      const taken: string[] = [];
      @ScopedWorker()
      class Orders {
        @ScopedConsumer('ORDERS')
        take({ payload }: { payload: string }): void {
          taken.push(payload);
        }
      }
      const { app, next } = await compileApp({
        providers: [Orders, { provide: 'ORDERS', useValue: orders }],
        instanceDecorator: plainProxy,
      });
      const finished = next('tick:finished');
      await (app as unknown as { listen(port: number): Promise<unknown> }).listen(0);
      await orders.put('one');
      expect(await finished).toMatchObject({ outcome: 'succeeded' });
      expect(taken).toEqual(['one']);
    });

    it('scopes have a connection and a transaction of TypeORM', async () => {
      const file = createTestFile();
      const { app, registry, script } = await startNotes(file);
      script.current = (notes) => notes.save({ text: 'committed' });
      expect(await registry.run('Notes.run')).toMatchObject({ outcome: 'succeeded' });
      script.current = async (notes) => {
        await notes.save({ text: 'rolled back' });
        throw new Error('no more');
      };
      expect(await registry.run('Notes.run')).toMatchObject({ error: { message: 'no more' } });
      await app.close();
      expect(file.committed()).toEqual(['committed']);
    });

    it('inspectScopes() sees the started application', async () => {
      @ScopedWorker()
      class Reports {
        @OnDemand()
        send(): void {}
      }
      const { app } = await startApp({ providers: [Reports], instanceDecorator: plainProxy });
      const { schedules, workers } = inspectScopes(app);
      expect([schedules, workers]).toMatchObject([
        [{ name: 'Reports.send' }],
        [{ name: 'Reports' }],
      ]);
    });
  });
});
