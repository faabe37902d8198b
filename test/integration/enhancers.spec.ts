import {
  Catch,
  createParamDecorator,
  SetMetadata,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  type ArgumentsHost,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { map, tap, type Observable } from 'rxjs';
import { currentTick, InjectTick, ScopedCron, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate } from '../support/gate.js';
import { Journal, RequestScoped, Probe, ProbeJournal, PROBES, YEARLY } from '../support/probes.js';

/** What `tap` and `map` need of Nest's `CallHandler`. */
interface Next {
  handle(): Observable<unknown>;
}

describe('The enhancers of a handler', () => {
  afterEach(closeApps);

  describe('when all of them are request-scoped', () => {
    const seen: [string, Probe][] = [];

    class Sees {
      constructor(
        readonly probe: Probe,
        @InjectTick() readonly tick: Tick,
      ) {}

      see(): void {
        seen.push([this.constructor.name, this.probe]);
      }

      onScopeInit(): void {
        seen.push([`${this.constructor.name} init`, this.probe]);
      }

      onScopeCommit(): void {
        seen.push([`${this.constructor.name} commit`, this.probe]);
      }

      onScopeRollback(): void {
        seen.push([`${this.constructor.name} rollback`, this.probe]);
      }
    }
    const inject = (target: Function): void =>
      Reflect.defineMetadata('design:paramtypes', [Probe, Object], target);

    @RequestScoped()
    @inject
    class SeeingGuard extends Sees {
      canActivate(): boolean {
        this.see();
        return true;
      }
    }
    @RequestScoped()
    @inject
    class SeeingInterceptor extends Sees {
      intercept(_: ExecutionContext, next: Next): Observable<unknown> {
        this.see();
        return next.handle();
      }
    }
    @RequestScoped()
    @inject
    class SeeingPipe extends Sees {
      transform(value: unknown): unknown {
        this.see();
        return value;
      }
    }
    @RequestScoped()
    @Catch()
    @inject
    class SeeingFilter extends Sees {
      catch(): void {
        this.see();
      }
    }
    const Payload = createParamDecorator(
      (_, context) => context.switchToRpc().getData<Tick>().payload,
    );

    @ScopedWorker()
    @UseGuards(SeeingGuard)
    @UseFilters(SeeingFilter)
    class Worker {
      constructor(readonly probe: Probe) {}

      @ScopedCron(YEARLY, { overlap: 'allow' })
      @UseInterceptors(SeeingInterceptor)
      @UsePipes(SeeingPipe)
      run(tick: Tick, @Payload() payload: unknown): void {
        seen.push(['handler', this.probe]);
        if (tick.payload === 'fail') throw new Error(String(payload));
      }
    }
    const HOOKED = ['SeeingGuard', 'SeeingInterceptor', 'SeeingPipe', 'SeeingFilter'];

    beforeEach(() => void (seen.length = 0));

    it('[A13] guard, interceptor, pipe, handler and hooks see one Probe, which is disposed once', async () => {
      const { registry, app } = await startApp({ providers: [...PROBES, Worker] });
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ outcome: 'succeeded' });
      const names = seen.map(([name]) => name);
      expect(names.slice(0, 4).sort()).toEqual(HOOKED.map((name) => `${name} init`).sort());
      expect(names.slice(4, 8)).toEqual([
        'SeeingGuard',
        'SeeingInterceptor',
        'SeeingPipe',
        'handler',
      ]);
      expect(names.slice(8).sort()).toEqual(HOOKED.map((name) => `${name} commit`).sort());
      const { created, disposed } = app.get(ProbeJournal);
      expect(created).toHaveLength(1);
      expect(new Set(seen.map(([, probe]) => probe))).toEqual(new Set(created));
      expect(disposed).toEqual(created);
    });

    it('[A13] the filter of a failing handler sees the same Probe', async () => {
      const { registry, app } = await startApp({ providers: [...PROBES, Worker] });
      const report = await registry.run('Worker.run', { payload: 'fail' });
      expect(report).toMatchObject({ outcome: 'failed', error: new Error('fail') });
      const names = seen.map(([name]) => name);
      expect(names.slice(7, 9)).toEqual(['handler', 'SeeingFilter']);
      expect(names.slice(9).sort()).toEqual(HOOKED.map((name) => `${name} rollback`).sort());
      expect(new Set(seen.map(([, probe]) => probe.id))).toEqual(new Set([1]));
      expect(app.get(ProbeJournal).disposed).toHaveLength(1);
    });

    it('[A13] each tick has its own, and the report counts them as built', async () => {
      const { registry, app } = await startApp({ providers: [...PROBES, Worker] });
      const reports = await Promise.all([registry.run('Worker.run'), registry.run('Worker.run')]);
      for (const report of reports) expect(report).toMatchObject({ built: 6, disposed: 1 });
      expect(app.get(ProbeJournal).created).toHaveLength(2);
      const guards = seen.filter(([name]) => name === 'SeeingGuard');
      expect(new Set(guards.map(([, { id }]) => id))).toEqual(new Set([1, 2]));
    });
  });

  describe('when class and handler have several of each kind', () => {
    it('[XA1] they run in the order that Nest has: guards, interceptors, pipes, handler, and back', async () => {
      const journal = new Journal();
      const guard = (name: string): CanActivate => ({
        canActivate: () => {
          journal.note(`guard ${name}`);
          return true;
        },
      });
      const around = (name: string) => ({
        intercept: (_: ExecutionContext, next: Next) => {
          journal.note(`before ${name}`);
          return next.handle().pipe(tap(() => journal.note(`after ${name}`)));
        },
      });
      const pipe = (name: string) => ({
        transform: (value: unknown) => {
          journal.note(`pipe ${name}`);
          return value;
        },
      });
      const Own = createParamDecorator(() => 'own');

      @ScopedWorker()
      @UseGuards(guard('class'))
      @UseInterceptors(around('class'))
      @UsePipes(pipe('class'))
      class Worker {
        @ScopedCron(YEARLY)
        @UseGuards(guard('method 1'), guard('method 2'))
        @UseInterceptors(around('method'))
        @UsePipes(pipe('method'))
        run(_: Tick, @Own(pipe('parameter')) own: string): string {
          journal.note(`handler ${own}`);
          return own;
        }
      }
      const { registry } = await startApp({ providers: [Worker] });
      expect(await registry.run('Worker.run')).toMatchObject({ value: 'own' });
      expect(journal.lines).toEqual([
        'guard class',
        'guard method 1',
        'guard method 2',
        'before class',
        'before method',
        'pipe class',
        'pipe method',
        'pipe parameter',
        'handler own',
        'after method',
        'after class',
      ]);
    });
  });

  describe('when they look at their context', () => {
    it('[XA1] it is the tick, the worker and the handler, under the type scoped-worker', async () => {
      const Roles = (...roles: string[]) => SetMetadata('roles', roles);
      const contexts: unknown[] = [];
      @RequestScoped()
      class RolesGuard {
        constructor(private readonly reflector: Reflector) {}

        canActivate(context: ExecutionContext): boolean {
          const places = [context.getHandler(), context.getClass()];
          contexts.push({
            type: context.getType<string>(),
            tick: context.getArgs<[Tick]>()[0],
            data: context.switchToRpc().getData<Tick>(),
            current: currentTick(),
            class: context.getClass(),
            handler: context.getHandler(),
            merged: this.reflector.getAllAndMerge('roles', places),
            nearest: this.reflector.getAllAndOverride('roles', places),
          });
          return true;
        }
      }
      @Catch()
      class ContextFilter {
        catch(_: unknown, host: ArgumentsHost): string {
          contexts.push([host.getType<string>(), host.getArgByIndex<Tick>(0).schedule]);
          return 'caught';
        }
      }
      @ScopedWorker()
      @Roles('clerk')
      @UseGuards(RolesGuard)
      @UseFilters(ContextFilter)
      class Worker {
        @ScopedCron(YEARLY)
        @Roles('admin')
        run(): void {
          throw new Error('to be caught');
        }
      }
      let tick: Tick | undefined;
      const { registry } = await startApp({
        providers: [Worker],
        options: { onOpen: (opened) => void (tick = opened) },
      });
      expect(await registry.run('Worker.run')).toMatchObject({ value: 'caught' });
      expect(contexts).toEqual([
        {
          type: 'scoped-worker',
          tick,
          data: tick,
          current: tick,
          class: Worker,
          handler: Worker.prototype.run,
          merged: ['admin', 'clerk'],
          nearest: ['admin'],
        },
        ['scoped-worker', 'Worker.run'],
      ]);
      expect((contexts[0] as { tick: Tick }).tick).toBe(tick);
    });
  });

  describe('when a guard says no', () => {
    it.each<[string, () => ReturnType<CanActivate['canActivate']>]>([
      ['at once', () => false],
      ['later', () => Promise.resolve(false)],
    ])(
      '[XA1] %s, the tick fails with ForbiddenException, and nothing after it is called',
      async (_, answer) => {
        const journal = new Journal();
        @ScopedWorker()
        @UseInterceptors({
          intercept: (__: ExecutionContext, next: Next) => {
            journal.note('interceptor');
            return next.handle();
          },
        })
        class Worker {
          @ScopedCron(YEARLY)
          @UseGuards({ canActivate: answer })
          run(): void {
            journal.note('handler');
          }
        }
        const { registry } = await startApp({ providers: [Worker] });
        const report = await registry.run('Worker.run');
        expect(report).toMatchObject({ outcome: 'failed', phase: 'handler' });
        expect(report.error).toMatchObject({
          name: 'ForbiddenException',
          message: 'Forbidden resource',
        });
        expect(journal.lines).toEqual([]);
      },
    );
  });

  describe('when the tick is aborted while a guard waits', () => {
    it('[XA6] the handler is not called, and no filter hides the abort', async () => {
      const asked = gate();
      const answer = gate<boolean>();
      const journal = new Journal();
      @ScopedWorker()
      class Worker {
        @ScopedCron(YEARLY)
        @UseGuards({
          canActivate: () => {
            asked.open();
            return answer.opened;
          },
        })
        @UseFilters({
          catch: () => {
            journal.note('filter');
            return 'hidden';
          },
        })
        run(): void {
          journal.note('handler');
        }
      }
      const { registry } = await startApp({ providers: [Worker] });
      const report = registry.run('Worker.run');
      await asked.opened;
      registry.cancel('Worker.run');
      answer.open(true);
      expect(await report).toMatchObject({ outcome: 'cancelled', phase: 'handler' });
      expect(journal.lines).toEqual([]);
    });
  });

  describe('when parameters have decorators', () => {
    const Payload = createParamDecorator((key: string | undefined, context: ExecutionContext) => {
      const { payload } = context.switchToRpc().getData<Tick<Record<string, unknown>>>();
      return key === undefined ? payload : payload[key];
    });
    const toNumber = { transform: (value: unknown) => Number(value) };

    it('[XA5] they get the values of their decorators, through pipes; the others stay the tick', async () => {
      const metadata: unknown[] = [];
      @RequestScoped()
      class NotingPipe {
        constructor(readonly probe: Probe) {}
        transform(value: unknown, about: unknown): unknown {
          metadata.push([about, this.probe.isDisposed]);
          return value;
        }
      }
      @ScopedWorker()
      class Worker {
        @ScopedCron(YEARLY)
        run(
          tick: Tick,
          @Payload('count', toNumber) count: number,
          @Payload(NotingPipe) all: object,
          none?: unknown,
        ): unknown {
          return [tick.schedule, count, all, none];
        }
      }
      const { registry } = await startApp({ providers: [...PROBES, Worker] });
      const payload = { count: '7' };
      const report = await registry.run('Worker.run', { payload });
      expect(report.value).toEqual(['Worker.run', 7, payload, undefined]);
      expect(metadata).toEqual([
        [expect.objectContaining({ type: 'custom', data: undefined, metatype: Object }), false],
      ]);
    });

    it('[XA5] a decorator on the first parameter replaces the tick there', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedCron(YEARLY)
        run(@Payload('late') late: string, ...more: unknown[]): unknown {
          return [late, more];
        }
      }
      const { registry } = await startApp({ providers: [Worker] });
      const payload = { late: Promise.resolve('came') };
      expect((await registry.run('Worker.run', { payload })).value).toEqual(['came', []]);
    });

    it('[XA5] without a decorator a pipe leaves the tick alone', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedCron(YEARLY)
        @UsePipes(toNumber)
        run(tick: Tick): unknown {
          return tick.schedule;
        }
      }
      const { registry } = await startApp({ providers: [Worker] });
      expect(await registry.run('Worker.run')).toMatchObject({ value: 'Worker.run' });
    });

    it('[XA5] a pipe that throws fails the tick before its handler', async () => {
      const error = new Error('no number');
      @ScopedWorker()
      class Worker {
        @ScopedCron(YEARLY)
        run(
          tick: Tick,
          @Payload({
            transform: () => {
              throw error;
            },
          })
          payload: unknown,
        ): never {
          throw new Error(`${tick.schedule} was called with ${String(payload)}`);
        }
      }
      const { registry } = await startApp({ providers: [Worker] });
      const report = await registry.run('Worker.run', { payload: {} });
      expect(report.error).toBe(error);
    });
  });

  describe('when the interceptor changes the result', () => {
    it('[XA6] the report has what came out of it', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedCron(YEARLY)
        @UseInterceptors({
          intercept: (_: ExecutionContext, next: Next) =>
            next.handle().pipe(map((value) => `<${String(value)}>`)),
        })
        async run(): Promise<string> {
          return Promise.resolve('text');
        }
      }
      const { registry } = await startApp({ providers: [Worker] });
      expect(await registry.run('Worker.run')).toMatchObject({ value: '<text>' });
    });
  });
});
