import { Scope } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import {
  InvalidScheduleError,
  ScopeValidationError,
  ScopedCron,
  ScopedInterval,
  ScopedWorker,
} from '../../lib/index.js';
import { closeApps, compileApp, startApp } from '../support/app.js';
import { refusal } from '../support/refusal.js';
import { YEARLY } from '../support/probes.js';

describe('The report of start-up', () => {
  afterEach(closeApps);

  describe('when many things are wrong', () => {
    @ScopedWorker()
    class First {
      @ScopedCron('sometimes')
      cron(): void {}

      @ScopedInterval(-1)
      interval(): void {}

      @ScopedCron(YEARLY, { name: 'shared' })
      one(): void {}

      @ScopedCron(YEARLY, { name: 'shared' })
      two(): void {}
    }
    @ScopedWorker({ timeZone: 'Mars' } as object)
    class Second {
      @ScopedCron(YEARLY)
      zone(): void {}
    }
    class Unmarked {
      @ScopedCron(YEARLY)
      unmarked(): void {}
    }
    @ScopedWorker()
    class Single {
      @ScopedCron(YEARLY)
      single(): void {}
    }
    const single = { provide: Single, useFactory: () => new Single() };

    it('[C8] one error names them all', async () => {
      const error = await refusal({
        providers: [First, Second, Unmarked, single],
        options: { overrides: { nobody: { disabled: true } } },
      });
      expect(error).toBeInstanceOf(ScopeValidationError);
      const { findings } = error as ScopeValidationError;
      const subjects = findings.map(({ subject }) => subject);
      expect(subjects.sort()).toEqual([
        'First.cron',
        'First.interval',
        expect.stringMatching(/^First\.(one|two)$/),
        'Second.zone',
        'Single',
        'Unmarked.unmarked',
        'nobody',
      ]);
      for (const { message } of findings) expect(error.message).toContain(message);
      expect(error.message).toMatch(/^7 findings stopped start-up/);
    });

    it('[C8] all that is wrong with one handler is named, not only the first thing', async () => {
      @ScopedWorker()
      class Hopeless {
        @ScopedCron('sometimes', { timeoutMs: -1, overlap: 'queue', zone: 'x' } as object)
        run(): void {}
      }
      const error = await refusal({
        providers: [Hopeless],
        options: { overrides: { 'Hopeless.run': { jitterMs: -1, everyMs: 5 } } },
      });
      expect(error).toBeInstanceOf(InvalidScheduleError);
      const { problems } = error as InvalidScheduleError;
      for (const culprit of [
        'sometimes',
        'timeoutMs',
        'overlap',
        '"zone"',
        'jitterMs',
        'everyMs',
      ]) {
        expect(problems).toContainEqual(expect.stringContaining(culprit));
      }
      for (const problem of problems) expect(problem).toMatch(/^Hopeless\.run: /);
    });

    it('[C8] module options and schedules are named together', async () => {
      const error = await refusal({ providers: [First], options: { drainTimeoutMs: -1 } });
      expect(error.message).toContain('drainTimeoutMs');
      expect(error.message).toContain('First.cron');
    });

    it('[XC6] a second init() of the refused application is refused as well', async () => {
      const { app } = await compileApp({ providers: [First] });
      await expect(app.init()).rejects.toThrow('First.cron');
      await expect(app.init()).rejects.toThrow('First.cron');
    });

    it('[XC6] closing the refused application fails with nothing new', async () => {
      const { app } = await compileApp({ providers: [First] });
      const refused: unknown = await app.init().catch((error: unknown) => error);
      const closed: unknown = await app.close().catch((error: unknown) => error);
      // Nest 12 closes, Nest 11 rejects with the error of init().
      expect([undefined, refused]).toContain(closed);
    });
  });

  describe('when scopeValidation says what stops start-up', () => {
    @ScopedWorker()
    class ReadyMade {
      @ScopedCron(YEARLY)
      tick(): void {}
    }
    const value = { provide: ReadyMade, useValue: new ReadyMade() };
    const single = { provide: ReadyMade, useFactory: () => new ReadyMade() };
    const perTick = { ...single, scope: Scope.REQUEST };

    it('[XC7] a warning stops it under strict only', async () => {
      const strict = await refusal({ providers: [value], options: { scopeValidation: 'strict' } });
      expect(strict.message).toContain('ReadyMade');
      await startApp({ providers: [value], options: { scopeValidation: 'error' } });
    });

    it('[XC7] an error stops it unless the option says to warn', async () => {
      await refusal({ providers: [single] });
      const { log } = await startApp({ providers: [single], options: { scopeValidation: 'warn' } });
      expect(log.of('warn').join()).toContain('ReadyMade');
      await startApp({ providers: [perTick] });
    });

    it.each(['warn', 'off'] as const)(
      '[XC7] a schedule that cannot be read stops it under %s too',
      async (scopeValidation) => {
        @ScopedWorker()
        class Unreadable {
          @ScopedCron('sometimes')
          tick(): void {}
        }
        const error = await refusal({ providers: [Unreadable], options: { scopeValidation } });
        expect(error).toBeInstanceOf(InvalidScheduleError);
      },
    );
  });

  describe('when everything is right', () => {
    @ScopedWorker()
    class Fine {
      @ScopedCron(YEARLY)
      tick(): void {}
    }

    it("[C15] the library's own providers pass the strictest validation without a word", async () => {
      const { log, app } = await startApp({
        providers: [Fine],
        options: { scopeValidation: 'strict' },
      });
      expect(log.of('error')).toEqual([]);
      const own = [...app.get(ModulesContainer).values()].filter(({ name }) =>
        ['ScopedWorkerModule', 'ScopedWorkerCoreModule', 'HostingModule'].includes(name),
      );
      expect(own).toHaveLength(3);
      for (const module of own) {
        for (const wrapper of module.providers.values()) {
          if (typeof wrapper.name !== 'string' || wrapper.name === 'REQUEST') continue;
          expect([wrapper.name, wrapper.isDependencyTreeStatic()]).toEqual([wrapper.name, true]);
        }
      }
      const names = own.flatMap(({ providers }) => [...providers.values()].map(({ name }) => name));
      expect(
        log.of('warn').filter((text) => names.some((name) => text.includes(String(name)))),
      ).toEqual([]);
    });
  });
});
