import { afterEach, describe, expect, it } from '@jest/globals';
import { Scope } from '@nestjs/common';
import { closeApps, startApp } from '../support/app.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { RequestScoped, Transient, worker } from '../support/probes.js';

describe('Memory over a long run', () => {
  afterEach(closeApps);

  it('[J3] stays flat over 100,000 ticks of which 30 % fail, and all that was opened is disposed', async () => {
    const counts = { built: 0, disposed: 0, begun: 0 };
    // Made once: the log reads the stack of every error, and Jest takes a millisecond to map one to its source.
    const errors = {
      build: new Error('cannot build'),
      handler: new Error('handler down'),
      dispose: new Error('cannot dispose'),
    };
    class Counted {
      constructor() {
        counts.built += 1;
      }
      onModuleDestroy(): void {
        counts.disposed += 1;
      }
    }
    @RequestScoped()
    class Connection extends Counted {}
    @Transient()
    class Part extends Counted {}
    /** Of ten ticks in a row, one fails while it is built, one in the handler, one in disposal. */
    const turnOf = (): number => counts.begun % 10;
    const faulty = {
      provide: 'FAULTY',
      scope: Scope.REQUEST,
      inject: [Connection, Part],
      useFactory: () => {
        counts.begun += 1;
        const isLast = turnOf() === 3;
        if (turnOf() === 1) throw errors.build;
        return {
          [Symbol.dispose]: () => {
            if (isLast) throw errors.dispose;
          },
        };
      },
    };
    const silent = (): void => undefined;
    const { registry } = await startApp({
      build: (builder) => builder.setLogger({ log: silent, error: silent, warn: silent }),
      providers: [
        Connection,
        Part,
        faulty,
        worker(['FAULTY', Part], () => {
          if (turnOf() === 2) throw errors.handler;
        }),
      ],
    });
    const outcomes = { succeeded: 0, failed: 0 };
    const run = async (ticks: number): Promise<number> => {
      for (let tick = 0; tick < ticks; tick += 1) {
        const { outcome } = await registry.run('Worker.run');
        outcomes[outcome as keyof typeof outcomes] += 1;
      }
      await collectGarbage();
      return process.memoryUsage().heapUsed;
    };

    const early = await run(10_000);
    const late = await run(90_000);

    expect(outcomes).toEqual({ succeeded: 70_000, failed: 30_000 });
    expect(counts.disposed).toBe(counts.built);
    expect(registry.stats()).toMatchObject({
      openScopes: 0,
      openedScopes: 100_000,
      closedScopes: 100_000,
      runningTicks: 0,
    });
    // Ten bytes for each of the 90,000 ticks would be too many.
    expect(late - early).toBeLessThan(900_000);
  }, 1_800_000);
});
