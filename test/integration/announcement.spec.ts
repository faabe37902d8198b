import { Injectable, Scope } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { afterEach, describe, expect, it } from '@jest/globals';
import { BackgroundWorker, ScopedCron, ScopedWorker } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';

@ScopedWorker()
class Yearly {
  @ScopedCron('0 0 0 1 1 *', { timeZone: 'UTC' })
  run(): void {}
}

@Injectable()
class Loop extends BackgroundWorker {
  async execute(): Promise<void> {}
}

/** What start-up says of what will run. */
async function announced(providers: NonNullable<Parameters<typeof startApp>[0]['providers']>) {
  const { log } = await startApp({ providers });
  return log.of('log').filter((line) => /scheduled|background workers?:|to run/.test(line));
}

describe('The start-up log', () => {
  afterEach(closeApps);

  it('[C18] says that there is nothing to run when no worker is provided, or none has a schedule', async () => {
    @ScopedWorker()
    class Undecorated {
      run(): void {}
    }
    for (const providers of [[], [Undecorated]])
      expect(await announced(providers)).toEqual([
        'ScopedWorkerModule has nothing to run: no module provides a background worker, or a worker with a schedule. Mark a method of a worker with @ScopedCron(), for example.',
      ]);
  });

  it('[I15] names each schedule with its next run', async () => {
    expect(await announced([Yearly])).toEqual([
      expect.stringMatching(/^1 scheduled, .*: Yearly\.run \(\d{4}-01-01T00:00:00\.000Z\)$/),
    ]);
  });

  it('[F6] says of a cron that has no next run that it is never due', async () => {
    @ScopedWorker()
    class Never {
      @ScopedCron('0 0 0 30 2 *', { timeZone: 'UTC' })
      run(): void {}

      @ScopedCron('-')
      off(): void {}
    }
    expect(await announced([Never])).toEqual([
      '2 scheduled, with the next run: Never.run (never due), Never.off (disabled)',
    ]);
  });

  it('says of an adopted job whose date has passed that it is never due', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Launch {
      @Cron(new Date('2020-01-01T00:00:00Z'))
      run(): void {}
    }
    const { log } = await startApp({
      providers: [Launch],
      options: { adoptNestSchedules: true },
    });
    expect(log.of('log')).toContain('1 scheduled, with the next run: Launch.run (never due)');
    expect(log.of('warn')).toContain('Launch.run: its date has passed, so it is never due.');
  });

  it.each([
    [{ drainTimeoutMs: 30_000 }, true],
    [{ drainTimeoutMs: 29_999 }, false],
    [{ drainTimeoutMs: 0, shutdownTimeoutMs: 0 }, false],
  ])(
    '[D35] warns that the shutdown would abort no tick in time: %j %p',
    async (options, isTold) => {
      const { log } = await startApp({ providers: [Yearly], options });
      expect(log.of('warn').some((line) => line.includes('is not below shutdownTimeoutMs'))).toBe(
        isTold,
      );
    },
  );

  it('[D1] names background workers, beside schedules and alone', async () => {
    expect(await announced([Loop])).toEqual(['1 background worker: Loop']);
    expect(await announced([Loop, Yearly])).toHaveLength(2);
  });
});
