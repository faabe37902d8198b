import { SurvivorFinder } from '../../lib/leaks/survivor-finder.js';

/** As docs/15-leaks.md says. */
const MOST_FOLLOWED = 100_000;

const alive = { still: 'here' };
const origin = { schedule: 'W.run', tickId: 'tick-1', scopeId: 'scope-1', place: undefined };
const instances = (count: number) =>
  Array.from({ length: count }, () => ({ ref: new WeakRef<object>(alive), className: 'Thing' }));

describe('Ended scopes', () => {
  it('are looked at when the third-last collection began after their end and graceMs', () => {
    const scopes = new SurvivorFinder(100);
    scopes.add({ origin, endedAt: 1_000, instances: instances(1) });

    expect(scopes.sweep(Number.NEGATIVE_INFINITY, 5_000)).toEqual([]);
    expect(scopes.sweep(1_100, 5_000)).toEqual([]);
    expect(scopes.sweep(1_101, 5_000)).toEqual([
      { ...origin, className: 'Thing', count: 1, ageMs: 4_000 },
    ]);
    expect(scopes.sweep(9_000, 9_999)).toEqual([]);
  });

  it('are not followed beyond a number of instances, until some are done with', () => {
    const scopes = new SurvivorFinder(0);
    scopes.add({ origin, endedAt: 1, instances: instances(MOST_FOLLOWED - 1) });
    expect(scopes.isFull).toBe(false);
    scopes.add({ origin, endedAt: 2, instances: instances(1) });
    expect(scopes.isFull).toBe(true);
    scopes.forget('W.run');

    expect(scopes.isFull).toBe(false);
    expect(scopes.sweep(10, 20)).toEqual([]);
  });

  it('do not report what was shared', () => {
    const scopes = new SurvivorFinder(0);
    scopes.add({ origin, endedAt: 1, instances: instances(1) });
    scopes.take(alive, {});
    scopes.take(alive, {});

    expect(scopes.sweep(10, 20)).toEqual([]);
  });
});
