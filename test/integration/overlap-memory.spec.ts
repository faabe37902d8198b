import { queryObjects } from 'node:v8';
import { afterEach, describe, expect, it } from '@jest/globals';
import { OverlapGate } from '../../lib/tick/overlap-gate.js';
import { closeApps, startApp } from '../support/app.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { gate } from '../support/gate.js';

afterEach(closeApps);

const MANY = 2_000;

/** Schedules that are added, run, overlapped and removed again, each with its own payload. */
async function comeAndGo(overlapKey?: string): Promise<WeakRef<object>[]> {
  const { registry } = await startApp({});
  const payloads: WeakRef<object>[] = [];
  for (let count = 0; count < MANY; count += 1) {
    const name = `tenant ${count}`;
    const payload = { text: 'x'.repeat(1_000) };
    payloads.push(new WeakRef(payload));
    const held = gate();
    const key = overlapKey === undefined ? {} : { overlapKey };
    registry.add({
      name,
      everyMs: 3_600_000,
      payload,
      overlap: 'buffer-one',
      handler: () => held.opened,
      ...key,
    });
    const reports = [registry.run(name), registry.run(name)];
    if (count % 2 === 0) registry.pause(name);
    registry.remove(name);
    held.open();
    const [first, second] = await Promise.all(reports);
    if (first!.outcome !== 'succeeded' || second!.reason !== 'removed')
      throw new Error(`${first!.outcome}, ${second!.outcome}`);
  }
  return payloads;
}

describe('schedules that come and go', () => {
  it.each([
    ['each for itself', undefined],
    ['with one overlap key', 'tenants'],
  ])(
    'leave nothing behind of 2,000: %s',
    async (_, overlapKey) => {
      const payloads = await comeAndGo(overlapKey);
      await collectGarbage();
      const alive = payloads.filter((payload) => payload.deref() !== undefined);
      expect(alive.length).toBeLessThan(10);
      expect(queryObjects(OverlapGate)).toBeLessThan(10);
    },
    60_000,
  );
});
