import { AppStopper } from '../../lib/nest/app-stopper.js';
import type { MemoryOptions } from '../../lib/index.js';
import { appsOnFakeClock } from '../support/app.js';
import { advance } from '../support/fake-clock.js';
import { memoryApp, type MemoryApp } from '../support/memory.js';
import { YEARLY } from '../support/probes.js';

const OPTIONS: MemoryOptions = { warnAtMb: 500, stopAtMb: 800, checkEveryMs: 1_000 };

describe('The stop of the memory watch', () => {
  const causes: string[] = [];
  /** In the place of the one that ends the process. */
  const stopper = {
    stop: (cause: string): Promise<void> => {
      causes.push(cause);
      return Promise.resolve();
    },
  };

  appsOnFakeClock();
  beforeEach(() => void (causes.length = 0));

  async function watched(options: MemoryOptions): Promise<MemoryApp> {
    const test = await memoryApp(options, {
      build: (builder) => builder.overrideProvider(AppStopper).useValue(stopper),
    });
    await advance(1);
    return test;
  }

  it('asks for it once, however long memory stays there', async () => {
    const { memory, told, checks } = await watched(OPTIONS);
    memory.rssMb = 600;
    await advance(1_000);
    memory.rssMb = 800;
    await advance(1_000);
    for (const rssMb of [900, 100, 900]) {
      memory.rssMb = rssMb;
      await advance(1_000);
    }
    expect(told).toEqual(['warning warnAtMb', 'stopping stopAtMb']);
    expect(causes).toEqual(['Memory: RSS 800 MiB has reached memory.stopAtMb (800)']);
    expect(checks).toHaveLength(2);
  });

  it('warns on the way when memory leaps over both thresholds', async () => {
    const { memory, told } = await watched(OPTIONS);
    memory.rssMb = 900;
    await advance(1_000);
    expect(told).toEqual(['warning warnAtMb', 'stopping stopAtMb']);
  });

  it('does not come below the threshold', async () => {
    const { memory, told } = await watched({ ...OPTIONS, warnAtMb: 1 } as MemoryOptions);
    memory.rssMb = 799;
    await advance(10_000);
    expect(told).toEqual(['warning warnAtMb']);
    expect(causes).toEqual([]);
  });

  it('comes at a percentage of the heap as well', async () => {
    const { memory } = await watched({ stopAtPercent: 90, checkEveryMs: 1_000 });
    memory.heapMb = 950;
    await advance(1_000);
    expect(causes).toEqual([
      'Memory: heap 950 MiB of 1000 MiB (95.0 %) has reached memory.stopAtPercent (90)',
    ]);
  });

  it('logs as an error who grows', async () => {
    const { memory, log } = await watched(OPTIONS);
    memory.rssMb = 900;
    await advance(1_000);
    expect(log.of('error')).toEqual([
      'Memory: RSS 900 MiB has reached memory.stopAtMb (800). No schedule appears to grow.',
    ]);
  });

  it('lets no further tick begin', async () => {
    const { memory, registry } = await watched(OPTIONS);
    registry.add({ name: 'job', cron: YEARLY, handler: () => undefined });
    expect((await registry.run('job')).outcome).toBe('succeeded');
    memory.rssMb = 900;
    await advance(1_000);
    expect(await registry.run('job')).toMatchObject({ outcome: 'skipped', reason: 'stopping' });
  });

  it('does not come while the application closes', async () => {
    const { app, memory } = await watched(OPTIONS);
    memory.rssMb = 900;
    await app.close();
    await advance(10_000);
    expect(causes).toEqual([]);
  });
});
