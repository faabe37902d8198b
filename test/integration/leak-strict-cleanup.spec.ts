import { afterEach, describe, expect, it } from '@jest/globals';
import { EventEmitter } from 'node:events';
import { Scope } from '@nestjs/common';
import type { LateCall, Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { worker } from '../support/probes.js';

describe('leakDetection: { strict: true } and a listener that is taken off after the end', () => {
  afterEach(closeApps);

  async function start(given: object, handler: (tick: Tick, given: never) => unknown) {
    const GIVEN = Symbol('given');
    const Worker = worker([GIVEN], handler as never);
    const provider = { provide: GIVEN, scope: Scope.REQUEST, useFactory: () => given };
    const test = await startApp({
      providers: [Worker, provider],
      options: { leakDetection: { strict: true } },
    });
    const calls: LateCall[] = [];
    test.events.on('leak:call', (call) => calls.push(call));
    return { ...test, calls };
  }

  it('lets `fetch` take its own listener off a scoped AbortSignal', async () => {
    let late: (() => void) | undefined;
    const { registry, calls } = await start(
      new AbortController().signal,
      (_tick: Tick, signal: AbortSignal) => {
        const listener = (): void => undefined;
        signal.addEventListener('abort', listener, { once: true });
        // undici does this in a FinalizationRegistry, when the Request is collected.
        late = () => signal.removeEventListener('abort', listener);
      },
    );
    expect((await registry.run('Worker.run')).outcome).toBe('succeeded');

    expect(() => late?.()).not.toThrow();
    expect(calls).toEqual([]);
  });

  it('lets a listener of an EventEmitter be taken off', async () => {
    const late: (() => void)[] = [];
    const { registry, calls } = await start(
      new EventEmitter(),
      (_tick: Tick, emitter: EventEmitter) => {
        const listener = (): void => undefined;
        emitter.on('end', listener);
        late.push(
          () => emitter.off('end', listener),
          () => emitter.removeListener('end', listener),
        );
      },
    );
    await registry.run('Worker.run');

    for (const takeOff of late) expect(takeOff).not.toThrow();
    expect(calls).toEqual([]);
  });
});
