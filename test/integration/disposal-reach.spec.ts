import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LazyModuleLoader, ModuleRef } from '@nestjs/core';
import { Inject, Injectable, Module, Scope } from '@nestjs/common';
import type { Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { probes, RequestScoped, Transient, worker } from '../support/probes.js';

describe('The reach of disposal', () => {
  const { journal, Probe, probe } = probes();

  @RequestScoped()
  class A extends Probe {}
  @RequestScoped()
  class B extends Probe {}
  @Transient()
  class Leaf extends Probe {}

  beforeEach(() => void (journal.lines.length = 0));
  afterEach(closeApps);

  it('[B18] reaches transients of transients, one for each place that injects them', async () => {
    @Transient()
    class Branch extends Probe {
      constructor(
        readonly left: Leaf,
        @Inject('LEAF') readonly right: Leaf,
      ) {
        super();
      }
    }
    @Injectable()
    class Bubbled extends Probe {
      constructor(
        readonly branch: Branch,
        readonly a: A,
      ) {
        super();
      }
    }
    const { registry } = await startApp({
      providers: [
        worker([Bubbled, Branch]),
        A,
        Leaf,
        Branch,
        Bubbled,
        { provide: 'LEAF', scope: Scope.TRANSIENT, useFactory: () => probe('MadeLeaf') },
      ],
    });
    journal.lines.length = 0;
    await registry.run('Worker.run');

    expect(journal.of('disposed').sort()).toEqual(journal.of('built').sort());
    expect(journal.of('built').sort()).toEqual([
      'A',
      'Branch',
      'Branch',
      'Bubbled',
      // Nest 11.0 builds the transients of a transient once for all its instances.
      ...(process.env['NEST'] === 'nest11-oldest'
        ? ['Leaf', 'MadeLeaf']
        : ['Leaf', 'Leaf', 'MadeLeaf', 'MadeLeaf']),
    ]);
  });

  it('[B18] reaches what a module built that was loaded lazily during the tick', async () => {
    @Module({ providers: [A, B] })
    class LazyModule {}
    const handler = async (tick: Tick, loader: LazyModuleLoader): Promise<void> => {
      const lazy: ModuleRef = await loader.load(() => LazyModule);
      await lazy.resolve(A, tick.scope.contextId);
      await tick.scope.resolve(B);
    };
    const { registry } = await startApp({ providers: [worker([LazyModuleLoader], handler)] });
    const report = await registry.run('Worker.run');

    expect(report.error).toBeUndefined();
    expect(journal.of('disposed')).toEqual(['B', 'A']);
  });
});
