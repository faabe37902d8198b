import { afterEach, describe, expect, it } from '@jest/globals';
import type { HandlerOptions, Tick } from '../../lib/index.js';
import { closeApps, startApp, type TestApp } from '../support/app.js';
import { gate, type Gate } from '../support/gate.js';
import { worker } from '../support/probes.js';
import { turns } from '../support/running-tick.js';

afterEach(closeApps);

/** What a handler of these tests is called with. */
interface Inside extends Omit<TestApp, 'next'> {
  readonly tick: Tick;
  readonly payload: string;
  readonly lines: string[];
  /** Work under the key that holds it until its gate opens. */
  hold(name: string, held?: Gate, signal?: AbortSignal): Promise<string>;
}

function opened(): Gate {
  const free = gate();
  free.open();
  return free;
}

/** An application whose schedule `Worker.run` takes the key `billing`; each payload is the name of a tick. */
async function start(handler: (inside: Inside) => unknown, rule: HandlerOptions) {
  const lines: string[] = [];
  let test!: TestApp;
  const hold: Inside['hold'] = (name, held = opened(), signal) =>
    test.registry.exclusive(
      'billing',
      async () => {
        lines.push(`${name} begins`);
        await held.opened;
        lines.push(`${name} ends`);
        return name;
      },
      signal === undefined ? {} : { signal },
    );
  const run = (payload: string) => test.registry.run('Worker.run', { payload });
  test = await startApp({
    providers: [
      worker(
        [],
        (tick) => handler({ ...test, tick, payload: tick.payload as string, lines, hold }),
        { overlapKey: 'billing', ...rule },
      ),
    ],
  });
  return { ...test, lines, hold, run };
}

