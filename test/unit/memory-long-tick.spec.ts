import { GrowthMeter } from '../../lib/memory/growth-meter.js';
import { FakeMemory } from '../support/memory.js';

describe('The meter of growth', () => {
  /** V8 notes some 5 KB of native memory for each collection that a watch sees, until the watch ends. */
  it('watches no longer than from one check to the next, however long a tick takes', () => {
    const memory = new FakeMemory();
    const meter = new GrowthMeter(memory);
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
