import { afterEach, describe, expect, it } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { InvalidOptionsError, type HandlerOptions, type Tick } from '../../lib/index.js';
import { closeApps, startApp, type TestAppOptions } from '../support/app.js';
import { gate, turn, type Gate } from '../support/gate.js';
import { worker } from '../support/probes.js';
import { heard } from '../support/run-time-schedules.js';
import { closing, turns } from '../support/running-tick.js';

afterEach(closeApps);

/** An application whose schedule `Worker.run` takes the key `billing`; `lines` says what began and ended. */
async function start(
  handler: (tick: Tick) => unknown = () => undefined,
  rule: HandlerOptions = {},
  options: TestAppOptions = {},
) {
  const lines: string[] = [];
  const test = await startApp({
    ...options,
    providers: [
      worker(
        [],
        async (tick) => {
          lines.push('tick begins');
          await handler(tick);
          lines.push('tick ends');
        },
        { overlap: 'skip', overlapKey: 'billing', ...rule },
      ),
    ],
  });
  /** Work under the key that holds it until its gate opens. */
  const hold = (name: string, held: Gate, key = 'billing', signal?: AbortSignal) =>
    test.registry.exclusive(
      key,
      async () => {
        lines.push(`${name} begins`);
        await held.opened;
        lines.push(`${name} ends`);
        return name;
      },
      signal === undefined ? {} : { signal },
    );
  return { ...test, ...heard(test), lines, hold };
}

