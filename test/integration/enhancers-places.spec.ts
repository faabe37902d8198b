import {
  Controller,
  createParamDecorator,
  Get,
  Injectable,
  Module,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  type CanActivate,
  type ExecutionContext,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import {
  ContextIdFactory,
  ExternalContextCreator,
  ModuleRef,
  Reflector,
  type ContextId,
  type HostComponentInfo,
} from '@nestjs/core';
import { Cron } from '@nestjs/schedule';
import type { Observable } from 'rxjs';
import { ScopedCron, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { startHttpApp, type HttpTestApp } from '../support/http-app.js';
import {
  probes,
  RequestScoped,
  Transient,
  Probe,
  ProbeJournal,
  PROBES,
  YEARLY,
} from '../support/probes.js';

interface Next {
  handle(): Observable<unknown>;
}

describe('Enhancers', () => {
  let seen: unknown[] = [];

  /** A singleton that names its module. */
  @Injectable()
  class Place {
    constructor(private readonly moduleRef: ModuleRef) {}

    get name(): string {
      return this.moduleRef.get<string>('place', { strict: true });
    }
  }
  @Injectable()
  class PlaceGuard implements CanActivate {
    constructor(readonly place: Place) {}

    canActivate(): boolean {
      seen.push(this.place.name);
      return true;
    }
  }
  @RequestScoped()
  class ProbeGuard implements CanActivate {
    constructor(readonly probe: Probe) {}

    canActivate(): boolean {
      seen.push(this.probe);
      return true;
    }
  }
  /** Becomes request-scoped by what it depends on. */
  @Injectable()
  class BubblingInterceptor {
    constructor(readonly probe: Probe) {}

    intercept(_: ExecutionContext, next: Next): Observable<unknown> {
      seen.push(this.probe);
      return next.handle();
    }
  }
  const at = (place: string): Provider[] => [{ provide: 'place', useValue: place }, Place];

  beforeEach(() => void (seen = []));
  afterEach(closeApps);

  describe('when the worker is a controller', () => {
    @ScopedWorker()
    @Controller('reports')
    @UseGuards(ProbeGuard)
    class Reports {
      constructor(readonly probe: Probe) {}

      @Get()
      show(): object {
        return { probe: this.probe.id };
      }

      @ScopedCron(YEARLY)
      @UseInterceptors(BubblingInterceptor)
      send(): Probe {
        return this.probe;
      }
    }

    it('[XA4] run for requests and for ticks, each with its own instances', async () => {
      const test: HttpTestApp = await startHttpApp({ providers: PROBES, controllers: [Reports] });
      try {
        expect(await test.get('/reports')).toEqual({ probe: 1 });
        const { value } = await test.registry.run('Reports.send');
        const { created, disposed } = test.app.get(ProbeJournal);
        expect(value).toBe(created[1]);
        expect(seen).toEqual([created[0], created[1], created[1]]);
        expect(disposed).toEqual([created[1]]);
      } finally {
        await test.http.close();
      }
    });
  });

  describe('when a factory makes the worker', () => {
    @ScopedWorker()
    @UseGuards(ProbeGuard, PlaceGuard)
    class Made {
      constructor(readonly probe: Probe) {}

      @ScopedCron(YEARLY)
      @UseInterceptors(BubblingInterceptor)
      run(): Probe {
        return this.probe;
      }
    }
    const factory = (useFactory: (probe: Probe) => unknown): Provider => ({
      provide: Made,
      scope: Scope.REQUEST,
      inject: [Probe],
      useFactory,
    });

    it('[XA4] they run, though Nest does not look behind factories', async () => {
      const { registry, app } = await startApp({
        providers: [...PROBES, ...at('root'), factory((probe) => new Made(probe))],
      });
      for (const index of [0, 1]) {
        seen = [];
        const { value, outcome } = await registry.run('Made.run');
        expect(outcome).toBe('succeeded');
        const { created, disposed } = app.get(ProbeJournal);
        expect(created).toHaveLength(index + 1);
        expect(seen).toEqual([created[index], 'root', created[index]]);
        expect(value).toBe(created[index]);
        expect(disposed).toEqual(created);
      }
    });

    it('[XA4] a singleton among them is built once', async () => {
      const { journal, Probe: Noted } = probes();
      @Injectable()
      class Single extends Noted {
        canActivate(): boolean {
          return true;
        }
      }
      @ScopedWorker()
      @UseGuards(Single)
      class Worker {
        @ScopedCron(YEARLY, { overlap: 'allow' })
        run(): void {}
      }
      const { registry } = await startApp({
        providers: [{ provide: Worker, scope: Scope.REQUEST, useFactory: () => new Worker() }],
      });
      await Promise.all([registry.run('Worker.run'), registry.run('Worker.run')]);
      await registry.run('Worker.run');
      expect(journal.lines).toEqual(['built Single']);
    });

    it('[XA4] those of the class it stands for run around a plain object', async () => {
      const { registry, app } = await startApp({
        providers: [...PROBES, ...at('root'), factory(() => ({ run: () => 'plain' }))],
      });
      expect(await registry.run('Made.run')).toMatchObject({ value: 'plain' });
      expect(seen).toEqual([
        app.get(ProbeJournal).created[0],
        'root',
        app.get(ProbeJournal).created[0],
      ]);
    });

    it('[XA4] those of a subclass that it makes run, with those of the base class', async () => {
      @UseGuards({ canActivate: (context: ExecutionContext) => context.getClass() === Sub })
      class Sub extends Made {}
      const { registry } = await startApp({
        providers: [...PROBES, ...at('root'), factory((probe) => new Sub(probe))],
      });
      expect(await registry.run('Made.run')).toMatchObject({ outcome: 'succeeded' });
      expect(seen).toHaveLength(3);
    });

    it('[XA7] one that cannot be built fails the tick without calling the handler, and is tried again', async () => {
      let builds = 0;
      let called = 0;
      @Injectable()
      class LateGuard {
        constructor() {
          builds += 1;
          if (builds < 3) throw new Error(`not ready ${builds}`);
        }
        canActivate(): boolean {
          return true;
        }
      }
      @ScopedWorker()
      @UseGuards(LateGuard)
      class Worker {
        @ScopedCron(YEARLY)
        run(): void {
          called += 1;
        }
      }
      const { registry } = await startApp({
        providers: [{ provide: Worker, scope: Scope.REQUEST, useFactory: () => new Worker() }],
      });
      const run = async () =>
        ((await registry.run('Worker.run')).error as Error | undefined)?.message;
      expect([await run(), await run()]).toEqual(['not ready 1', 'not ready 2']);
      expect(called).toBe(0);
      expect([await run(), await run()]).toEqual([undefined, undefined]);
      expect([builds, called]).toEqual([3, 2]);
    });

    it('[XA7] one whose dependency nobody provides fails the tick with the words of Nest', async () => {
      class Missing {}
      @Injectable()
      class NeedyGuard {
        constructor(readonly missing: Missing) {}
        canActivate(): boolean {
          return true;
        }
      }
      @ScopedWorker()
      @UseGuards(NeedyGuard)
      class Worker {
        @ScopedCron(YEARLY)
        run(): void {}
      }
      const { registry } = await startApp({
        providers: [{ provide: Worker, scope: Scope.REQUEST, useFactory: () => new Worker() }],
      });
      for (let count = 0; count < 2; count += 1) {
        const { error } = await registry.run('Worker.run');
        expect((error as Error).message).toMatch(/NeedyGuard[^]*Missing/);
      }
    });
  });

  describe('when the worker has another token', () => {
    it('[XA4] they run', async () => {
      @ScopedWorker()
      @UseGuards(ProbeGuard, PlaceGuard)
      class Renamed {
        constructor(readonly probe: Probe) {}

        @ScopedCron(YEARLY)
        run(): Probe {
          return this.probe;
        }
      }
      const { registry } = await startApp({
        providers: [...PROBES, ...at('root'), { provide: 'job', useClass: Renamed }],
      });
      const { value } = await registry.run('Renamed.run');
      expect(seen).toEqual([value, 'root']);
    });
  });

  describe('when several modules provide the worker, each with its own guards', () => {
    @ScopedWorker()
    @UseGuards(PlaceGuard)
    class Worker {
      @ScopedCron(YEARLY, { name: { inject: ['place'], useFactory: (place: string) => place } })
      run(): void {}
    }
    @Module({ providers: [...at('first'), Worker] })
    class FirstModule {}
    @Module({ providers: [...at('second'), Worker] })
    class SecondModule {}

    it.each([
      ['first', [FirstModule, SecondModule]],
      ['second', [FirstModule, SecondModule]],
      ['first', [SecondModule, FirstModule]],
      ['second', [SecondModule, FirstModule]],
    ])('[XA4] they are those of the module that builds it: %s', async (place, imports) => {
      const { registry } = await startApp({ imports });
      expect(await registry.run(place)).toMatchObject({ outcome: 'succeeded' });
      expect(seen).toEqual([place]);
    });
  });

  describe('when two workers have one name', () => {
    it('[XA4] each has its own, and its own parameters', async () => {
      const make = (name: string, region: string) => {
        const Region = createParamDecorator(() => region);
        @ScopedWorker()
        @UseGuards({ canActivate: () => seen.push(region) > 0 })
        class Worker {
          @ScopedCron(YEARLY, { name })
          run(_: Tick, @Region() own: string): string {
            return own;
          }
        }
        return Worker;
      };
      const { registry } = await startApp({ providers: [make('a', 'north'), make('b', 'south')] });
      expect(await registry.run('a')).toMatchObject({ value: 'north' });
      expect(await registry.run('b')).toMatchObject({ value: 'south' });
      expect(seen).toEqual(['north', 'south']);
    });
  });

  describe('when the handler is inherited', () => {
    const Label = Reflector.createDecorator<string>();
    const noteLabel = {
      canActivate: (context: ExecutionContext): boolean => {
        seen.push([context.getClass().name, new Reflector().get(Label, context.getHandler())]);
        return true;
      },
    };
    const Own = createParamDecorator(() => 'own');
    abstract class Base {
      @ScopedCron(YEARLY)
      @Label('base')
      @UseGuards(noteLabel, ProbeGuard)
      run(_: Tick, @Own() own: unknown): unknown {
        return own;
      }
    }

    it('[XA4] those of the base class and of its method run', async () => {
      @ScopedWorker()
      class Heir extends Base {}
      const { registry, app } = await startApp({ providers: [...PROBES, Heir] });
      expect(await registry.run('Heir.run')).toMatchObject({ value: 'own' });
      expect(seen).toEqual([['Heir', 'base'], app.get(ProbeJournal).created[0]]);
    });

    it('[XA4] an override without a decorator keeps them, as it keeps its schedule', async () => {
      @ScopedWorker()
      class Heir extends Base {
        override run(tick: Tick, own: unknown): unknown {
          return `overridden ${String(super.run(tick, own))}`;
        }
      }
      const { registry, app } = await startApp({ providers: [...PROBES, Heir] });
      expect(await registry.run('Heir.run')).toMatchObject({ value: 'overridden own' });
      expect(seen).toEqual([['Heir', 'base'], app.get(ProbeJournal).created[0]]);
    });

    it('[XA4] an override replaces the kinds that it names, and its metadata counts', async () => {
      @ScopedWorker()
      class Heir extends Base {
        @ScopedCron(YEARLY)
        @UseInterceptors(BubblingInterceptor)
        @Label('heir')
        override run(tick: Tick, own: unknown): unknown {
          return super.run(tick, own);
        }
      }
      @ScopedWorker()
      class Bare extends Base {
        @UseGuards()
        override run(tick: Tick, own: unknown): unknown {
          return super.run(tick, own);
        }
      }
      const { registry, app } = await startApp({ providers: [...PROBES, Heir, Bare] });
      expect(await registry.run('Heir.run')).toMatchObject({ value: 'own' });
      const [probe] = app.get(ProbeJournal).created;
      expect(seen).toEqual([['Heir', 'heir'], probe, probe]);
      seen = [];
      expect(await registry.run('Bare.run')).toMatchObject({ value: 'own' });
      expect(seen).toEqual([]);
    });

    it('[XA4] runs those of a base class before those of the class', async () => {
      const noting = (name: string) => ({ canActivate: () => seen.push(name) > 0 });
      @UseGuards(noting('base'))
      class Guarded {
        @ScopedCron(YEARLY)
        run(): void {}
      }
      @ScopedWorker()
      @UseGuards(noting('heir'))
      class Heir extends Guarded {}
      const { registry } = await startApp({ providers: [Heir] });
      await registry.run('Heir.run');
      expect(seen).toEqual(['base', 'heir']);
    });
  });

  describe('when a class has adopted jobs of @nestjs/schedule and handlers of ours', () => {
    it('[XA4] they run around ours; the job is called bare, as Nest calls it', async () => {
      @UseGuards(PlaceGuard)
      abstract class Guarded {
        constructor(readonly probe: Probe) {}
      }
      @ScopedWorker()
      class Nightly extends Guarded {
        constructor(probe: Probe) {
          super(probe);
        }

        @Cron(YEARLY)
        @UseGuards(ProbeGuard)
        job(...args: unknown[]): unknown {
          return args;
        }

        @ScopedCron(YEARLY)
        @UseGuards(ProbeGuard)
        run(): Probe {
          return this.probe;
        }
      }
      const { registry } = await startApp({
        options: { adoptNestSchedules: true },
        providers: [...PROBES, ...at('root'), Nightly],
      });
      expect(await registry.run('Nightly.job')).toMatchObject({ value: [] });
      expect(seen).toEqual([]);
      const { value } = await registry.run('Nightly.run');
      expect(seen).toEqual(['root', value]);
    });
  });

  describe('when they are transient', () => {
    it('[XA4][A6] each tick has its own, which is disposed with it', async () => {
      const { journal, Probe: Noted } = probes();
      @Transient()
      class Part extends Noted {}
      @Transient()
      class FleetingGuard extends Noted {
        constructor(readonly part: Part) {
          super();
        }
        canActivate(): boolean {
          seen.push(this);
          return this.part instanceof Part;
        }
      }
      @Transient()
      class FleetingFilter extends Noted {
        catch(): void {}
      }
      @ScopedWorker()
      @UseGuards(FleetingGuard)
      class Worker {
        @ScopedCron(YEARLY)
        @UseFilters(FleetingFilter)
        run(): void {
          journal.note('handler');
        }
      }
      const { registry } = await startApp({ providers: [Worker, Part] });
      for (let count = 0; count < 2; count += 1) {
        journal.lines.length = 0;
        expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
        const built = ['FleetingFilter', 'FleetingGuard', 'Part'];
        expect(journal.of('built').sort()).toEqual(built);
        expect(journal.of('disposed').sort()).toEqual(built);
        expect(journal.lines[3]).toBe('handler');
      }
      expect(seen[0]).not.toBe(seen[1]);
    });
  });

  describe('when a class is not an enhancer', () => {
    it('[XA7] the tick fails instead of running without it', async () => {
      let called = false;
      @Injectable()
      class NoGuard {}
      @ScopedWorker()
      class Worker {
        @ScopedCron(YEARLY)
        @UseGuards(NoGuard)
        run(): void {
          called = true;
        }
      }
      const { registry } = await startApp({ providers: [Worker] });
      const { error } = await registry.run('Worker.run');
      expect((error as Error).message).toBe(
        'NoGuard is used as one of the guards, but it has no method canActivate.',
      );
      expect(called).toBe(false);
    });
  });

  describe('when Nest has changed so that they cannot run', () => {
    it('[XA7] the handler is not called without them, and the error says what to do', async () => {
      let called = 0;
      @ScopedWorker()
      class Worker {
        @ScopedCron(YEARLY)
        @UseGuards({ canActivate: () => true })
        guarded(): void {
          called += 1;
        }

        @ScopedCron(YEARLY)
        bare(): string {
          return 'ran';
        }
      }
      const { registry } = await startApp({
        providers: [Worker],
        build: (builder) => builder.overrideProvider(ExternalContextCreator).useValue({}),
      });
      const { error } = await registry.run('Worker.guarded');
      expect((error as Error).message).toBe(
        'Worker.guarded was not called: it has guards, interceptors, pipes or filters, which the ExternalContextCreator of this version of @nestjs/core cannot run. Install a version of Nest that nestjs-scoped-worker supports.',
      );
      expect(called).toBe(0);
      expect(await registry.run('Worker.bare')).toMatchObject({ value: 'ran' });
    });
  });

  describe('when the application has a strategy for durable providers', () => {
    afterEach(() => {
      // Nest has no way to take a strategy off again but this one.
      (ContextIdFactory as unknown as { strategy?: unknown }).strategy = undefined;
    });

    it('[XA4][B1] durable ones outlive the tick, the others belong to it', async () => {
      const tenant: ContextId = { id: 1 };
      ContextIdFactory.apply({
        attach: (contextId) => (info: HostComponentInfo) =>
          info.isTreeDurable ? tenant : contextId,
      });
      const { journal, Probe: Noted } = probes();
      const yes = { canActivate: () => true };
      class Guard extends Noted {
        canActivate = yes.canActivate;
      }
      @Injectable({ scope: Scope.REQUEST, durable: true })
      class DurableGuard extends Guard {}
      @RequestScoped()
      class ScopedGuard extends Guard {}
      @Transient()
      class FleetingGuard extends Guard {}
      @ScopedWorker()
      @UseGuards(DurableGuard, ScopedGuard, FleetingGuard)
      class Worker {
        @ScopedCron(YEARLY)
        run(): void {}
      }
      const { registry } = await startApp({ providers: [Worker] });
      journal.lines.length = 0; // Nest 12 builds one of a transient class as it starts, for nobody
      for (const _ of ['first', 'second'])
        expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
      const ofTicks = ['FleetingGuard', 'FleetingGuard', 'ScopedGuard', 'ScopedGuard'];
      expect(journal.of('built').sort()).toEqual(['DurableGuard', ...ofTicks]);
      expect(journal.of('disposed').sort()).toEqual(ofTicks);
    });
  });

  describe('when a test overrides one', () => {
    it('[XA4] the other one runs', async () => {
      @ScopedWorker()
      @UseGuards(ProbeGuard)
      class Worker {
        @ScopedCron(YEARLY)
        run(): void {}
      }
      const { registry } = await startApp({
        providers: [...PROBES, Worker],
        build: (builder) =>
          builder.overrideGuard(ProbeGuard).useValue({ canActivate: () => false }),
      });
      expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'failed' });
      expect(seen).toEqual([]);
    });
  });

  describe('when the application adds one in onModuleInit', () => {
    it('[A13] it runs, as it does for the handlers of Nest', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedCron(YEARLY)
        run(): void {
          seen.push('handler');
        }
      }
      const canActivate = (): boolean => seen.push('guard') > 0;
      @Injectable()
      class Setup implements OnModuleInit {
        onModuleInit(): void {
          UseGuards({ canActivate })(Worker);
        }
      }
      const { registry } = await startApp({ providers: [Worker, Setup] });
      expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
      expect(seen).toEqual(['guard', 'handler']);
    });
  });
});
