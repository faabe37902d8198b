import { Controller, Module, type Type } from '@nestjs/common';
import {
  DuplicateScheduleError,
  InjectTick,
  InvalidScheduleError,
  ScopeValidationError,
  ScopedConsumer,
  ScopedCron,
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
  StaysSingleton,
  type Delivery,
} from '../../lib/index.js';
import * as core from '../../lib/index.js';
import { InjectScopedEntityManager, InjectScopedRepository } from '../../lib/typeorm/index.js';
import * as typeOrm from '../../lib/typeorm/index.js';
import { isClass } from '../../lib/util/values.js';
import { closeApps, startApp } from '../support/app.js';
import { WebSocketGateway } from '../support/foreign-decorators.js';
import { refusal } from '../support/refusal.js';
import { YEARLY } from '../support/probes.js';

/** A worker with the schedule `Job.run`. */
function job(): new () => object {
  @ScopedWorker()
  class Job {
    @ScopedCron(YEARLY)
    run(): void {}
  }
  return Job;
}

describe('Decorators and names', () => {
  afterEach(closeApps);

  describe('when a decorator is in the wrong place', () => {
    it('[XC5] refuses it on a static method, and starts it on an instance method', async () => {
      @ScopedWorker()
      class Misplaced {
        @ScopedCron(YEARLY)
        static run(): void {}
      }
      const error = await refusal({ providers: [Misplaced] });
      expect(error.message).toMatch(/^Misplaced\.run: @ScopedCron .*static.*instance method/);
      await startApp({ providers: [job()] });
    });

    it('[XC5] refuses it on a getter, without calling it', async () => {
      @ScopedWorker()
      class WithGetter {
        @ScopedCron(YEARLY)
        get run(): () => void {
          throw new Error('The getter was called.');
        }
      }
      const error = await refusal({ providers: [WithGetter] });
      expect(error.message).toMatch(/^WithGetter\.run: .*method/);
    });

    it('[XC5] refuses it in a class that is not a worker, and starts it in one that is', async () => {
      class Plain {
        @ScopedInterval(1_000)
        run(): void {}
      }
      const error = await refusal({ providers: [Plain] });
      expect(error.message).toMatch(/^Plain\.run: @ScopedInterval .*@ScopedWorker\(\)/);
      ScopedWorker()(Plain);
      await startApp({ providers: [Plain] });
    });

    it('[XC5] refuses it in a controller that is not a worker', async () => {
      @Controller()
      class PlainController {
        @ScopedCron(YEARLY)
        run(): void {}
      }
      const error = await refusal({ controllers: [PlainController] });
      expect(error.message).toMatch(/^PlainController\.run: .*@ScopedWorker\(\)/);
    });

    it('[XC5] refuses it in a gateway, because only the instance from start-up has the server', async () => {
      @WebSocketGateway()
      class Chat {
        @ScopedCron(YEARLY)
        announce(): void {}
      }
      const error = await refusal({ providers: [Chat] });
      expect(error.message).toBe(
        'Chat.announce: @ScopedCron needs a worker, but Chat is a gateway, and only the instance that Nest builds at start-up has the WebSocket server. Move the method to a provider that is marked @ScopedWorker() and injects Chat.',
      );
    });

    it('[XC5] refuses it in a module class, which is a singleton', async () => {
      @Module({})
      class PlainModule {
        @ScopedCron(YEARLY)
        run(): void {}
      }
      const error = await refusal({ imports: [PlainModule] });
      expect(error.message).toMatch(/^PlainModule\.run: /);
    });

    it('[XC5] refuses @ScopedWorker above @Module', () => {
      expect(() => {
        @ScopedWorker()
        @Module({ providers: [] })
        class Marked {}
        return Marked;
      }).toThrow(
        new InvalidScheduleError([
          'Marked: @ScopedWorker is on a module, which Nest builds once. Move the handlers to a provider marked @ScopedWorker().',
        ]),
      );
    });

    it.each<[string, () => Type]>([
      [
        'a generator',
        () => {
          @ScopedWorker()
          class Job {
            @ScopedCron(YEARLY)
            *run(): Generator {}
          }
          return Job;
        },
      ],
      [
        'an async generator',
        () => {
          @ScopedWorker()
          class Job {
            @ScopedCron(YEARLY)
            async *run(): AsyncGenerator {}
          }
          return Job;
        },
      ],
      [
        'an inherited generator',
        () => {
          class Base {
            *run(): Generator {}
          }
          @ScopedWorker()
          class Job extends Base {}
          ScopedCron(YEARLY)(Job.prototype, 'run', {});
          return Job;
        },
      ],
    ])('[XC5] refuses it on %s, which a call would not run', async (_what, define) => {
      const error = await refusal({ providers: [define()] });
      expect(error).toEqual(
        new InvalidScheduleError([
          'Job.run: @ScopedCron is on a generator, whose body would never run. Make it async, without the asterisk.',
        ]),
      );
    });

    it('[XC5] starts it on a generator that another decorator runs', async () => {
      const runs: MethodDecorator = (_target, _key, descriptor) => {
        const generator = descriptor.value as unknown as () => Iterable<unknown>;
        const run = function (this: unknown): unknown[] {
          return [...generator.call(this)];
        };
        return { ...descriptor, value: run as never };
      };
      @ScopedWorker()
      class Job {
        @ScopedCron(YEARLY)
        @runs
        *run(): Generator<string> {
          yield 'ran';
        }
      }
      const { registry } = await startApp({ providers: [Job] });
      expect(await registry.run('Job.run')).toMatchObject({ value: ['ran'] });
    });
  });

  describe('when a decorator has no parentheses', () => {
    const bare = <Decorator>(factory: unknown): Decorator => factory as Decorator;
    const method = (factory: unknown) => (): Type => {
      class Job {
        @bare<MethodDecorator>(factory)
        run(): void {}
      }
      return Job;
    };
    const onStatic = (factory: unknown) => (): Type => {
      class Job {
        @bare<MethodDecorator>(factory)
        static run(): void {}
      }
      return Job;
    };
    const onClass = (factory: unknown) => (): Type => {
      @bare<ClassDecorator>(factory)
      class Job {}
      return Job;
    };
    const property = (factory: unknown) => (): Type => {
      class Job {
        @bare<PropertyDecorator>(factory) readonly given: unknown;
      }
      return Job;
    };
    const parameter = (factory: unknown) => (): Type => {
      class Job {
        constructor(
          readonly first: unknown,
          @bare<ParameterDecorator>(factory) readonly given: unknown,
        ) {}
      }
      return Job;
    };

    const places: readonly [usage: string, where: string, define: () => Type][] = [
      ['@ScopedWorker()', 'Job', onClass(ScopedWorker)],
      ['@StaysSingleton()', 'Job', onClass(StaysSingleton)],
      ['@ScopedCron(expression)', 'Job.run', method(ScopedCron)],
      ['@ScopedCron(expression)', 'Job.run', onStatic(ScopedCron)],
      ['@ScopedCron(expression)', 'Job', onClass(ScopedCron)],
      ['@ScopedInterval(everyMs)', 'Job.run', method(ScopedInterval)],
      ['@ScopedInterval(everyMs)', 'Job', onClass(ScopedInterval)],
      ['@ScopedTimeout(delayMs)', 'Job.run', method(ScopedTimeout)],
      ['@ScopedTimeout(delayMs)', 'Job', onClass(ScopedTimeout)],
      ['@ScopedConsumer(source)', 'Job.run', method(ScopedConsumer)],
      ['@InjectTick()', 'Job.given', property(InjectTick)],
      ['@InjectTick()', 'Job.constructor[1]', parameter(InjectTick)],
      ['@InjectScopedEntityManager()', 'Job.given', property(InjectScopedEntityManager)],
      ['@InjectScopedEntityManager()', 'Job.constructor[1]', parameter(InjectScopedEntityManager)],
      ['@InjectScopedRepository(Entity)', 'Job.given', property(InjectScopedRepository)],
      ['@InjectScopedRepository(Entity)', 'Job.constructor[1]', parameter(InjectScopedRepository)],
    ];

    it.each(places)('[XC5] says to write %s at %s', (usage, where, define) => {
      const [decorator] = usage.split('(');
      expect(define).toThrow(
        new InvalidScheduleError([
          `${where}: ${decorator} is written without parentheses. Write ${usage}.`,
        ]),
      );
    });

    it('[XC5] covers every decorator that the library exports', () => {
      const decorators = Object.entries({ ...core, ...typeOrm })
        .filter(
          ([name, value]) =>
            /^[A-Z]\w*[a-z]/.test(name) && typeof value === 'function' && !isClass(value),
        )
        .map(([name]) => name);
      const covered = new Set(places.map(([usage]) => usage.slice(1, usage.indexOf('('))));
      expect(decorators.toSorted()).toEqual([...covered].toSorted());
    });
  });

  describe('when a function or an object is a wrong argument', () => {
    it.each([
      ['a function', [() => '* * * * *']],
      ['three arguments', [{ inject: [], useFactory: () => '* * * * *' }, {}, {}]],
    ])('[XC5] does not speak of parentheses: %s', (_, given) => {
      const decorate = (): unknown => (ScopedCron as (...args: unknown[]) => unknown)(...given);
      expect(decorate).not.toThrow(/parentheses/);
    });
  });

  describe('when a decorator takes a class', () => {
    it('[XC5] accepts it', () => {
      class Source {
        async *read(): AsyncGenerator<Delivery<string>> {}
      }
      expect(() => ScopedConsumer(Source)).not.toThrow();
      expect(() => InjectScopedRepository(Source)).not.toThrow();
      expect(() => InjectScopedRepository(Source, 'archive')).not.toThrow();
    });
  });

  describe('when two schedules carry one name', () => {
    @ScopedWorker()
    class Early {
      @ScopedCron(YEARLY, { name: 'nightly' })
      run(): void {}
    }
    @ScopedWorker()
    class Late {
      @ScopedInterval(9_999, { name: 'nightly' })
      run(): void {}
    }

    it('[XC10] refuses them, naming both, and starts each alone', async () => {
      const error = await refusal({ providers: [Early, Late] });
      expect(error).toBeInstanceOf(DuplicateScheduleError);
      expect(error.message).toMatch(/Late\.run: .*"nightly".*Early\.run.*Rename one/);
      await startApp({ providers: [Early] });
      await startApp({ providers: [Late] });
    });

    it('[XC10] refuses a given name that is the default name of another', async () => {
      @ScopedWorker()
      class Borrower {
        @ScopedCron(YEARLY, { name: 'Owner.run' })
        run(): void {}
      }
      @ScopedWorker()
      class Owner {
        @ScopedCron(YEARLY)
        run(): void {}
      }
      const error = await refusal({ providers: [Borrower, Owner] });
      expect(error.message).toMatch(/Owner\.run.*"Owner\.run".*Borrower\.run/);
    });

    it('[XC10] refuses two classes of one name', async () => {
      const providers = [job(), job()];
      const error = await refusal({ providers });
      expect(error).toBeInstanceOf(DuplicateScheduleError);
    });

    it('[XC10] names the clash also when one of the two is wrong in another way', async () => {
      @ScopedWorker()
      class Wrong {
        @ScopedCron('never', { name: 'nightly' })
        run(): void {}
      }
      const error = await refusal({ providers: [Early, Wrong] });
      expect(error).toBeInstanceOf(ScopeValidationError);
      expect(error.message).toMatch(/Wrong\.run: the cron expression/);
      expect(error.message).toMatch(/Wrong\.run: .*"nightly".*Early\.run/);
    });
  });
});
