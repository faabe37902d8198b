import { afterEach, describe, expect, it } from '@jest/globals';
import { InvalidOptionsError } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { turn } from '../support/gate.js';
import { worker } from '../support/probes.js';

afterEach(closeApps);

const NAMES = ['scope:opened', 'tick:started', 'scope:closed', 'tick:finished'] as const;

describe('events', () => {
  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('listener');
      },
    ],
    ['rejects', () => Promise.reject(new Error('listener'))],
  ])(
    '[D25] a listener that %s neither starves the others nor fails the tick, and is logged',
    async (_, fail) => {
      const { events, registry, log } = await startApp({ providers: [worker([], () => 'done')] });
      const heard: string[] = [];
      for (const name of NAMES) {
        events.on(name, () => heard.push(`before ${name}`));
        events.on(name, fail);
        events.on(name, () => heard.push(`after ${name}`));
      }
      const report = await registry.run('Worker.run');
      await turn();
      expect(report).toMatchObject({ outcome: 'succeeded', value: 'done' });
      for (const name of NAMES)
        expect(heard.filter((entry) => entry.endsWith(name))).toEqual([
          `before ${name}`,
          `after ${name}`,
        ]);
      expect(log.of('error').sort()).toEqual(
        [...NAMES].sort().map((name) => expect.stringContaining(name)),
      );
    },
  );

  it('[D25] a listener that throws when a tick is skipped, or the application stops, harms nobody', async () => {
    const { app, events, registry, log } = await startApp({ providers: [worker([])] });
    const fail = (): never => {
      throw new Error('listener');
    };
    for (const name of [
      'tick:skipped',
      'shutdown:started',
      'shutdown:finished',
      'schedule:changed',
    ] as const)
      events.on(name, fail);
    registry.pause('Worker.run');
    await expect(app.close()).resolves.toBeUndefined();
    expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'skipped' });
    expect(log.of('error')).toHaveLength(4);
  });

  it('can be taken off, also by a listener while it is called', async () => {
    const { events, registry } = await startApp({ providers: [worker([])] });
    const heard: string[] = [];
    const off = events.on('tick:finished', () => {
      heard.push('first');
      off();
    });
    events.on('tick:finished', () => heard.push('second'));
    events.once('tick:finished', () => heard.push('once'));
    await registry.run('Worker.run');
    await registry.run('Worker.run');
    expect(heard).toEqual(['first', 'second', 'once', 'second']);
  });

  describe('when a listener is added that would never be called', () => {
    const listener = (): void => undefined;

    it.each(['on', 'once'] as const)('refuses a name that no event has: %s()', async (method) => {
      const { events } = await startApp({});
      expect(() => events[method]('tick:finish' as never, listener)).toThrow(InvalidOptionsError);
      expect(() => events[method]('tick:finish' as never, listener)).toThrow(
        new RegExp(
          `^events\\.${method}\\(\\): "tick:finish" isn't an event; the events are tick:started, tick:finished, [^.]*\\.$`,
        ),
      );
      expect(() => events[method]('toString' as never, listener)).toThrow(
        '"toString" isn\'t an event',
      );
      events[method]('tick:finished', listener)();
    });

    it.each(['on', 'once'] as const)(
      'refuses a listener that is not a function: %s()',
      async (method) => {
        const { events } = await startApp({});
        expect(() => events[method]('tick:finished', 'log' as never)).toThrow(
          `events.${method}(): the listener must be a function, not "log".`,
        );
      },
    );
  });
});
