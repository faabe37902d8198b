import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { SampleBuild, type Sample } from '../../test/support/sample-app.js';

const describeOnce = process.env['NEST'] ? describe.skip : describe;

describeOnce('sample application, its background worker', () => {
  let build: SampleBuild;
  let database: TestDatabase;
  let sample: Sample;

  beforeAll(async () => {
    build = new SampleBuild();
    database = await createTestDatabase();
  });
  beforeEach(() => {
    sample = build.start({ DATABASE_URL: database.url });
  });
  afterEach(() => build.killAll());
  afterAll(async () => {
    build.remove();
    await database.drop();
  });

  it('runs each iteration in its own scope, at the period that is set', async () => {
    await sample.says(/sync .* cores/);
    await sample.ask('PUT', 'sync/period?ms=3600000');
    const quick = await sample.ask<{ periodMs: number }>('PUT', 'sync/period?ms=50');
    expect(quick).toMatchObject({ status: 200, body: { periodMs: 50 } });
    await sample.saysOften(3, /sync .* cores/);

    const rows = [...sample.stdout.matchAll(/sync +- +(scope-\S+) +(#\d+) /g)];
    expect(new Set(rows.map(([, scope]) => scope)).size).toBe(rows.length);
    expect(new Set(rows.map(([, , manager]) => manager)).size).toBe(rows.length);
    const { body } = await sample.ask<{ iterations: number; cores: unknown[] }>('GET', 'sync');
    expect(body.iterations).toBeGreaterThan(2);
    expect(body.cores.length).toBeGreaterThan(0);
  });

  it('restarts after a failure, later each time', async () => {
    await sample.says(/sync .* cores/);
    await sample.ask('POST', 'sync/fail?times=2');
    await sample.ask('PUT', 'sync/period?ms=50');
    await sample.complains(
      /execute failed \(restart in 1000 ms\): This iteration failed on request/,
    );
    await sample.complains(/execute failed \(restart in 2000 ms\)/);
    await sample.saysOften(2, /sync .* cores/);
    expect(sample.stdout.match(/sync .* fails on request/g)).toHaveLength(2);
  });

  it('stops while it waits for its restart', async () => {
    await sample.says(/sync .* cores/);
    await sample.ask('POST', 'sync/fail?times=9');
    await sample.ask('PUT', 'sync/period?ms=50');
    await sample.complains(/restart in 2000 ms/);
    sample.signal('SIGINT');

    expect(await sample.ended).toBe(0);
    expect(sample.stdout).toContain('(0 kept)');
    expect(sample.stderr).not.toMatch(/restart in 4000 ms/);
  });

  it('refuses invalid input, and continues', async () => {
    expect(await sample.ask('PUT', 'sync/period?ms=0')).toMatchObject({
      status: 400,
      body: { message: expect.stringMatching(/^PeriodicTimer: periodMs must be .*, not 0\.$/) },
    });
    expect(await sample.ask('POST', 'sync/fail?times=0')).toMatchObject({
      status: 400,
      body: { message: 'times must be a whole number from 1 to 99, not "0".' },
    });
    const { body } = await sample.ask<{ periodMs: number }>('GET', 'sync');
    expect(body.periodMs).toBe(5_000);
  });
});
