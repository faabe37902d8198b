import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Provider } from '@nestjs/common';
import { ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { turn } from '../support/gate.js';
import { OnDemand, probes, RequestScoped, worker } from '../support/probes.js';

describe('A tick whose construction fails', () => {
  const { journal, Probe } = probes();

  @RequestScoped()
  class First extends Probe {}
  @RequestScoped()
  class Last extends Probe {
    constructor(readonly first: First) {
      super();
    }
  }

  beforeEach(() => void (journal.lines.length = 0));
  afterEach(closeApps);

  async function run(
    inject: Parameters<typeof worker>[0],
    providers: Provider[],
    handler?: (tick: Tick) => unknown,
  ) {
    const test = await startApp({
      providers: [worker(inject, handler), First, Last, ...providers],
    });
    return { ...test, report: await test.registry.run('Worker.run') };
  }

  const broken = (isBroken: () => boolean, error: Error): Provider => ({
    provide: 'DATABASE',
    inject: [Last],
    useFactory: async () => {
      await turn();
      if (isBroken()) throw error;
      return {};
    },
  });

  it('[B26] is failed with the error itself after what was built is disposed', async () => {
    const error = new Error('database down');
    const { report } = await run(['DATABASE'], [broken(() => true, error)], () =>
      journal.note('called handler'),
    );

    expect(report).toMatchObject({ outcome: 'failed', phase: 'resolve', built: 2, disposed: 2 });
    expect(report.error).toBe(error);
    expect(journal.lines).toEqual(['built First', 'built Last', 'disposed Last', 'disposed First']);
  });

  it('[B26] fails alike when the constructor of the worker throws', async () => {
    @ScopedWorker()
    class Broken {
      constructor(readonly last: Last) {
        throw new Error('no worker');
      }
      @OnDemand()
      run(): void {
        journal.note('called handler');
      }
    }
    const { registry } = await startApp({ providers: [Broken, First, Last] });
    const report = await registry.run('Broken.run');

    expect(report).toMatchObject({ outcome: 'failed', phase: 'resolve' });
    expect(journal.lines.slice(2)).toEqual(['disposed Last', 'disposed First']);
  });

  it('[B26] fails alike when an onScopeInit fails, whose instance is disposed too', async () => {
    @RequestScoped()
    class Unprepared extends Probe {
      async onScopeInit(): Promise<void> {
        throw new Error('cannot prepare');
      }
    }
    const { report } = await run([Last, Unprepared], [Unprepared]);

    expect(report).toMatchObject({ outcome: 'failed', phase: 'resolve' });
    expect(report.error).toEqual(new Error('cannot prepare'));
    expect(journal.of('disposed').sort()).toEqual(['First', 'Last', 'Unprepared']);
  });

  it('[B33] is followed by another attempt on the next tick', async () => {
    let isBroken = true;
    const { registry, report } = await run(
      ['DATABASE'],
      [broken(() => isBroken, new Error('database down'))],
    );
    const again = await registry.run('Worker.run');
    isBroken = false;
    const last = await registry.run('Worker.run');

    expect([report, again, last].map(({ outcome }) => outcome)).toEqual([
      'failed',
      'failed',
      'succeeded',
    ]);
    expect(journal.of('disposed')).toHaveLength(6);
  });
});
