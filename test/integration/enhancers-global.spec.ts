import {
  Catch,
  Controller,
  createParamDecorator,
  Get,
  Injectable,
  Scope,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type Provider,
} from '@nestjs/common';
import {
  ApplicationConfig,
  APP_FILTER,
  APP_GUARD,
  APP_INTERCEPTOR,
  APP_PIPE,
  NestFactory,
} from '@nestjs/core';
import { map, type Observable } from 'rxjs';
import {
  ScopedCron,
  ScopedWorker,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
  type Tick,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { startHttpApp } from '../support/http-app.js';
import { refusal } from '../support/refusal.js';
import {
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

describe('Global enhancers', () => {
  let seen: unknown[] = [];

  @Injectable()
  class SingleGuard implements CanActivate {
    canActivate(): boolean {
      seen.push('single guard');
      return true;
    }
  }
  @RequestScoped()
  class ScopedGuard implements CanActivate {
    constructor(readonly probe: Probe) {}

    canActivate(): boolean {
      seen.push(this.probe);
      return true;
    }
  }
  @Transient()
  class FleetingInterceptor {
    constructor(readonly probe: Probe) {}

    intercept(_: ExecutionContext, next: Next): Observable<unknown> {
      seen.push(this.probe);
      return next.handle().pipe(map((value) => `<${String(value)}>`));
    }
  }
  @RequestScoped()
  class ScopedPipe {
    constructor(readonly probe: Probe) {}

    transform(value: unknown): unknown {
      seen.push(this.probe);
      return `${String(value)}!`;
    }
  }
  @RequestScoped()
  @Catch()
  class ScopedFilter {
    constructor(readonly probe: Probe) {}

    catch(): string {
      seen.push(this.probe);
      return 'mended';
    }
  }
  const global: Provider[] = [
    { provide: APP_GUARD, useClass: SingleGuard },
    { provide: APP_GUARD, useClass: ScopedGuard },
    { provide: APP_INTERCEPTOR, useClass: FleetingInterceptor },
    { provide: APP_PIPE, useClass: ScopedPipe },
    { provide: APP_FILTER, useClass: ScopedFilter },
  ];
  const Own = createParamDecorator(() => 'own');

  @ScopedWorker()
  class Worker {
    constructor(readonly probe: Probe) {}

    @ScopedCron(YEARLY)
    run(_: Tick, @Own() own: string): string {
      seen.push(this.probe);
      return own;
    }

    @ScopedCron(YEARLY)
    fail(): never {
      throw new Error('bad');
    }
  }

  @ScopedWorker()
  class Plain {
    @ScopedCron(YEARLY)
    run(): string {
      return 'plain';
    }
  }

  beforeEach(() => void (seen = []));
  afterEach(closeApps);

  describe('when nobody asks for them', () => {
    it('[XA2] run around no handler, not even around one with its own enhancers', async () => {
      const { registry, app } = await startApp({ providers: [...PROBES, Worker, ...global] });
      app.get(ApplicationConfig).useGlobalGuards({ canActivate: () => false });
      const { value } = await registry.run('Worker.run');
      expect(value).toBe('own');
      expect(seen).toEqual(app.get(ProbeJournal).created);
      expect(await registry.run('Worker.fail')).toMatchObject({ outcome: 'failed' });
      expect(seen).toHaveLength(1);
    });

    it('[XA2] requests go through them all the same', async () => {
      @ScopedWorker()
      @Controller('jobs')
      class Jobs {
        @Get()
        show(): string {
          return 'shown';
        }

        @ScopedCron(YEARLY)
        run(): string {
          return 'ran';
        }
      }
      const test = await startHttpApp({
        providers: [...PROBES, { provide: APP_GUARD, useClass: ScopedGuard }],
        controllers: [Jobs],
      });
      try {
        expect(await test.registry.run('Jobs.run')).toMatchObject({ value: 'ran' });
        expect(seen).toEqual([]);
        await fetch(await test.http.getUrl().then((url) => `${url}/jobs`));
        expect(seen).toHaveLength(1);
      } finally {
        await test.http.close();
      }
    });
  });

  describe('when the option is not a boolean', () => {
    it('[C13] start-up is refused, and its neighbor starts', async () => {
      const bad = { globalEnhancers: 'yes' } as object;
      const { message } = await refusal({ options: bad, providers: [Plain] });
      expect(message).toContain('globalEnhancers must be true or false, not "yes"');
      await startApp({ options: { globalEnhancers: false }, providers: [Plain] });
    });
  });

  describe('when the module asks for them', () => {
    const options = { globalEnhancers: true };

    it('[XA2] they run around every handler, scoped ones as part of the tick', async () => {
      const { registry, app } = await startApp({
        options,
        providers: [...PROBES, Worker, Plain, ...global],
      });
      expect(await registry.run('Worker.run')).toMatchObject({ value: '<own!>' });
      const { created, disposed } = app.get(ProbeJournal);
      expect(created).toHaveLength(1);
      const [probe] = created;
      expect(seen).toEqual(['single guard', probe, probe, probe, probe]);
      expect(disposed).toEqual([probe]);

      expect(await registry.run('Worker.fail')).toMatchObject({ value: 'mended' });
      expect(await registry.run('Plain.run')).toMatchObject({ value: '<plain>' });
      expect(disposed).toEqual(created);
    });

    it('[XA2] run before those of the class', async () => {
      @ScopedWorker()
      @UseGuards({ canActivate: () => seen.push('own guard') > 0 })
      class Guarded {
        @ScopedCron(YEARLY)
        run(): void {}
      }
      const { registry, app } = await startApp({
        options,
        providers: [Guarded, { provide: APP_GUARD, useClass: SingleGuard }],
      });
      app
        .get(ApplicationConfig)
        .useGlobalGuards({ canActivate: () => seen.push('late guard') > 0 });
      await registry.run('Guarded.run');
      expect(seen).toEqual(['single guard', 'late guard', 'own guard']);
    });

    it('[XA2] a guard that says no keeps the handler from running', async () => {
      const { registry, app } = await startApp({ options, providers: [Plain] });
      expect(await registry.run('Plain.run')).toMatchObject({ value: 'plain' });
      app.get(ApplicationConfig).useGlobalGuards({ canActivate: () => false });
      expect(await registry.run('Plain.run')).toMatchObject({
        outcome: 'failed',
        error: { message: 'Forbidden resource' },
      });
    });

    it('[XA2] leaves out a factory that returns nothing, as in Nest', async () => {
      const { registry } = await startApp({
        options,
        providers: [
          Plain,
          { provide: APP_GUARD, useFactory: () => null },
          { provide: APP_INTERCEPTOR, scope: Scope.REQUEST, useFactory: () => undefined },
          { provide: APP_GUARD, useClass: SingleGuard },
        ],
      });
      expect(await registry.run('Plain.run')).toMatchObject({ value: 'plain' });
      expect(seen).toEqual(['single guard']);
    });

    it('[XA2] they run in an application without HTTP as well', async () => {
      class AppModule {}
      const app = await NestFactory.createApplicationContext(
        {
          module: AppModule,
          imports: [ScopedWorkerModule.forRoot(options)],
          providers: [...PROBES, Worker, ...global],
        },
        { logger: false },
      );
      try {
        const { value } = await app.get(ScopedWorkerRegistry).run('Worker.run');
        expect(value).toBe('<own!>');
      } finally {
        await app.close();
      }
    });
  });
});