describe('registry.exclusive()', () => {
  it('[XF4] returns what the work returns, and rejects with what it throws; the lock is free after both', async () => {
    const { registry } = await start();
    const error = new Error('down');

    expect(await registry.exclusive('billing', () => 7)).toBe(7);
    await expect(registry.exclusive('billing', () => Promise.reject(error))).rejects.toBe(error);
    await expect(
      registry.exclusive('billing', () => {
        throw error;
      }),
    ).rejects.toBe(error);
    expect(await registry.exclusive('billing', async () => 'free')).toBe('free');
    expect((await registry.run('Worker.run')).outcome).toBe('succeeded');
  });

  it('[XF4] waits for the tick that has the key, and other calls for it, in their order', async () => {
    const [tick, a, b] = [gate(), gate(), gate()];
    const { registry, lines, hold } = await start(() => tick.opened);
    const report = registry.run('Worker.run');
    await turns();
    const calls = Promise.all([hold('a', a), hold('b', b)]);
    b.open();
    await turns();
    expect(lines).toEqual(['tick begins']);
    tick.open();
    expect((await report).outcome).toBe('succeeded');
    await turns();
    expect(lines).toEqual(['tick begins', 'tick ends', 'a begins']);
    a.open();
    expect(await calls).toEqual(['a', 'b']);
    expect(lines.slice(2)).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  });

  it('[XF4] does not wait for another key, nor for a schedule that is called like the key', async () => {
    const held = gate();
    const { hold, lines, registry } = await start();
    registry.add({ name: 'billing', handler: () => held.opened, everyMs: 60_000 });
    const report = registry.run('billing');
    const other = hold('other', held, 'imports');
    await registry.exclusive('billing', () => lines.push('free'));
    expect(lines).toEqual(['other begins', 'free']);
    held.open();
    await Promise.all([report, other]);
  });

  describe('and a tick that is due while work holds the key', () => {
    it("[XF4] with 'skip', is skipped", async () => {
      const held = gate();
      const { registry, hold } = await start();
      const call = hold('work', held);
      expect(await registry.run('Worker.run')).toMatchObject({ reason: 'overlap' });
      held.open();
      await call;
    });

    it.each(['buffer-one', 'cancel-other'] as const)(
      '[XF4] with %j, runs when the work has ended',
      async (overlap) => {
        const held = gate();
        const { registry, hold, lines } = await start(undefined, { overlap });
        const call = hold('work', held);
        const report = registry.run('Worker.run');
        await turns();
        expect(lines).toEqual(['work begins']);
        held.open();
        expect((await report).outcome).toBe('succeeded');
        await call;
        expect(lines).toEqual(['work begins', 'work ends', 'tick begins', 'tick ends']);
      },
    );
  });

  it('[XF4] begins only when none of several ticks that share the key runs', async () => {
    const gates = [gate(), gate()];
    const { registry, hold, lines } = await start(
      ({ payload }) => gates[payload as number]!.opened,
      { overlap: 'allow' },
    );
    const reports = [0, 1].map((payload) => registry.run('Worker.run', { payload }));
    await turns();
    const free = gate();
    free.open();
    const call = hold('work', free);
    gates[0]!.open();
    await reports[0];
    await turns();
    expect(lines).not.toContain('work begins');
    gates[1]!.open();
    await Promise.all([...reports, call]);
    expect(lines.at(-1)).toBe('work ends');
  });

  describe.each<[string, HandlerOptions]>([
    ["overlap: 'allow'", { overlap: 'allow' }],
    ['maxConcurrency: 2', { overlap: 'buffer-one', maxConcurrency: 2 }],
  ])('and a schedule with %s', (_, rule) => {
    it('[XF4] keeps its ticks out while it runs, also those that waited behind it', async () => {
      const [held, tick] = [gate(), gate()];
      const { registry, hold, lines } = await start(() => tick.opened, rule);
      const first = registry.run('Worker.run');
      await turns();
      const call = hold('work', held);
      const second = registry.run('Worker.run');
      tick.open();
      await first;
      const third = registry.run('Worker.run');
      await turns();
      expect(lines).toEqual(['tick begins', 'tick ends', 'work begins']);
      held.open();
      await Promise.all([call, second, third]);
      expect(lines.slice(2, 4)).toEqual(['work begins', 'work ends']);
    });

    it('[XF4] gets its turn, however many ticks come due', async () => {
      const ticks = [gate(), gate(), gate(), gate()];
      const { registry, lines } = await start(
        ({ payload }) => ticks[payload as number]!.opened,
        rule,
      );
      const reports = [registry.run('Worker.run', { payload: 0 })];
      await turns();
      const call = registry.exclusive('billing', () => lines.push('work'));
      for (const payload of [1, 2, 3]) {
        reports.push(registry.run('Worker.run', { payload }));
        await turns();
        ticks[payload - 1]!.open();
        await turns();
      }
      expect(lines).toContain('work');
      ticks[3]!.open();
      await Promise.all([call, ...reports]);
    });

    it('[XF4] lets the ticks behind it go on when it leaves its turn', async () => {
      const [first, free] = [gate(), gate()];
      free.open();
      const { registry, hold, lines } = await start(
        ({ payload }) => (payload === 1 ? first.opened : free.opened),
        rule,
      );
      const report = registry.run('Worker.run', { payload: 1 });
      await turns();
      const controller = new AbortController();
      const call = hold('work', free, 'billing', controller.signal);
      const second = registry.run('Worker.run', { payload: 2 });
      await turns();
      expect(lines).toEqual(['tick begins']);
      controller.abort(new Error('too long'));
      await expect(call).rejects.toThrow('too long');
      expect((await second).outcome).toBe('succeeded');
      first.open();
      await report;
    });

    it('[XF4] waits for no tick that a tick of the key runs and waits for', async () => {
      const waiting = gate();
      const test: { app?: Awaited<ReturnType<typeof start>> } = {};
      const app = await start(async ({ payload }) => {
        if (payload === 2) return;
        await waiting.opened;
        await test.app!.registry.run('Worker.run', { payload: 2 });
      }, rule);
      test.app = app;
      const report = app.registry.run('Worker.run', { payload: 1 });
      await turns();
      const call = app.registry.exclusive('billing', () => app.lines.push('work'));
      waiting.open();
      await Promise.all([report, call]);
      expect(app.lines).toEqual(['tick begins', 'tick begins', 'tick ends', 'tick ends', 'work']);
    });
  });

  describe('inside what holds the key', () => {
    it('[XF4] runs at once in a tick, and in a scope that the tick opened', async () => {
      const test: { app?: Awaited<ReturnType<typeof start>> } = {};
      const app = await start(async () => {
        const { registry, scopes, lines } = test.app!;
        await registry.exclusive('billing', () => lines.push('in the tick'));
        await scopes.run(() => registry.exclusive('billing', () => lines.push('in a scope')));
      });
      test.app = app;
      expect((await app.registry.run('Worker.run')).outcome).toBe('succeeded');
      expect(app.lines).toEqual(['tick begins', 'in the tick', 'in a scope', 'tick ends']);
    });

    it('[XF4] runs at once in work that holds it, and a tick that it runs is skipped: nothing waits for itself', async () => {
      const { registry, lines } = await start();
      const value = await registry.exclusive('billing', async () => {
        const inner = await registry.exclusive('billing', () => 'inner');
        const { reason } = await registry.run('Worker.run');
        return [inner, reason];
      });
      expect(value).toEqual(['inner', 'overlap']);
      expect(lines).toEqual([]);
    });

    it('[XF4] keeps the key until it ends when nobody awaits it there, and what it runs inside itself does not wait for it', async () => {
      const { registry, lines, hold } = await start();
      const inner = gate();
      let forgotten: Promise<unknown> | undefined;
      await registry.exclusive('billing', () => {
        forgotten = registry.exclusive('billing', async () => {
          await hold('inner', inner);
          await registry.exclusive('billing', () => lines.push('inside inner'));
        });
      });
      const next = registry.exclusive('billing', () => lines.push('next'));
      expect((await registry.run('Worker.run')).reason).toBe('overlap');
      await turns();
      expect(lines).toEqual(['inner begins']);

      inner.open();
      await Promise.all([forgotten, next]);
      expect(lines).toEqual(['inner begins', 'inner ends', 'inside inner', 'next']);
    });

    it('[XF4] waits in code that the work has left behind', async () => {
      const [held, late] = [gate(), gate()];
      const { registry, hold, lines } = await start();
      let stray: Promise<unknown> | undefined;
      await registry.exclusive('billing', () => {
        stray = late.opened.then(() => registry.exclusive('billing', () => lines.push('stray')));
      });
      const call = hold('work', held);
      late.open();
      await turns();
      expect(lines).toEqual(['work begins']);
      held.open();
      await Promise.all([call, stray]);
      expect(lines).toEqual(['work begins', 'work ends', 'stray']);
    });
  });

  describe('with a signal', () => {
    it('[XF4] ends the wait with its reason, and the others keep their turn', async () => {
      const [held, free] = [gate(), gate()];
      free.open();
      const { hold, lines } = await start();
      const controller = new AbortController();
      const first = hold('first', held);
      const given = hold('given up', free, 'billing', controller.signal);
      const last = hold('last', free);
      const reason = new Error('too long');
      controller.abort(reason);
      await expect(given).rejects.toBe(reason);
      held.open();
      expect(await Promise.all([first, last])).toEqual(['first', 'last']);
      expect(lines).not.toContain('given up begins');
    });

    it('[XF4] that is aborted already, runs nothing', async () => {
      const { registry, lines } = await start();
      const signal = AbortSignal.abort(new Error('gone'));
      const call = registry.exclusive('billing', () => lines.push('work'), { signal });
      await expect(call).rejects.toThrow('gone');
      expect(lines).toEqual([]);
    });

    it('[XF4] does not end work that has begun', async () => {
      const held = gate();
      const { hold } = await start();
      const controller = new AbortController();
      const call = hold('work', held, 'billing', controller.signal);
      controller.abort(new Error('too late'));
      held.open();
      expect(await call).toBe('work');
    });
  });

  it('[A20] runs in the AsyncLocalStorage context of its caller, also when it has waited', async () => {
    const held = gate();
    const { registry, hold } = await start();
    const store = new AsyncLocalStorage<string>();
    const first = store.run('first', () => hold('first', held));
    const second = store.run('second', () => registry.exclusive('billing', () => store.getStore()));
    held.open();
    await first;
    expect(await second).toBe('second');
  });

  it('[D23] is not dropped by the shutdown, which does not wait for it', async () => {
    const [held, work] = [gate(), gate()];
    const { app, hold, lines } = await start();
    const first = hold('first', held);
    const second = hold('second', work);
    await turn();
    await closing({ app }).promise;
    held.open();
    work.open();
    expect(await Promise.all([first, second])).toEqual(['first', 'second']);
    expect(lines).toEqual(['first begins', 'first ends', 'second begins', 'second ends']);
  });

  it('[L6] leaves the tick that it runs part of the shutdown, with what that tick runs', async () => {
    const { app, events, next, registry, scopes } = await start();
    const [begun, listening] = [gate(), gate()];
    const signals: AbortSignal[] = [];
    const call = registry.exclusive('billing', () =>
      scopes.run(
        async () => {
          const shutdown = next('shutdown:started');
          begun.open();
          await shutdown;
          await scopes.run(
            async (_, { signal }) => {
              signals.push(signal);
              await new Promise((resolve) => signal.addEventListener('abort', resolve));
            },
            { name: 'inner' },
          );
        },
        { name: 'outer' },
      ),
    );
    await begun.opened;
    events.on('shutdown:started', () => listening.opened);
    const finished = next('shutdown:finished');
    const close = closing({ app });
    await turns();
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    listening.open();
    await Promise.all([call, close.promise]);
    expect(await finished).toMatchObject({ abandoned: [] });
  });

  describe('with arguments that cannot work', () => {
    it.each<[string, unknown[], string]>([
      ['no key', [undefined, () => 1], 'key must be a string, not undefined.'],
      ['an empty key', ['', () => 1], 'key must not be empty.'],
      ['no function', ['billing', 7], 'work must be a function, not 7.'],
      [
        'a generator',
        ['billing', function* () {}],
        'work must not be a generator, whose body would never run. Make it async, without the asterisk.',
      ],
      [
        'a number as signal',
        ['billing', () => 1, { signal: 5 }],
        'signal must be an AbortSignal, not 5.',
      ],
      [
        'an unknown option',
        ['billing', () => 1, { timeoutMs: 5 }],
        "timeoutMs isn't an option; the only option is signal.",
      ],
      [
        'a number as options',
        ['billing', () => 1, 2_000],
        'options must be an object such as { signal }, not 2000.',
      ],
      [
        'null as options',
        ['billing', () => 1, null],
        'options must be an object such as { signal }, not null.',
      ],
    ])('[C13] is refused in one sentence: %s', async (_, args, text) => {
      const { registry } = await start();
      const call = registry.exclusive(...(args as [string, () => number]));
      await expect(call).rejects.toThrow(InvalidOptionsError);
      await expect(call).rejects.toThrow(`registry.exclusive(): ${text}`);
    });

    it('[C13] the neighbors are accepted', async () => {
      const { registry } = await start();
      const { signal } = new AbortController();
      for (const options of [undefined, {}, { signal }, { timeoutMs: undefined }])
        expect(await registry.exclusive('billing', () => 1, options)).toBe(1);
    });
  });
});
