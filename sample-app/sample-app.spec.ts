import { createTestDatabase, type TestDatabase } from '../test/support/postgres.js';
import { SampleBuild } from '../test/support/sample-app.js';

// The sample application runs on the Nest that it was installed with, whatever the tests run on.
const describeOnce = process.env['NEST'] ? describe.skip : describe;

describeOnce('sample application', () => {
  let build: SampleBuild;
  let database: TestDatabase;

  beforeAll(async () => {
    build = new SampleBuild();
    database = await createTestDatabase();
  });
  afterEach(() => build.killAll());
  afterAll(async () => {
    build.remove();
    await database.drop();
  });

  const connections = async (): Promise<number> => {
    const rows = await database.query<{ count: number }>(
      'SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    return rows[0]!.count;
  };

  it('shows that each tick is new and nothing stays, and answers over HTTP', async () => {
    const sample = build.start({ DATABASE_URL: database.url });
    await sample.says(/report \d+: \d+ readings/);

    const readings = await sample.ask<Record<string, unknown>[]>('GET', 'readings');
    expect(readings.body[0]).toMatchObject({
      loadAverage: expect.any(Number),
      freeMemoryMb: expect.any(Number),
      heapUsedMb: expect.any(Number),
      eventLoopDelayMs: expect.any(Number),
      freeDiskMb: expect.any(Number),
    });
    const reports = await sample.ask<{ readings: number; averageLoad: number }[]>('GET', 'reports');
    expect(reports.body[0]!.readings).toBeGreaterThan(0);
    expect(reports.body[0]!.averageLoad).toEqual(expect.any(Number));
    const ticks = await sample.ask<{ latest: { entityManager: number }[] }>('GET', 'ticks');
    const managers = ticks.body.latest.map(({ entityManager }) => entityManager);
    expect(new Set(managers).size).toBe(managers.length);

    sample.signal('SIGINT');
    sample.signal('SIGINT');
    expect(await sample.ended).toBe(0);
    expect(sample.stderr).toBe('');
    const [, opened, closed, idle, total] = await sample.says(
      /scopes (\d+) opened and (\d+) closed, pool (\d+)\/(\d+) \(0 kept\)/,
    );
    expect(closed).toBe(opened);
    expect(idle).toBe(total);
    expect(await connections()).toBe(0);
  });

  it('runs all stories without HTTP', async () => {
    const sample = build.start({ DATABASE_URL: database.url }, 'worker.js');
    await sample.says(/recording +tick-/);
    await sample.says(/sync +- +scope-/);
    expect(sample.stdout).toMatch(/scheduled, .*recording .*report .*deliver \(active\)/);
    sample.signal('SIGTERM');

    expect(await sample.ended).toBe(0);
    expect(sample.stdout).toContain('(0 kept)');
    expect(sample.stdout).not.toContain('Listening');
  });
});
