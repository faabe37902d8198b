import { Controller, Module } from '@nestjs/common';
import {
  DuplicateScheduleError,
  ScopeValidationError,
  ScopedCron,
  ScopedInterval,
  ScopedWorker,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { refusal } from '../support/refusal.js';
import { YEARLY } from '../support/probes.js';

/** A worker with the schedule `Job.run`. */
function job(): new () => object {
  @ScopedWorker()
  class Job {
    @ScopedCron(YEARLY)
    run(): void {}
  }
  return Job;
}

describe('Decorators and names', () => {
  afterEach(closeApps);

  describe('when a decorator is in the wrong place', () => {
    it('[XC5] refuses it on a static method, and starts it on an instance method', async () => {
      @ScopedWorker()
      class Misplaced {
        @ScopedCron(YEARLY)
        static run(): void {}
      }
      const error = await refusal({ providers: [Misplaced] });
      expect(error.message).toMatch(/^Misplaced\.run: @ScopedCron .*static.*instance method/);
      await startApp({ providers: [job()] });
    });

    it('[XC5] refuses it on a getter, without calling it', async () => {
      @ScopedWorker()
      class WithGetter {
        @ScopedCron(YEARLY)
        get run(): () => void {
          throw new Error('The getter was called.');
        }
      }
      const error = await refusal({ providers: [WithGetter] });
      expect(error.message).toMatch(/^WithGetter\.run: .*method/);
    });

    it('[XC5] refuses it in a class that is not a worker, and starts it in one that is', async () => {
      class Plain {
        @ScopedInterval(1_000)
        run(): void {}
      }
      const error = await refusal({ providers: [Plain] });
      expect(error.message).toMatch(/^Plain\.run: @ScopedInterval .*@ScopedWorker\(\)/);
      ScopedWorker()(Plain);
      await startApp({ providers: [Plain] });
    });

    it('[XC5] refuses it in a controller that is not a worker', async () => {
      @Controller()
      class PlainController {
        @ScopedCron(YEARLY)
        run(): void {}
      }
      const error = await refusal({ controllers: [PlainController] });
      expect(error.message).toMatch(/^PlainController\.run: .*@ScopedWorker\(\)/);
    });

    it('[XC5] refuses it in a module class, which is a singleton', async () => {
      @Module({})
      class PlainModule {
        @ScopedCron(YEARLY)
        run(): void {}
      }
      const error = await refusal({ imports: [PlainModule] });
      expect(error.message).toMatch(/^PlainModule\.run: /);
    });
  });

  describe('when two schedules carry one name', () => {
    @ScopedWorker()
    class Early {
      @ScopedCron(YEARLY, { name: 'nightly' })
      run(): void {}
    }
    @ScopedWorker()
    class Late {
      @ScopedInterval(9_999, { name: 'nightly' })
      run(): void {}
    }

    it('[XC10] refuses them, naming both, and starts each alone', async () => {
      const error = await refusal({ providers: [Early, Late] });
      expect(error).toBeInstanceOf(DuplicateScheduleError);
      expect(error.message).toMatch(/Late\.run: .*"nightly".*Early\.run.*Rename one/);
      await startApp({ providers: [Early] });
      await startApp({ providers: [Late] });
    });

    it('[XC10] refuses a given name that is the default name of another', async () => {
      @ScopedWorker()
      class Borrower {
        @ScopedCron(YEARLY, { name: 'Owner.run' })
        run(): void {}
      }
      @ScopedWorker()
      class Owner {
        @ScopedCron(YEARLY)
        run(): void {}
      }
      const error = await refusal({ providers: [Borrower, Owner] });
      expect(error.message).toMatch(/Owner\.run.*"Owner\.run".*Borrower\.run/);
    });

    it('[XC10] refuses two classes of one name', async () => {
      const providers = [job(), job()];
      const error = await refusal({ providers });
      expect(error).toBeInstanceOf(DuplicateScheduleError);
    });

    it('[XC10] names the clash also when one of the two is wrong in another way', async () => {
      @ScopedWorker()
      class Wrong {
        @ScopedCron('never', { name: 'nightly' })
        run(): void {}
      }
      const error = await refusal({ providers: [Early, Wrong] });
      expect(error).toBeInstanceOf(ScopeValidationError);
      expect(error.message).toMatch(/Wrong\.run: the cron expression/);
      expect(error.message).toMatch(/Wrong\.run: .*"nightly".*Early\.run/);
    });
  });
});
