import { afterEach, describe, expect, it } from '@jest/globals';
import type { LeakDetectionOptions } from '../../lib/index.js';
import { closeApps, compileApp } from '../support/app.js';

describe('The option leakDetection', () => {
  afterEach(closeApps);

  const starting = async (leakDetection: unknown): Promise<unknown> => {
    const { app } = await compileApp({
      options: { leakDetection: leakDetection as LeakDetectionOptions },
    });
    return app.init();
  };

  it.each([
    [true, 'leakDetection must be an object of sample, graceMs, strict, not true.'],
    [[], 'leakDetection must be an object of sample, graceMs, strict, not an array.'],
    [{ sample: 0 }, 'leakDetection.sample must be a number greater than 0 and at most 1, not 0.'],
    [{ sample: 2 }, 'leakDetection.sample must be a number greater than 0 and at most 1, not 2.'],
    [
      { sample: NaN },
      'leakDetection.sample must be a number greater than 0 and at most 1, not NaN.',
    ],
    [
      { graceMs: -1 },
      'leakDetection.graceMs must be a number of milliseconds from 0 to 2147483647 (24.8 days), not -1.',
    ],
    [{ strict: 'yes' }, 'leakDetection.strict must be true or false, not "yes".'],
    [{ grace: 1 }, "leakDetection.grace isn't an option; the options are sample, graceMs, strict."],
  ])('is refused as %j', async (leakDetection, problem) => {
    await expect(starting(leakDetection)).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      problems: [`ScopedWorkerModule: ${problem}`],
    });
  });

  it.each([[undefined], [{}], [{ sample: 0.01, graceMs: 0, strict: true }], [{ sample: 1 }]])(
    'is accepted as %j',
    async (leakDetection) => {
      await expect(starting(leakDetection)).resolves.toBeDefined();
    },
  );
});
