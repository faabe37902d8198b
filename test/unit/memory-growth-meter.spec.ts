import { jest } from '@jest/globals';
import { GrowthMeter } from '../../lib/memory/growth-meter.js';
import { MIB } from '../../lib/memory/process-memory.js';
import { useFakeClock } from '../support/fake-clock.js';
import { FakeMemory } from '../support/memory.js';

describe('The meter of growth', () => {
  let memory: FakeMemory;
  let meter: GrowthMeter;
  let ids = 0;
  /** How long a reading takes. */
  let floorMs = 0;

  beforeEach(() => {
    useFakeClock();
    floorMs = 0;
    memory = new FakeMemory();
    const floorBytes = memory.floorBytes.bind(memory);
    memory.floorBytes = () => {
      jest.advanceTimersByTime(floorMs);
      return floorBytes();
    };
    meter = new GrowthMeter(memory);
  });
  afterEach(() => void jest.useRealTimers());

  function start(schedule: string): string {
    const id = `tick-${(ids += 1)}`;
    meter.started(schedule, id);
    return id;
  }
  function end(id: string, leavesBytes = 0): void {
    memory.leftBytes += leavesBytes;
    if (meter.ended(id)) meter.finish(id);
  }
  function run(schedule: string, times = 1, leavesBytes = 0): void {
    for (let time = 0; time < times; time += 1) end(start(schedule), leavesBytes);
  }
  const named = (): string[] => meter.growing().map(({ schedule }) => schedule);

  it('names the schedule that grows, with what a tick leaves', () => {
    for (let round = 0; round < 5; round += 1) {
      run('grower', 1, MIB);
      run('other', 1, 0);
    }
    expect(meter.growing()).toEqual([
      { schedule: 'grower', ticks: 5, measuredTicks: 4, bytesPerTick: MIB, bytes: 5 * MIB },
    ]);
  });

  it('does not measure the first tick of a schedule', () => {
    run('a', 1, 100 * MIB);
    expect(memory.floors).toBe(0);
    run('a', 4, 0);
    expect(named()).toEqual([]);
  });

  describe('when readings take time', () => {
    it('measures the first ten without delay, then takes 1 % of the time at most', () => {
      floorMs = 1;
      run('a', 100);
      expect(memory.floors).toBe(2 * 10);
      jest.advanceTimersByTime(199);
      run('a');
      expect(memory.floors).toBe(2 * 10);
      jest.advanceTimersByTime(1);
      run('a', 100);
      expect(memory.floors).toBe(2 * 11);
    });

    it('shares that time among the schedules', () => {
      floorMs = 1;
      run('a', 20);
      run('b', 20);
      expect(memory.floors).toBe(2 * 20);
      jest.advanceTimersByTime(400);
      run('a', 10);
      run('b', 10);
      expect(memory.floors).toBe(2 * 22);
    });
  });

  it('measures one tick of a schedule at a time', () => {
    run('a');
    const ids = [start('a'), start('a'), start('a')];
    expect(memory.floors).toBe(1);
    for (const id of ids) end(id);
    expect(memory.floors).toBe(2);
  });

  describe('when ticks of other schedules run beside', () => {
    it('does not begin to measure', () => {
      run('a');
      const other = start('other');
      run('a', 3, MIB);
      end(other);
      expect(memory.floors).toBe(0);
    });

    it('drops what it has measured', () => {
      run('a');
      for (let round = 0; round < 3; round += 1) {
        const tick = start('a');
        const other = start('other');
        end(other, 10 * MIB);
        end(tick);
      }
      expect(named()).toEqual([]);
    });

    it('measures all the same after ten ticks in a row', () => {
      run('a');
      const other = start('other');
      run('a', 10, MIB);
      expect(memory.floors).toBe(0);
      run('a', 5, MIB);
      end(other);
      expect(named()).toEqual(['a']);
    });
  });

  it('measures a tick alone that another one follows at once', () => {
    run('a');
    run('b');
    for (let round = 0; round < 4; round += 1) {
      const first = start('a');
      memory.leftBytes += MIB;
      expect(meter.ended(first)).toBe(true);
      const second = start('b');
      expect(meter.ended(second)).toBe(true);
      meter.finish(first);
      meter.finish(second);
    }
    expect(meter.growing()).toMatchObject([{ schedule: 'a', bytesPerTick: MIB }]);
  });

  describe('when V8 makes a full collection', () => {
    it('drops the tick that was measured meanwhile', () => {
      run('a', 3);
      const tick = start('a');
      memory.isCollected = true;
      end(tick, 100 * MIB);
      run('a', 1);
      expect(named()).toEqual([]);
    });

    it('names nobody while what ticks leave is replaced, not added, in a heap too large to confirm it', () => {
      memory.canCollectAll = false;
      run('cache', 6, MIB);
      expect(named()).toEqual(['cache']);
      for (let round = 0; round < 2; round += 1) {
        memory.leftBytes = 0;
        memory.isCollected = true;
        meter.look();
        run('cache', 6, MIB);
      }
      expect(named()).toEqual([]);
    });
  });

  describe('when a schedule seems to grow', () => {
    /** Each tick leaves a MiB and drops the one before. */
    function replace(schedule: string, times = 1): void {
      for (let time = 0; time < times; time += 1) {
        const tick = start(schedule);
        memory.replacedBytes += MIB;
        end(tick, MIB);
      }
    }

    it('does not name one that replaces what it has left before', () => {
      replace('cache', 5);
      expect(named()).toEqual(['cache']); // not confirmed yet
      replace('cache', 7);
      expect(named()).toEqual([]);
    });

    it('names the one that grows beside one that replaces as much, with the whole of what it keeps', () => {
      for (let round = 0; round < 12; round += 1) {
        replace('cache');
        run('grower', 1, MIB);
      }
      expect(meter.growing()).toEqual([
        { schedule: 'grower', ticks: 12, measuredTicks: 4, bytesPerTick: MIB, bytes: 12 * MIB },
      ]);
    });

    it('asks again when its ticks have doubled: a cache is full one day', () => {
      run('cache', 12, MIB);
      expect(named()).toEqual(['cache']);
      const collections = memory.fullCollections;
      replace('cache', 11);
      expect(memory.fullCollections).toBe(collections);
      replace('cache', 8);
      expect(memory.fullCollections).toBe(collections + 14);
      expect(named()).toEqual([]);
    });

    it('leaves one unnamed that was found to replace, also while it is asked again', () => {
      replace('cache', 12);
      expect(named()).toEqual([]);
      for (let tick = 0; tick < 30; tick += 1) {
        replace('cache');
        expect(named()).toEqual([]);
      }
      expect(memory.fullCollections).toBe(28); // seven ticks at first, and seven when there were 24
    });

    it('takes 1 % of the time at most for full collections, too', () => {
      run('grower', 5, MIB);
      const liveBytes = memory.liveBytes.bind(memory);
      memory.liveBytes = () => {
        jest.advanceTimersByTime(10);
        return liveBytes();
      };
      run('grower', 20, MIB);
      expect(memory.fullCollections).toBe(2);
      jest.advanceTimersByTime(2_000);
      run('grower', 20, MIB);
      expect(memory.fullCollections).toBe(4);
    });

    it('does not count what a tick of another schedule keeps meanwhile', () => {
      run('grower', 5, MIB);
      run('other');
      const tick = start('grower');
      run('other', 1, 100 * MIB);
      end(tick, MIB);
      run('grower', 3, MIB);
      expect(meter.growing()).toMatchObject([{ schedule: 'grower', bytesPerTick: MIB }]);
    });

    it('stays with the estimate where a full collection would take too long', () => {
      memory.canCollectAll = false;
      run('grower', 20, MIB);
      expect(meter.growing()).toMatchObject([{ schedule: 'grower', bytesPerTick: MIB }]);
    });
  });

  it('forgets a schedule', () => {
    run('a', 5, MIB);
    const tick = start('a');
    meter.forget('a');
    expect(memory.watches).toBe(0);
    end(tick, MIB);
    expect(named()).toEqual([]);
    expect(meter.ended(tick)).toBe(false);
  });

  it('ignores a tick that finishes but began before the watch', () => {
    expect(meter.ended('tick-before')).toBe(false);
  });

  it('tries once for each schedule where the garbage cannot be collected', () => {
    memory.canCollect = false;
    run('a', 20, MIB);
    expect(memory.floors).toBe(1);
    expect(named()).toEqual([]);
  });

  /** V8 notes some 5 KB of native memory for each collection that a watch sees, until the watch ends. */
  it('watches no longer than from one check to the next, however long a tick takes', () => {
    let noted = 0;
    let most = 0;
    const watch = memory.watchCollections.bind(memory);
    memory.watchCollections = () => {
      noted = 0;
      return watch();
    };
    meter.started('job', 'tick-1');
    if (meter.ended('tick-1')) meter.finish('tick-1');
    meter.started('job', 'tick-2'); // measured, and hangs
    for (let check = 0; check < 100; check += 1) {
      noted += 10;
      most = Math.max(most, noted);
      meter.look();
    }

    expect(most).toBe(10);
    expect(memory.watches).toBe(1);
    meter.end();
    expect(memory.watches).toBe(0);
  });
});
