import { describe, expect, it } from '@jest/globals';
import { ScopedCron, ScopedWorker, type TickReport } from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { RequestScoped, worker } from '../support/probes.js';

appsOnFakeClock();

describe('failing tick', () => {
  it('[D16] is logged once each, with schedule and tick id, and 100 in a row do not stop the schedule', async () => {
    let runs = 0;
    @ScopedWorker()
    class Importer {
      @ScopedCron('* * * * * *')
      import(): void {
        runs += 1;
        if (runs <= 100) throw new Error(`file ${runs} is broken`);
      }
    }
    const { events, log, registry } = await startApp({ providers: [Importer] });
    const reports: TickReport[] = [];
    events.on('tick:finished', (report) => reports.push(report));
    await advance(101_000);
    expect(reports.map(({ outcome }) => outcome)).toEqual([
      ...Array.from({ length: 100 }, () => 'failed'),
      'succeeded',
    ]);
    expect(registry.get('Importer.import').state).toBe('active');
    const lines = log.of('error');
    expect(lines).toHaveLength(100);
    for (const [index, line] of lines.entries()) {
      expect(line).toContain('Importer.import');
      expect(line).toContain(reports[index]!.tickId);
      expect(line).toContain(`file ${index + 1} is broken`);
    }
  });

  it('[D16] goes on though its construction fails', async () => {
    let builds = 0;
    @RequestScoped()
    class Database {
      constructor() {
        builds += 1;
        if (builds <= 3) throw new Error('database is down');
      }
    }
    let ran = 0;
    @ScopedWorker()
    class Importer {
      constructor(readonly database: Database) {}

      @ScopedCron('* * * * * *')
      import(): void {
        ran += 1;
      }
    }
    const { log } = await startApp({ providers: [Importer, Database] });
    await advance(5_000);
    expect(ran).toBe(2);
    expect(log.of('error')).toHaveLength(3);
  });

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'text'],
    ['an object without a prototype', Object.create(null) as unknown],
    ['a frozen error', Object.freeze(new Error('frozen'))],
    [
      'an error whose message throws',
      Object.defineProperty(new Error('x'), 'message', {
        get: () => {
          throw new Error('no message');
        },
      }),
    ],
  ])('[D16] is reported as it was thrown, and the next tick runs: %s', async (_, thrown) => {
    let runs = 0;
    const handler = (): void => {
      runs += 1;
      throw thrown;
    };
    const { registry } = await startApp({ providers: [worker([], handler)] });
    const report = await registry.run('Worker.run');
    expect(report.outcome).toBe('failed');
    expect(report.error).toBe(thrown);
    await registry.run('Worker.run');
    expect(runs).toBe(2);
  });

  /** Two workers that are due together; the first one that runs fails. */
  async function dueTogether(fail: () => unknown) {
    const ran: string[] = [];
    const due: string[] = [];
    @ScopedWorker()
    class Alpha {
      @ScopedCron('* * * * * *')
      run(): unknown {
        ran.push('alpha');
        return ran.length % 2 === 1 ? fail() : undefined;
      }
    }
    @ScopedWorker()
    class Beta {
      @ScopedCron('* * * * * *')
      run(): unknown {
        ran.push('beta');
        return ran.length % 2 === 1 ? fail() : undefined;
      }
    }
    const test = await startApp({ providers: [Alpha, Beta] });
    test.events.on('tick:finished', ({ scheduledAt }) => due.push(scheduledAt.toISOString()));
    return { ...test, ran, due };
  }

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('alpha or beta');
      },
    ],
    ['rejects', () => Promise.reject(new Error('alpha or beta'))],
  ])('[D40] does not skip another worker that is due with it: the first %s', async (_, fail) => {
    const { ran, due } = await dueTogether(fail);
    await advance(1_000);
    expect([...ran].sort()).toEqual(['alpha', 'beta']);
    expect(new Set(due).size).toBe(1);
  });

  it('[D18] leaves other workers alone', async () => {
    let good = 0;
    let last: TickReport | undefined;
    @ScopedWorker()
    class Bad {
      @ScopedCron('* * * * * *')
      run(): never {
        throw new Error('always');
      }
    }
    @ScopedWorker()
    class Good {
      @ScopedCron('* * * * * *')
      run(): void {
        good += 1;
      }
    }
    const { events } = await startApp({ providers: [Bad, Good] });
    events.on('tick:finished', (report) => {
      if (report.schedule === 'Good.run') last = report;
    });
    await advance(20_000);
    expect(good).toBe(20);
    expect(last).toMatchObject({ outcome: 'succeeded' });
  });

  it('[D18] leaves other workers alone when it hangs', async () => {
    const held = gate();
    let good = 0;
    @ScopedWorker()
    class Bad {
      @ScopedCron('* * * * * *')
      run(): Promise<void> {
        return held.opened;
      }
    }
    @ScopedWorker()
    class Good {
      @ScopedCron('* * * * * *')
      run(): void {
        good += 1;
      }
    }
    await startApp({ providers: [Bad, Good] });
    await advance(5_000);
    expect(good).toBe(5);
    held.open();
  });
});
