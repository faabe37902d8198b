import { afterEach, describe, expect, it } from '@jest/globals';
import { ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import type { HandlerOptions } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate } from '../support/gate.js';
import { YEARLY } from '../support/probes.js';
import { turns } from '../support/running-tick.js';

afterEach(closeApps);

type Work = (stop: (schedule: string) => Promise<void>) => Promise<unknown>;

/** The schedules `x`, `y` and `z`, whose ticks call what `run()` receives; `ended` names what has ended, in its order. */
async function start(rule: HandlerOptions = { overlap: 'buffer-one', maxConcurrency: 3 }) {
  const test = await startApp({ imports: [ScheduleModule.forRoot()] });
  const jobs = test.app.get(SchedulerRegistry, { strict: false });
  const ended: string[] = [];
  const stop = async (schedule: string): Promise<void> => jobs.getCronJob(schedule).stop();
  const note = (name: string, work: Promise<unknown>) => work.then(() => ended.push(name));
  for (const name of ['x', 'y', 'z'])
    test.registry.add({
      ...rule,
      name,
      cron: YEARLY,
      handler: ({ payload }: { payload: readonly [name: string, work: Work] }) =>
        note(payload[0], payload[1](stop)),
    });
  const run = (schedule: string, name: string, work: Work) =>
    test.registry.run(schedule, { payload: [name, work] });
  return { ...test, ended, run, stop, note };
}

describe('stop() of a CronJob of SchedulerRegistry, which waits for running ticks', () => {
  it('in several ticks of one schedule, each waits for those only that do not wait for it', async () => {
    const { run, ended, registry } = await start();
    const [first, second, third] = [gate(), gate(), gate()];
    const stopping = (held: { opened: Promise<void> }): Work => {
      return async (stop) => {
        await held.opened;
        await stop('x');
      };
    };
    const reports = [
      run('x', 'first', stopping(first)),
      run('x', 'second', stopping(second)),
      run('x', 'third', stopping(third)),
    ];
    await turns();
    first.open();
    await turns();
    second.open();
    await turns();
    expect(ended).toEqual([]);
    third.open();
    expect((await Promise.all(reports)).map(({ outcome }) => outcome)).toEqual(
      Array(3).fill('succeeded'),
    );
    expect(ended).toEqual(['third', 'second', 'first']);
    expect(registry.get('x').state).toBe('paused');
  });

  it('in a tick, waits for another tick that does not stop it', async () => {
    const { run, ended } = await start();
    const held = gate();
    const other = run('x', 'other', () => held.opened);
    const stopping = run('x', 'stopping', (stop) => stop('x'));
    await turns();
    expect(ended).toEqual([]);
    held.open();
    await Promise.all([other, stopping]);
    expect(ended).toEqual(['other', 'stopping']);
  });

  it('in ticks of schedules that stop each other in a circle, ends in all', async () => {
    const { run, ended } = await start();
    const begun = gate();
    const stopping = (other: string): Work => {
      return async (stop) => {
        await begun.opened;
        await stop(other);
      };
    };
    const reports = [
      run('x', 'x', stopping('y')),
      run('y', 'y', stopping('z')),
      run('z', 'z', stopping('x')),
    ];
    await turns();
    begun.open();
    await Promise.all(reports);
    expect(ended).toEqual(['z', 'y', 'x']);
  });

  it('in a tick of another schedule, waits for a tick that waits for a third one', async () => {
    const { run, ended } = await start();
    const held = gate();
    const third = run('z', 'z', () => held.opened);
    const second = run('y', 'y', (stop) => stop('z'));
    await turns();
    const first = run('x', 'x', (stop) => stop('y'));
    await turns();
    expect(ended).toEqual([]);
    held.open();
    await Promise.all([first, second, third]);
    expect(ended).toEqual(['z', 'y', 'x']);
  });

  it('outside of ticks, waits for all, also for those that stop it themselves', async () => {
    const { run, ended, stop, note } = await start();
    const held = gate();
    const reports = [
      run('x', 'first', (inside) => held.opened.then(() => inside('x'))),
      run('x', 'second', (inside) => held.opened.then(() => inside('x'))),
    ];
    await turns();
    const outside = note('outside', stop('x'));
    await turns();
    expect(ended).toEqual([]);
    held.open();
    await Promise.all([...reports, outside]);
    expect(ended).toEqual(['second', 'first', 'outside']);
  });

  it('in the ticks of one list, does not make them wait for each other', async () => {
    const begun = gate();
    const work: Work = (stop) => begun.opened.then(() => stop('x'));
    const { registry, ended } = await start({
      maxConcurrency: 2,
      forEach: {
        useFactory: () => [
          ['a', work],
          ['b', work],
        ],
      },
    });
    const report = registry.run('x');
    await turns();
    begun.open();
    expect((await report).outcome).toBe('succeeded');
    expect(ended).toHaveLength(2);
  });
});
