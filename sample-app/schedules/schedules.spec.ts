import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { SampleBuild, type Sample } from '../../test/support/sample-app.js';

const describeOnce = process.env['NEST'] ? describe.skip : describe;

describeOnce('sample application, its schedules by hand', () => {
  let build: SampleBuild;
  let database: TestDatabase;
  let sample: Sample;

  beforeAll(async () => {
    build = new SampleBuild();
    database = await createTestDatabase();
    sample = build.start({ DATABASE_URL: database.url });
  });
  afterAll(async () => {
    await build.killAll();
    build.remove();
    await database.drop();
  });

  const names = async (): Promise<string[]> => {
    const { body } = await sample.ask<{ name: string }[]>('GET', 'schedules');
    return body.map(({ name }) => name);
  };
  /** How late the ticks of a schedule were, in seconds. */
  const lateness = (name: string): number[] =>
    [...sample.stdout.matchAll(new RegExp(`${name} +tick-.*, (\\S+) s late`, 'g'))].map(
      ([, late]) => Number(late),
    );

  it('pauses, runs by hand, and resumes', async () => {
    expect(await names()).toEqual(['recording', 'report', 'deliver']);
    const paused = await sample.ask<object>('POST', 'schedules/report/pause');
    expect(paused).toMatchObject({ status: 200, body: { name: 'report', state: 'paused' } });
    expect(paused.body).not.toHaveProperty('nextRun');

    expect(await sample.ask('POST', 'schedules/report/run')).toMatchObject({
      status: 200,
      body: { outcome: 'succeeded', attempts: 1, built: 4 },
    });
    expect(await sample.ask('POST', 'schedules/report/resume')).toMatchObject({
      status: 200,
      body: { state: 'active', nextRun: expect.any(String), lastReport: { outcome: 'succeeded' } },
    });
    await sample.says(/Schedule report: paused[^]*Schedule report: resumed/);
  });

  it('changes the timing', async () => {
    expect(await sample.ask('PUT', 'schedules/report?cron=*/2+*+*+*+*+*')).toMatchObject({
      status: 200,
      body: { kind: 'cron', expression: '*/2 * * * * *' },
    });
    const asked = Date.now();
    const quick = await sample.ask<{ nextRun: string }>('PUT', 'schedules/report?everyMs=100');
    expect(quick).toMatchObject({ status: 200, body: { kind: 'interval', everyMs: 100 } });
    expect(Date.parse(quick.body.nextRun)).toBeLessThanOrEqual(Date.now() + 100);
    expect(Date.parse(quick.body.nextRun)).toBeGreaterThanOrEqual(asked + 100);
    await sample.saysOften(3, /report +tick-.*/);
  });

  it('adds schedules that differ in what they do about missed slots, and removes them', async () => {
    for (const misfire of ['all', 'once', 'skip']) {
      const path = `schedules?name=${misfire}&everyMs=200&misfire=${misfire}`;
      expect((await sample.ask('POST', path)).status).toBe(201);
    }
    await sample.says(/skip +tick-/);
    expect((await sample.ask('POST', 'event-loop/block?ms=3000')).status).toBe(200);
    await sample.says(/all +tick-.*, 2\.\d s late/);
    await sample.saysOften(10, /skip +tick-/);

    const muchLate = (name: string): number => lateness(name).filter((late) => late > 1).length;
    expect(muchLate('all')).toBeGreaterThan(5);
    expect(muchLate('skip')).toBe(0);
    for (const name of ['all', 'once', 'skip'])
      expect((await sample.ask('DELETE', `schedules/${name}`)).status).toBe(204);
    expect(await names()).toEqual(['recording', 'report', 'deliver']);
  });

  it("refuses with the library's own sentence", async () => {
    const refusal = async (
      method: 'POST' | 'PUT' | 'DELETE',
      path: string,
    ): Promise<[number, string]> => {
      const { status, body } = await sample.ask<{ message: string }>(method, path);
      return [status, body.message];
    };

    const unknown = [
      404,
      'No schedule is named "nightly". Use one of these names: recording, report, deliver.',
    ];
    for (const action of ['pause', 'resume', 'run'])
      expect(await refusal('POST', `schedules/nightly/${action}`)).toEqual(unknown);
    expect(await refusal('PUT', 'schedules/nightly?everyMs=1000')).toEqual(unknown);
    expect(await refusal('DELETE', 'schedules/nightly')).toEqual(unknown);

    expect(await refusal('PUT', 'schedules/report')).toEqual([
      400,
      'registry.reschedule("report"): needs either cron (an expression) or everyMs (a period).',
    ]);
    expect(await refusal('PUT', 'schedules/report?everyMs=soon')).toEqual([
      400,
      expect.stringMatching(
        /^registry\.reschedule\("report"\): the period must be .*not "soon"\.$/,
      ),
    ]);
    expect(await refusal('POST', 'schedules?name=report&everyMs=1000')).toEqual([
      409,
      expect.stringMatching(/^registry\.add\("report"\): the name is taken/),
    ]);
    expect(await refusal('POST', 'schedules/deliver/run')).toEqual([
      400,
      '"deliver" runs for messages. POST /orders sends it one.',
    ]);
  });
});
