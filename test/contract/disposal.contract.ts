import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Module, Scope, type Provider } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { shared, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { probes, RequestScoped, Transient, worker } from '../support/probes.js';

/** What is disposed, and in which order; it holds whether or not builds can be watched. */
export function describeDisposal(mode: string): void {
  describe(`disposal, ${mode}`, () => {
    const { journal, Probe, probe } = probes();

    @RequestScoped()
    class Connection extends Probe {}
    @RequestScoped()
    class Repository extends Probe {
      constructor(readonly connection: Connection) {
        super();
      }
    }
    @Transient()
    class Formatter extends Probe {}
    @Transient()
    class Printer extends Probe {
      constructor(readonly formatter: Formatter) {
        super();
      }
    }
    @Injectable()
    class Clock extends Probe {}

    beforeEach(() => void (journal.lines.length = 0));
    afterEach(closeApps);

    /** Starts an application, forgets what was built at start-up, and runs one tick. */
    async function run(
      inject: Parameters<typeof worker>[0],
      handler: (tick: Tick, ...injected: never[]) => unknown = () => undefined,
      providers: Provider[] = [],
    ) {
      const all = [Connection, Repository, Formatter, Printer, Clock, ...providers];
      const test = await startApp({ providers: [worker(inject, handler as never), ...all] });
      journal.lines.length = 0;
      return { ...test, report: await test.registry.run('Worker.run') };
    }

    it('[B1] disposes request-scoped and transient instances once, and no singleton', async () => {
      const { report } = await run([Repository, Printer, Clock]);

      expect(report.outcome).toBe('succeeded');
      expect(journal.of('disposed').sort()).toEqual([
        'Connection',
        'Formatter',
        'Printer',
        'Repository',
      ]);
    });

    it('[B1] disposes on every tick what was built for that tick', async () => {
      const { registry } = await run([Repository]);
      await registry.run('Worker.run');

      expect(journal.lines).toEqual(
        [1, 2].flatMap(() => [
          'built Connection',
          'built Repository',
          'disposed Repository',
          'disposed Connection',
        ]),
      );
    });

    it('[B2, B18] disposes a dependent before what it depends on, down every level', async () => {
      @RequestScoped()
      class Service extends Probe {
        @Inject(Printer) readonly printer!: Printer;
        constructor(@Inject('UNIT_OF_WORK') readonly unit: object) {
          super();
        }
      }
      const unitOfWork: Provider = {
        provide: 'UNIT_OF_WORK',
        inject: [Repository],
        useFactory: async () => {
          await turn();
          return probe('UnitOfWork');
        },
      };
      await run([Service], undefined, [Service, unitOfWork]);

      const position = (name: string): number => journal.of('disposed').indexOf(name);
      expect(journal.of('disposed')).toHaveLength(6);
      expect(journal.of('disposed').slice(0, 1)).toEqual(['Service']);
      expect(position('UnitOfWork')).toBeLessThan(position('Repository'));
      expect(position('Repository')).toBeLessThan(position('Connection'));
      expect(position('Printer')).toBeLessThan(position('Formatter'));
    });

    it('[B4] disposes an object with 20 aliases once, after all that depend on it', async () => {
      const tokens = Array.from({ length: 20 }, (_, index) => `ALIAS_${index}`);
      const aliases = tokens.map((provide, index) => ({
        provide,
        useExisting: index % 2 === 0 ? Connection : tokens[index - 1]!,
      }));
      @RequestScoped()
      class First extends Probe {
        constructor(@Inject('ALIAS_1') readonly connection: Connection) {
          super();
        }
      }
      @RequestScoped()
      class Last extends Probe {
        constructor(@Inject('ALIAS_18') readonly connection: Connection) {
          super();
        }
      }
      let seen: unknown[] = [];
      await run(
        [First, Connection, Last, ...tokens],
        (_tick, ...injected) => void (seen = injected),
        [First, Last, ...aliases],
      );

      const [first, connection, last, ...aliased] = seen as [First, Connection, Last, unknown];
      expect(new Set([connection, first.connection, last.connection, ...aliased]).size).toBe(1);
      expect(journal.of('disposed')).toHaveLength(3);
      expect(journal.of('disposed').at(-1)).toBe('Connection');
    });

    it('[B5] reports the tick only after an asynchronous disposer has settled', async () => {
      const disposing = gate();
      const mayEnd = gate();
      @RequestScoped()
      class Slow {
        async [Symbol.asyncDispose](): Promise<void> {
          disposing.open();
          await mayEnd.opened;
          journal.note('disposed Slow');
        }
      }
      const { registry } = await startApp({ providers: [worker([Slow]), Slow] });
      const ended = registry.run('Worker.run').then(() => journal.note('reported tick'));

      await disposing.opened;
      await turn();
      expect(journal.lines).toEqual([]);
      mayEnd.open();
      await ended;
      expect(journal.lines).toEqual(['disposed Slow', 'reported tick']);
    });

    it('[B16] never disposes an object that was handed in ready-made', async () => {
      const value = probe('Value');
      await run(['VALUE', Connection], undefined, [{ provide: 'VALUE', useValue: value }]);

      expect(journal.of('disposed')).toEqual(['Connection']);
    });

    it('[B17] disposes what a request-scoped factory returns, no matter which dependency made it request-scoped', async () => {
      await run(['BY_SCOPE', 'BY_BUBBLING', 'TRANSIENT'], undefined, [
        { provide: 'BY_SCOPE', scope: Scope.REQUEST, useFactory: () => probe('ByScope') },
        { provide: 'BY_BUBBLING', inject: [Connection], useFactory: () => probe('ByBubbling') },
        { provide: 'TRANSIENT', scope: Scope.TRANSIENT, useFactory: async () => probe('Tran') },
      ]);

      expect(journal.of('disposed').sort()).toEqual([
        'ByBubbling',
        'ByScope',
        'Connection',
        'Tran',
      ]);
    });

    it('[B17] leaves what a static provider holds, and what is shared()', async () => {
      const hidden = probe('Hidden');
      const held = { manager: probe('Manager'), pools: new Map([['eu', probe('Pool')]]) };
      const request = { scope: Scope.REQUEST };
      const { report } = await run(['MANAGER', 'POOL', 'CLOCK', 'SHARED'], undefined, [
        { provide: 'DATA_SOURCE', useValue: held },
        { provide: 'MANAGER', ...request, useFactory: () => held.manager },
        { provide: 'POOL', ...request, useFactory: async () => held.pools.get('eu') },
        { provide: 'CLOCK', ...request, inject: [Clock], useFactory: (clock: Clock) => clock },
        { provide: 'SHARED', ...request, useFactory: () => shared(hidden) },
      ]);

      expect(report.outcome).toBe('succeeded');
      expect(journal.of('disposed')).toEqual([]);
    });

    it('[B18] disposes what the handler resolves by hand, through the scope or through ModuleRef', async () => {
      const { report } = await run([ModuleRef], async (tick, moduleRef: ModuleRef) => {
        await tick.scope.resolve(Repository);
        await moduleRef.resolve(Printer, tick.scope.contextId);
      });

      expect(report.outcome).toBe('succeeded');
      expect(journal.of('disposed').sort()).toEqual([
        'Connection',
        'Formatter',
        'Printer',
        'Repository',
      ]);
    });

    it('[B18] disposes what is built in modules that others import', async () => {
      @Module({ providers: [Connection, Repository], exports: [Repository] })
      class DataModule {}
      const { registry } = await startApp({
        imports: [DataModule],
        providers: [worker([Repository])],
      });
      await registry.run('Worker.run');

      expect(journal.of('disposed')).toEqual(['Repository', 'Connection']);
    });

    it('awaits onScopeInit of every instance before the handler', async () => {
      @RequestScoped()
      class Prepared {
        ready = false;
        async onScopeInit(): Promise<void> {
          await turn();
          this.ready = true;
        }
      }
      const { report } = await run(
        [Prepared],
        async (tick, injected: Prepared) => [
          injected.ready,
          (await tick.scope.resolve<Prepared>('BY_HAND')).ready,
        ],
        [Prepared, { provide: 'BY_HAND', scope: Scope.REQUEST, useFactory: () => new Prepared() }],
      );

      expect(report.value).toEqual([true, true]);
    });
  });
}
