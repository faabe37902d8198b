import { Injectable, Scope } from '@nestjs/common';
import { SCOPE_OPTIONS_METADATA } from '@nestjs/common/constants.js';
import {
  ScopedCron,
  ScopedInterval,
  ScopedTimeout,
} from '../../lib/decorators/schedule.decorators.js';
import { ScopedWorker } from '../../lib/decorators/worker.decorators.js';
import {
  allDeclaredWorkers,
  handlersOf,
  workerOptions,
} from '../../lib/decorators/handler-metadata.js';

const scopeOf = (target: Function): unknown => Reflect.getMetadata(SCOPE_OPTIONS_METADATA, target);

describe('The metadata of a worker', () => {
  describe('when a class is marked', () => {
    it('is request-scoped, carries its options and is known', () => {
      @ScopedWorker({ timeZone: 'UTC' })
      class Marked {}
      expect(scopeOf(Marked)).toMatchObject({ scope: Scope.REQUEST });
      expect(workerOptions(Marked)).toEqual({ timeZone: 'UTC' });
      expect(allDeclaredWorkers()).toContain(Marked);
    });

    it('needs no options', () => {
      @ScopedWorker()
      class Marked {}
      expect(workerOptions(Marked)).toEqual({});
    });

    it('a class that is not marked has none', () => {
      @Injectable()
      class Plain {}
      expect(workerOptions(Plain)).toBeUndefined();
      expect(handlersOf(Plain)).toEqual([]);
      expect(allDeclaredWorkers()).not.toContain(Plain);
    });
  });

  describe('when methods are decorated', () => {
    it('each decorator is one handler, as it was written', () => {
      class Kinds {
        @ScopedCron('@daily', { name: 'a' })
        cron(): void {}

        @ScopedInterval(5)
        interval(): void {}

        @ScopedTimeout(0)
        static timeout(): void {}
      }
      expect(handlersOf(Kinds)).toHaveLength(3);
      expect(handlersOf(Kinds)).toEqual(
        expect.arrayContaining([
          {
            kind: 'cron',
            decorator: '@ScopedCron',
            method: 'cron',
            isStatic: false,
            when: '@daily',
            options: { name: 'a' },
          },
          expect.objectContaining({ kind: 'interval', method: 'interval', when: 5 }),
          expect.objectContaining({ kind: 'timeout', isStatic: true, when: 0 }),
        ]),
      );
    });

    it('[F18] two on one method are two handlers, in the order of the source', () => {
      class Two {
        @ScopedCron('1 * * * *')
        @ScopedCron('2 * * * *')
        tick(): void {}
      }
      expect(handlersOf(Two).map(({ when }) => when)).toEqual(['1 * * * *', '2 * * * *']);
    });

    it('what is wrong is kept for start-up to name, and throws nothing while the file is loaded', () => {
      expect(() => {
        class Wrong {
          @ScopedInterval(-1, null as never)
          tick(): void {}
        }
        return Wrong;
      }).not.toThrow();
    });
  });

  describe('when classes inherit', () => {
    @ScopedWorker({ overlap: 'allow' })
    class Base {
      @ScopedCron('1 * * * *')
      inherited(): void {}

      @ScopedCron('2 * * * *')
      overridden(): void {}

      @ScopedCron('3 * * * *')
      @ScopedCron('4 * * * *')
      decoratedAgain(): void {}
    }

    class Middle extends Base {
      override overridden(): void {}
    }

    class Sub extends Middle {
      @ScopedInterval(5)
      override decoratedAgain(): void {}

      @ScopedInterval(6)
      own(): void {}
    }

    it('[F19] a handler is found once, however deep', () => {
      const found = handlersOf(Sub).map(({ method, when }) => `${method} ${String(when)}`);
      expect(found.sort()).toEqual([
        'decoratedAgain 5',
        'inherited 1 * * * *',
        'overridden 2 * * * *',
        'own 6',
      ]);
    });

    it('[F19] what a subclass decorates does not reach its base or its siblings', () => {
      class Sibling extends Base {}
      for (const other of [Base, Sibling]) {
        const found = handlersOf(other).map(({ method, when }) => `${method} ${String(when)}`);
        expect(found.sort()).toEqual([
          'decoratedAgain 3 * * * *',
          'decoratedAgain 4 * * * *',
          'inherited 1 * * * *',
          'overridden 2 * * * *',
        ]);
      }
    });

    it('options of the base apply to the subclass, unless it is marked itself', () => {
      expect(workerOptions(Sub)).toEqual({ overlap: 'allow' });
      @ScopedWorker()
      class Remarked extends Base {}
      expect(workerOptions(Remarked)).toEqual({});
      expect(workerOptions(Base)).toEqual({ overlap: 'allow' });
    });
  });
});
