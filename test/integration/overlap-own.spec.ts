import { afterEach, describe, expect, it } from '@jest/globals';
import type { TickReport } from '../../lib/index.js';
import { closeApps } from '../support/app.js';
import { gate } from '../support/gate.js';
import { onDemandApp, type Rule } from '../support/on-demand.js';
import { turns } from '../support/running-tick.js';

afterEach(closeApps);

/** Each rule under which there is no room beside one tick. */
const RULES: Rule[] = [
  { overlap: 'skip' },
  { overlap: 'buffer-one' },
  { overlap: 'cancel-other' },
  { overlap: 'allow', maxConcurrency: 1 },
];

describe('a tick that runs its own schedule', () => {
  it.each(RULES)('[XF7] does not wait for itself, and does not abort itself: %j', async (rule) => {
    const { registry } = await onDemandApp({
      a: [async ({ signal }) => [await registry.run('a'), signal.aborted], rule],
    });
    const { value, outcome } = await registry.run('a');
    const [inner, aborted] = value as [TickReport, boolean];
    expect(outcome).toBe('succeeded');
    expect(inner).toMatchObject({ outcome: 'skipped', reason: 'overlap' });
    expect(aborted).toBe(false);
  });

  it.each(RULES)('[XF7] nor through a shared key: %j', async (rule) => {
    const { registry } = await onDemandApp({
      a: [() => registry.run('b'), { ...rule, overlapKey: 'k' }],
      b: [() => 'ran', { ...rule, overlapKey: 'k' }],
      c: [() => registry.run('d'), rule],
      d: [() => 'ran', rule],
    });
    expect((await registry.run('a')).value).toMatchObject({
      outcome: 'skipped',
      reason: 'overlap',
    });
    expect((await registry.run('c')).value).toMatchObject({ outcome: 'succeeded', value: 'ran' });
    expect(await registry.run('b')).toMatchObject({ outcome: 'succeeded' });
  });

  it.each(RULES)('nor through a tick of another schedule: %j', async (rule) => {
    const { registry } = await onDemandApp({
      a: [() => registry.run('between'), rule],
      between: [() => registry.run('a')],
    });
    const { value } = await registry.run('a');
    expect((value as TickReport).value).toMatchObject({ outcome: 'skipped', reason: 'overlap' });
  });

  it('nor through a scope that it opened by hand', async () => {
    const { registry, scopes } = await onDemandApp({
      a: [() => scopes.run(() => registry.run('a')), { overlap: 'buffer-one' }],
    });
    expect((await registry.run('a')).value).toMatchObject({ reason: 'overlap' });
  });

  it('nor in waitFor work, in a disposer, or in a later attempt', async () => {
    const inner: TickReport[] = [];
    const again = async (): Promise<void> => void inner.push(await registry.run('a'));
    const { registry } = await onDemandApp({
      a: [
        async ({ attempt, scope }) => {
          scope.waitFor(again());
          scope.defer(again);
          if (attempt === 2) await again();
          if (attempt === 1) throw new Error('once more');
        },
        { overlap: 'buffer-one', retry: { attempts: 2 } },
      ],
    });
    expect(await registry.run('a')).toMatchObject({ outcome: 'succeeded', attempts: 2 });
    expect(inner.map(({ reason }) => reason)).toEqual(Array.from({ length: 5 }, () => 'overlap'));
  });

  it('runs it when there is room', async () => {
    const { registry } = await onDemandApp({
      a: [
        ({ payload }) => (payload === 'inner' ? 'ran' : registry.run('a', { payload: 'inner' })),
        { overlap: 'allow', maxConcurrency: 2 },
      ],
    });
    expect((await registry.run('a')).value).toMatchObject({ outcome: 'succeeded', value: 'ran' });
  });

  it('may be waited for by a tick that is not part of it', async () => {
    const held = gate();
    const { registry } = await onDemandApp({
      a: [() => held.opened, { overlap: 'buffer-one' }],
      b: [() => registry.run('a')],
    });
    const first = registry.run('a');
    const other = registry.run('b');
    await turns();
    held.open();
    expect((await other).value).toMatchObject({ outcome: 'succeeded' });
    await first;
  });

  it('may be run by what its end sets off', async () => {
    const { registry, next } = await onDemandApp({ a: [() => 'ran', { overlap: 'skip' }] });
    const after = next('tick:finished').then(() => registry.run('a'));
    await registry.run('a');
    expect(await after).toMatchObject({ outcome: 'succeeded' });
  });
});
