import { Inject, Injectable, Scope, type Provider } from '@nestjs/common';
import { ScopedCron, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { turn } from '../support/gate.js';
import { YEARLY } from '../support/probes.js';

describe('The preparation of a scope', () => {
  afterEach(closeApps);

  describe('when preparation is asynchronous', () => {
    const journal: string[] = [];

    @Injectable({ scope: Scope.REQUEST })
    class Connection {
      async onScopeInit(): Promise<void> {
        journal.push('connection begins');
        await turn();
        journal.push('connection ready');
      }
    }

    @Injectable()
    class Repository {
      constructor(readonly connection: Connection) {
        journal.push('repository built');
      }

      async onScopeInit(): Promise<void> {
        await turn();
        journal.push('repository ready');
      }
    }

    const settings: Provider = {
      provide: 'settings',
      scope: Scope.REQUEST,
      inject: [Repository],
      useFactory: async () => {
        await turn();
        journal.push('settings ready');
        return {};
      },
    };

    @ScopedWorker()
    class Prepared {
      constructor(@Inject('settings') readonly settings: object) {
        journal.push('worker built');
      }

      async onScopeInit(): Promise<void> {
        await turn();
        journal.push('worker ready');
      }

      @ScopedCron(YEARLY)
      tick(_tick: Tick): void {
        journal.push('handler');
      }
    }

    it('[A18] it is finished, in the order of dependence, before the handler starts', async () => {
      const { registry } = await startApp({
        providers: [Connection, Repository, settings, Prepared],
      });
      await registry.run('Prepared.tick');
      expect(journal).toEqual([
        'connection begins',
        'connection ready',
        'repository built',
        'repository ready',
        'settings ready',
        'worker built',
        'worker ready',
        'handler',
      ]);
    });
  });

  describe('when a constructor throws', () => {
    const failure = Object.freeze({ reason: 'not even an Error' });

    it.each([
      ['an Error', new TypeError('no database')],
      ['an object that is not an Error', failure],
      ['undefined', undefined],
    ])('[C14] %s reaches the report as the same object', async (_kind, thrown) => {
      @Injectable({ scope: Scope.REQUEST })
      class Broken {
        constructor() {
          throw thrown;
        }
      }
      @Injectable()
      class Between {
        constructor(readonly broken: Broken) {}
      }
      @ScopedWorker()
      class OnTop {
        constructor(readonly between: Between) {}

        @ScopedCron(YEARLY)
        tick(): never {
          throw new Error('The handler is not entered.');
        }
      }
      const { registry, next } = await startApp({ providers: [Broken, Between, OnTop] });
      const finished = next('tick:finished');
      const report = await registry.run('OnTop.tick');
      expect(report).toMatchObject({ outcome: 'failed', phase: 'resolve' });
      expect(report.error).toBe(thrown);
      expect((await finished).error).toBe(thrown);
    });

    it("[C14] so does the worker's own, that of a factory and that of onScopeInit", async () => {
      const thrown = new Error('factory');
      const useFactory = (): Promise<never> => Promise.reject(thrown);
      @ScopedWorker()
      class FromFactory {
        constructor(@Inject('broken') readonly broken: unknown) {}

        @ScopedCron(YEARLY)
        tick(): void {}
      }
      @ScopedWorker()
      class FromHook {
        onScopeInit(): never {
          throw thrown;
        }

        @ScopedCron(YEARLY)
        tick(): void {}
      }
      @ScopedWorker()
      class FromItself {
        constructor() {
          throw thrown;
        }

        @ScopedCron(YEARLY)
        tick(): void {}
      }
      const { registry } = await startApp({
        providers: [
          { provide: 'broken', scope: Scope.REQUEST, useFactory },
          FromFactory,
          FromHook,
          FromItself,
        ],
      });
      for (const worker of [FromFactory, FromHook, FromItself]) {
        const report = await registry.run(`${worker.name}.tick`);
        expect(report).toMatchObject({ outcome: 'failed', phase: 'resolve' });
        expect(report.error).toBe(thrown);
      }
    });
  });
});