describe.each<[string, HandlerOptions]>([
  ["overlap: 'allow'", { overlap: 'allow' }],
  ['maxConcurrency: 5', { overlap: 'buffer-one', maxConcurrency: 5 }],
])('registry.exclusive() inside ticks that run at once, with %s', (_, rule) => {
  it('[XF4] serializes the ticks in their order, and passes through in the only one', async () => {
    const gates: Record<string, Gate> = { a: gate(), b: gate(), c: gate() };
    const { run, lines } = await start(({ hold, payload }) => hold(payload, gates[payload]), rule);
    const reports = ['a', 'b', 'c'].map(run);
    gates['c']!.open();
    gates['b']!.open();
    await turns();
    expect(lines).toEqual(['a begins']);
    gates['a']!.open();
    expect((await Promise.all(reports)).map(({ value }) => value)).toEqual(['a', 'b', 'c']);
    expect(lines).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);

    expect((await run('a')).value).toBe('a');
  });

  it('[XF4] does not wait for the rest of another tick, which does not ask for it', async () => {
    const rest = gate();
    const { run, lines } = await start(async ({ hold, payload }) => {
      if (payload === 'busy') await rest.opened;
      else await hold(payload);
    }, rule);
    const busy = run('busy');
    await run('a');
    expect(lines).toEqual(['a begins', 'a ends']);
    rest.open();
    await busy;
  });

  it('[XF4] serializes calls of one tick that are made at once, and what one calls inside itself passes through', async () => {
    const held = gate();
    const { run, lines } = await start(async ({ hold, registry }) => {
      const outer = registry.exclusive('billing', async () => {
        lines.push('outer begins');
        await held.opened;
        await hold('inner');
        lines.push('outer ends');
      });
      await Promise.all([outer, hold('beside')]);
    }, rule);
    const report = run('a');
    await turns();
    expect(lines).toEqual(['outer begins']);
    held.open();
    expect((await report).outcome).toBe('succeeded');
    expect(lines).toEqual([
      'outer begins',
      'inner begins',
      'inner ends',
      'outer ends',
      'beside begins',
      'beside ends',
    ]);
  });

  it('[XF4] keeps out a tick that another tick runs by hand, and lets the one in that the work runs', async () => {
    const held = gate();
    const test: { run?: (payload: string) => Promise<unknown> } = {};
    const app = await start(async ({ registry, payload, lines }) => {
      if (payload === 'holder')
        await registry.exclusive('billing', async () => {
          lines.push('holder begins');
          await test.run!('its own');
          await held.opened;
          lines.push('holder ends');
        });
      else if (payload === 'other') await test.run!('of the other');
      else lines.push(payload);
    }, rule);
    test.run = app.run;
    const reports = [app.run('holder'), app.run('other')];
    await turns();
    expect(app.lines).toEqual(['holder begins', 'its own']);
    held.open();
    await Promise.all(reports);
    expect(app.lines).toEqual(['holder begins', 'its own', 'holder ends', 'of the other']);
  });

  it('[XF4] goes before work outside ticks, which waits until all have ended', async () => {
    const gates: Record<string, Gate> = { a: gate(), b: gate() };
    const { run, hold, lines } = await start(async (inside) => {
      await gates[inside.payload]!.opened;
      await inside.hold(inside.payload);
    }, rule);
    const reports = ['a', 'b'].map(run);
    await turns();
    const outside = hold('outside');
    gates['b']!.open();
    gates['a']!.open();
    await Promise.all([...reports, outside]);
    expect(lines).toEqual([
      'b begins',
      'b ends',
      'a begins',
      'a ends',
      'outside begins',
      'outside ends',
    ]);
  });

  it('[XF4] waits like work outside ticks when its tick has ended without it', async () => {
    const [held, rest] = [gate(), gate()];
    let left: Promise<string> | undefined;
    const { run, lines } = await start(async ({ hold, payload }) => {
      if (payload === 'b') left = hold('b');
      else if (payload === 'a') await hold('a', held);
      else await rest.opened;
    }, rule);
    const [a, b, c] = ['a', 'b', 'c'].map(run);
    await b;
    held.open();
    await a;
    await turns();
    expect(lines).toEqual(['a begins', 'a ends']);
    rest.open();
    await Promise.all([c, left]);
    expect(lines.slice(2)).toEqual(['b begins', 'b ends']);
  });

  it('[XF4] ends the wait with a signal, and the next in line keeps its turn', async () => {
    const held = gate();
    const controller = new AbortController();
    const { run, lines } = await start(
      ({ hold, payload }) =>
        payload === 'a'
          ? hold('a', held)
          : hold(payload, opened(), payload === 'b' ? controller.signal : undefined),
      rule,
    );
    const [a, b, c] = ['a', 'b', 'c'].map(run);
    await turns();
    controller.abort(new Error('too long'));
    expect((await b)!.error).toEqual(new Error('too long'));
    expect(lines).toEqual(['a begins']);
    held.open();
    await Promise.all([a, c]);
    expect(lines).toEqual(['a begins', 'a ends', 'c begins', 'c ends']);
  });
});

describe('registry.exclusive() inside the ticks of one list', () => {
  it('[XF4] serializes them', async () => {
    const { registry, lines } = await start(({ hold, payload }) => hold(payload), {
      maxConcurrency: 3,
      forEach: { useFactory: () => ['a', 'b', 'c'] },
    });
    expect((await registry.run('Worker.run')).outcome).toBe('succeeded');
    expect(lines).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  });
});

describe("registry.exclusive() inside a tick with overlap: 'cancel-other'", () => {
  /** Whether a tick that is inside exclusive() is aborted when the next one is due. */
  const isAborted = async (maxConcurrency: number) => {
    const held = gate();
    const signals: AbortSignal[] = [];
    const { run } = await start(
      ({ hold, tick, payload }) => {
        signals.push(tick.signal);
        return hold(payload, held);
      },
      { overlap: 'cancel-other', maxConcurrency },
    );
    const first = run('a');
    await turns();
    const second = run('b');
    const { aborted } = signals[0]!;
    held.open();
    await Promise.all([first, second]);
    expect(signals).toHaveLength(2);
    return aborted;
  };

  it('[XF4] counts as no tick: with room for the next one, the tick is not aborted', async () => {
    expect(await isAborted(2)).toBe(false);
  });

  it('[XF4] without room, the tick is aborted', async () => {
    expect(await isAborted(1)).toBe(true);
  });
});
