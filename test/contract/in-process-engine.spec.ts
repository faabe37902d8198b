import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { inProcessEngine, InvalidOptionsError } from '../../lib/index.js';
import { useFakeClock } from '../support/fake-clock.js';
import { interval, startEngine } from '../support/schedules.js';
import { describeEngineClock } from './engine-clock.contract.js';
import { describeEngineMisfire } from './engine-misfire.contract.js';
import { describeEngine } from './engine.contract.js';

describeEngine('in-process', () => inProcessEngine());
describeEngineClock('in-process', () => inProcessEngine());
describeEngineMisfire('in-process', () => inProcessEngine());
describeEngine('in-process without keeping the process alive', () =>
  inProcessEngine({ unref: true }),
);

describe('in-process engine', () => {
  beforeEach(() => useFakeClock());
  afterEach(() => {
    jest.useRealTimers();
  });

  it('belongs to one application: a second start is refused', async () => {
    const engine = inProcessEngine();
    await startEngine(engine, [interval('a', 1_000)]);
    await expect(startEngine(engine, [])).rejects.toBeInstanceOf(InvalidOptionsError);
    const another = inProcessEngine();
    await expect(startEngine(another, [])).resolves.toBeDefined();
    await engine.stop();
    await another.stop();
  });

  it.each([
    [{ unref: 1 }, 'unref must be true or false, not 1.'],
    [{ unreff: true }, "unreff isn't an option; use unref instead."],
    [null, 'options must be an object such as { unref }, not null.'],
  ])('refuses the options %p', (options, problem) => {
    expect(() => inProcessEngine(options as never)).toThrow(InvalidOptionsError);
    expect(() => inProcessEngine(options as never)).toThrow(`inProcessEngine(): ${problem}`);
  });

  it.each([[{}], [{ unref: undefined }], [{ unref: false }]])('takes the options %p', (options) => {
    expect(inProcessEngine(options as never).name).toBe('in-process');
  });
});
