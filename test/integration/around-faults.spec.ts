import { afterEach, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import type { Tick, AroundHook } from '../../lib/index.js';
import { closeApps } from '../support/app.js';
import { aroundApp, noting } from '../support/around.js';
import { gate, turn } from '../support/gate.js';
import { Probe, ProbeJournal, PROBES } from '../support/probes.js';
import { closing, turns, untilAborted } from '../support/running-tick.js';
import { unhandledDuring } from '../support/unhandled.js';

afterEach(closeApps);

const failure = new Error('hook');
const NO_NEXT =
  'Worker.run: an `around` hook ended without calling next(), so the tick did not run. Return next(), or throw an error that says why.';

describe('A hook of around', () => {
  describe('that throws before next()', () => {
    it.each<[string, AroundHook]>([
      [
        'at once',
        () => {
          throw failure;
        },
      ],
      [
        'after a wait',
        async () => {
          await turn();
          throw failure;
        },
      ],
    ])("[B26] fails the tick in the phase 'open', and nothing is built: %s", async (_, hook) => {
      const lines: string[] = [];
      const { app, registry, finished, strays, log } = await aroundApp(
        { around: [hook, noting(lines, 'inner')], needs: [Probe], providers: PROBES },
        () => lines.push('handler'),
      );
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ outcome: 'failed', phase: 'open', built: 0, attempts: 1 });
      expect(report.error).toBe(failure);
      expect([lines, app.get(ProbeJournal).created]).toEqual([[], []]);
      expect([finished, strays]).toEqual([[report], []]);
      expect(log.of('error')).toHaveLength(1);
      expect(registry.stats()).toMatchObject({ openScopes: 0, openedScopes: 1, runningTicks: 0 });
    });

    it('may throw nothing at all', async () => {
      const { registry, strays } = await aroundApp({ around: [() => Promise.reject(undefined)] });
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ outcome: 'failed', phase: 'open' });
      expect([report.error, strays]).toEqual([undefined, []]);
    });

    it('[B24] what it had resolved is disposed', async () => {
      const { app, registry } = await aroundApp({
        around: [
          async ({ scope }) => {
            await scope.resolve(Probe);
            throw failure;
          },
        ],
        providers: PROBES,
      });
      expect(await registry.run('Worker.run')).toMatchObject({
        phase: 'open',
        built: 1,
        disposed: 1,
      });
      expect(app.get(ProbeJournal).alive).toEqual([]);
    });

    it('is seen by the hooks around it, and is reported once though they throw on', async () => {
      const lines: string[] = [];
      const throwing: AroundHook = () => Promise.reject(failure);
      const { registry, strays } = await aroundApp({
        around: [noting(lines, 'outer'), throwing],
      });
      expect((await registry.run('Worker.run')).error).toBe(failure);
      expect(lines).toEqual(['outer begins', 'outer sees hook']);
      expect(strays).toEqual([]);
    });

    it('[B24] the hooks around it see a closed scope: what it had resolved is disposed', async () => {
      const seen: unknown[] = [];
      const { app, registry } = await aroundApp({
        around: [
          ({ scope }, next) =>
            next().catch((error: unknown) => {
              seen.push(error, scope.closed, app.get(ProbeJournal).alive);
            }),
          async ({ scope }) => {
            await scope.resolve(Probe);
            throw failure;
          },
        ],
        providers: PROBES,
      });
      expect(await registry.run('Worker.run')).toMatchObject({ phase: 'open', error: failure });
      expect(seen).toEqual([failure, true, []]);
    });

    it('[D32] has timed out for the hooks around it too', async () => {
      const seen: unknown[] = [];
      const { registry } = await aroundApp({
        around: [
          (_tick, next) =>
            next().catch((error: unknown) => {
              seen.push(error);
              throw error;
            }),
          (tick) => untilAborted(tick).catch(() => Promise.reject(failure)),
        ],
        handler: { timeoutMs: 5 },
      });
      const { error, disposeErrors } = await registry.run('Worker.run');
      expect(error).toMatchObject({ code: 'TICK_TIMEOUT', cause: failure });
      expect([seen, disposeErrors]).toEqual([[error], []]);
    });

    it('is the error of the tick though a hook around it hides it', async () => {
      const { registry } = await aroundApp({
        around: [(_tick, next) => next().catch(() => 'fine'), () => Promise.reject(failure)],
      });
      expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'failed', error: failure });
    });

    it('is the error of the tick though a hook around it throws another, which is kept beside it', async () => {
      const other = new Error('other');
      const { registry, strays, log } = await aroundApp({
        around: [
          (_tick, next) =>
            next().catch(() => {
              throw other;
            }),
          () => Promise.reject(failure),
        ],
      });
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ phase: 'open', error: failure, disposeErrors: [other] });
      expect(strays).toEqual([]);
      expect(log.of('error')).toEqual([expect.stringMatching(/: hook\. Also failed: other$/)]);
    });

    it('[XA8] is tried again', async () => {
      let attempts = 0;
      const { registry } = await aroundApp({
        around: [
          (_tick, next) => {
            attempts += 1;
            if (attempts === 1) throw failure;
            return next();
          },
        ],
        handler: { retry: { attempts: 2 } },
      });
      expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded', attempts: 2 });
    });

    it('[D11] is cancelled when it throws because the tick was', async () => {
      const begun = gate();
      const { app, registry, log } = await aroundApp({
        around: [
          (tick) => {
            begun.open();
            return untilAborted(tick);
          },
        ],
      });
      const run = registry.run('Worker.run');
      await begun.opened;
      await app.close();
      expect(await run).toMatchObject({ outcome: 'cancelled', reason: 'shutdown', phase: 'open' });
      expect(log.of('error')).toEqual([]);
    });

    it('[D32] has timed out when its time was up', async () => {
      const { registry } = await aroundApp({
        around: [(tick) => untilAborted(tick)],
        handler: { timeoutMs: 5 },
      });
      expect(await registry.run('Worker.run')).toMatchObject({
        outcome: 'timed-out',
        phase: 'open',
        error: { code: 'TICK_TIMEOUT' },
      });
    });
  });

  describe('that ends without next()', () => {
    it.each<[string, AroundHook]>([
      ['at once', () => undefined],
      ['after a wait', () => turn()],
      ['with a value', () => 'value'],
      ['and returns next itself', (_tick, next) => next],
    ])("fails the tick in the phase 'open', in a clear sentence: %s", async (_, hook) => {
      const lines: string[] = [];
      const { registry } = await aroundApp(
        { around: [noting(lines, 'outer'), hook, noting(lines, 'inner')] },
        () => lines.push('handler'),
      );
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ outcome: 'failed', phase: 'open', built: 0 });
      expect((report.error as Error).message).toBe(NO_NEXT);
      expect(lines).toEqual(['outer begins', `outer sees ${NO_NEXT}`]);
    });

    it('that calls it too late finds it refused: neither hooks nor handler run, nothing is unhandled', async () => {
      const lines: string[] = [];
      let late: Promise<unknown> | undefined;
      const called = gate();
      const reasons = await unhandledDuring(async () => {
        const { registry, strays } = await aroundApp(
          {
            around: [
              (_tick, next) => {
                setImmediate(() => {
                  late = next();
                  called.open();
                });
              },
              noting(lines, 'inner'),
            ],
          },
          () => lines.push('handler'),
        );
        const report = await registry.run('Worker.run');
        expect((report.error as Error).message).toBe(NO_NEXT);
        await called.opened;
        await turns();
        expect(strays).toEqual([]);
        expect(registry.stats()).toMatchObject({ openedScopes: 1, openScopes: 0 });
      });
      expect(reasons).toEqual([]);
      expect(lines).toEqual([]);
      await expect(late).rejects.toThrow(/^Worker\.run: .*next\(\) after the hook had ended.*\.$/);
    });
  });

  describe('that throws after next()', () => {
    const after: AroundHook = async (_tick, next) => {
      await next();
      throw failure;
    };

    it("[L3] fails the tick in the phase 'around', whose scope has committed", async () => {
      const lines: string[] = [];
      const { registry, finished, strays, log } = await aroundApp(
        { around: [after] },
        ({ scope }) => {
          scope.defer(() => lines.push('disposed'));
          return 'value';
        },
      );
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({
        outcome: 'failed',
        phase: 'around',
        disposeErrors: [],
        history: [{ outcome: 'failed', phase: 'around' }],
      });
      expect(report.error).toBe(failure);
      expect(report.history[0]!.error).toBe(failure);
      expect([finished, strays, lines]).toEqual([[report], [], ['disposed']]);
      expect(log.of('error')).toEqual([`Worker.run failed (${report.tickId}, phase around): hook`]);
    });

    it('[L3] succeeds when it throws nothing', async () => {
      const { registry } = await aroundApp({
        around: [async (_tick, next) => void (await next())],
      });
      expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
    });

    it('[L3] fails the tick though a hook around it hides the error', async () => {
      const { registry } = await aroundApp({
        around: [(_tick, next) => next().catch(() => undefined), after],
      });
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ outcome: 'failed', phase: 'around', error: failure });
    });

    it('is kept once though a hook around it throws it on', async () => {
      const { registry } = await aroundApp({ around: [noting([], 'outer'), after] });
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ phase: 'around', error: failure, disposeErrors: [] });
    });

    it('[L3] of several the innermost is the error of the tick, the others are kept beside it', async () => {
      const other = new Error('other');
      const { registry, log } = await aroundApp({
        around: [
          async (_tick, next) => {
            await next().catch(() => undefined);
            throw other;
          },
          after,
        ],
      });
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ phase: 'around', error: failure, disposeErrors: [other] });
      expect(log.of('error')).toEqual([expect.stringMatching(/: hook\. Also failed: other$/)]);
    });

    it('[L3] fails the tick also when it throws while the tick is still at work', async () => {
      const held = gate();
      const begun = gate();
      const { registry } = await aroundApp(
        {
          around: [
            async (_tick, next) => {
              void next();
              await begun.opened;
              throw failure;
            },
          ],
        },
        async () => {
          begun.open();
          await held.opened;
        },
      );
      const run = registry.run('Worker.run');
      await begun.opened;
      await turns();
      expect(registry.stats().runningTicks).toBe(1);
      held.open();
      expect(await run).toMatchObject({ outcome: 'failed', phase: 'around', error: failure });
    });

    it('changes nothing when the tick has failed, and that is what it throws', async () => {
      const { registry, log } = await aroundApp(
        { around: [noting([], 'a'), noting([], 'b')] },
        () => Promise.reject(failure),
      );
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ phase: 'handler', error: failure, disposeErrors: [] });
      expect(log.of('error')).toHaveLength(1);
    });

    it('leaves its error to a tick that has failed with another one, and is kept beside it', async () => {
      const own = new Error('own');
      const { registry } = await aroundApp(
        {
          around: [
            async (_tick, next) => {
              await next().catch(() => undefined);
              throw own;
            },
          ],
        },
        () => Promise.reject(failure),
      );
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ phase: 'handler', error: failure, disposeErrors: [own] });
    });

    it('is logged beside the errors of several disposers, which the hook sees as the report has them', async () => {
      const own = new Error('own');
      const seen: unknown[] = [];
      const { registry, log } = await aroundApp(
        {
          around: [
            async (_tick, next) => {
              await next().catch((error: unknown) => seen.push(error));
              throw own;
            },
          ],
        },
        ({ scope }) => {
          scope.defer(() => Promise.reject(new Error('older')));
          scope.defer(() => Promise.reject(new Error('newer')));
        },
      );
      const { phase, error } = await registry.run('Worker.run');
      expect([phase, seen[0]]).toEqual(['dispose', error]);
      expect(seen[0]).toBe(error);
      expect(log.of('error')).toEqual([expect.stringMatching(/newer\. Also failed: own$/)]);
    });

    it('[L3] is tried again: what was committed into the hook may be rolled back', async () => {
      const table: string[] = [];
      const transaction: AroundHook = async ({ attempt }, next) => {
        const before = table.length;
        await next();
        if (attempt > 1) return;
        table.length = before; // the commit of the hook fails
        throw failure;
      };
      const { registry } = await aroundApp(
        { around: [transaction], handler: { retry: { attempts: 3 } } },
        ({ attempt }) => table.push(`row of attempt ${attempt}`),
      );
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({
        outcome: 'succeeded',
        attempts: 2,
        history: [{ outcome: 'failed', phase: 'around' }, { outcome: 'succeeded' }],
      });
      expect(table).toEqual(['row of attempt 2']);
    });

    it('[L3] [D11] is cancelled when it throws because the tick was', async () => {
      const begun = gate();
      const { app, registry, log } = await aroundApp({
        around: [
          async (tick, next) => {
            await next();
            begun.open();
            return untilAborted(tick);
          },
        ],
        handler: { retry: { attempts: 2 } },
      });
      const run = registry.run('Worker.run');
      await begun.opened;
      await app.close();
      expect(await run).toMatchObject({
        outcome: 'cancelled',
        reason: 'shutdown',
        phase: 'around',
        attempts: 1,
      });
      expect(log.of('error')).toEqual([]);
    });

    it('[D16] holds up no schedule', async () => {
      const { registry } = await aroundApp({ around: [after], handler: { overlap: 'skip' } });
      for (let run = 0; run < 5; run += 1)
        expect((await registry.run('Worker.run')).phase).toBe('around');
    });
  });

  describe('that calls next() twice', () => {
    it.each<[string, AroundHook]>([
      [
        'at once',
        async (_tick, next) => {
          const [first, second] = [next(), next()];
          expect(second).toBe(first);
          return first;
        },
      ],
      [
        'one after the other',
        async (_tick, next) => {
          const value = await next();
          expect(await next()).toBe(value);
          return value;
        },
      ],
    ])('runs the tick, and the hooks inside, once: %s', async (_, hook) => {
      const lines: string[] = [];
      let runs = 0;
      const { registry, strays } = await aroundApp(
        { around: [hook, noting(lines, 'inner')] },
        () => (runs += 1),
      );
      expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded', value: 1 });
      expect([runs, lines.length, strays]).toEqual([1, 2, []]);
    });

    it('does not try a failed tick again by that', async () => {
      let runs = 0;
      const { registry } = await aroundApp(
        {
          around: [
            async (_tick, next) => {
              await next().catch(() => undefined);
              return next();
            },
          ],
        },
        () => {
          runs += 1;
          throw failure;
        },
      );
      expect((await registry.run('Worker.run')).error).toBe(failure);
      expect(runs).toBe(1);
    });
  });

  describe('that runs its own schedule', () => {
    it.each<[string, (again: (tick: Tick) => Promise<unknown>) => AroundHook]>([
      [
        'before next()',
        (again) => async (tick, next) => {
          await again(tick);
          return next();
        },
      ],
      ['after next()', (again) => (tick, next) => next().then(() => again(tick))],
    ])('[XF7] does not wait for itself: %s', async (_, make) => {
      const reasons: unknown[] = [];
      const hook = make(async ({ schedule }) => {
        reasons.push((await test.registry.run(schedule)).reason);
      });
      const test = await aroundApp({ around: [hook], handler: { overlap: 'buffer-one' } });
      expect((await test.registry.run('Worker.run')).outcome).toBe('succeeded');
      expect(reasons).toEqual(['overlap']);
    });
  });

  describe('that does not wait for next()', () => {
    const careless: AroundHook = (_tick, next) => void next();

    it('[B36] the tick is waited for all the same, before its report', async () => {
      const held = gate();
      const { app, registry } = await aroundApp(
        { around: [careless], needs: [Probe], providers: PROBES },
        async () => {
          await held.opened;
          return 'value';
        },
      );
      const run = registry.run('Worker.run');
      await turns();
      expect(registry.stats()).toMatchObject({ runningTicks: 1, openScopes: 1 });
      held.open();
      expect(await run).toMatchObject({ outcome: 'succeeded', value: 'value', disposed: 1 });
      expect(app.get(ProbeJournal).alive).toEqual([]);
    });

    it('[B34] an error is that of the tick, and nothing is unhandled', async () => {
      const reasons = await unhandledDuring(async () => {
        const { registry } = await aroundApp({ around: [careless, careless] }, async () => {
          await turn();
          throw failure;
        });
        expect((await registry.run('Worker.run')).error).toBe(failure);
      });
      expect(reasons).toEqual([]);
    });

    it('the hooks inside are waited for, also before they have called next()', async () => {
      const lines: string[] = [];
      const slow: AroundHook = async (_tick, next) => {
        await turn();
        await next();
        await turn();
        lines.push('slow has ended');
      };
      const { registry } = await aroundApp({ around: [careless, slow] });
      expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
      expect(lines).toEqual(['slow has ended']);
    });

    it('the error of a hook inside is that of the tick, when there was no attempt', async () => {
      const slow: AroundHook = async () => {
        await turn();
        throw failure;
      };
      const { registry, strays } = await aroundApp({ around: [careless, slow] });
      expect(await registry.run('Worker.run')).toMatchObject({ phase: 'open', error: failure });
      expect(strays).toEqual([]);
    });
  });

  describe('when the application shuts down', () => {
    it('[D5] waits for a hook that is still at work after next()', async () => {
      const held = gate();
      const { app, registry } = await aroundApp({
        around: [
          async (_tick, next) => {
            await next();
            await held.opened;
          },
        ],
      });
      const run = registry.run('Worker.run');
      await turns();
      const closed = closing({ app });
      await turns();
      expect(closed.done).toBe(false);
      held.open();
      expect((await run).outcome).toBe('succeeded');
      await closed.promise;
    });

    it.each<[string, (app: () => TestingModule) => AroundHook]>([
      [
        'before next()',
        (app) => async (_tick, next) => {
          await app().close();
          return next();
        },
      ],
      [
        'after next()',
        (app) => async (_tick, next) => {
          const value = await next();
          await app().close();
          return value;
        },
      ],
    ])('[D28] a hook that closes the application does not wait for itself: %s', async (_, make) => {
      let app: TestingModule | undefined;
      const test = await aroundApp({ around: [make(() => app!)] });
      ({ app } = test);
      const ended = test.next('shutdown:finished');
      const { outcome } = await test.registry.run('Worker.run');
      expect(['succeeded', 'cancelled']).toContain(outcome);
      expect((await ended).abandoned).toEqual([]);
    });
  });
});
