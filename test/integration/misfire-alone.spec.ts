import { describe, expect, it } from '@jest/globals';
import { ScopedCron, ScopedWorker, type HandlerOptions, type Tick } from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance, afterNoon, leap } from '../support/fake-clock.js';
import { gate, turn } from '../support/gate.js';

describe('a single missed slot', () => {
  appsOnFakeClock();

  it.each<[HandlerOptions['misfire'], HandlerOptions['overlap']]>([
    ['once', 'skip'],
    ['all', 'skip'],
    ['all', 'buffer-one'],
  ])(
    "[F1] waits its turn behind the tick that runs: misfire '%s', overlap '%s'",
    async (misfire, overlap) => {
      const held = gate();
      const ran: string[] = [];
      @ScopedWorker()
      class Job {
        @ScopedCron('* * * * * *', { misfire: misfire!, overlap: overlap! })
        async run({ scheduledAt }: Tick): Promise<void> {
          ran.push(scheduledAt.toISOString());
          await held.opened;
        }
      }
      const { events } = await startApp({ providers: [Job] });
      const skipped: unknown[] = [];
      events.on('tick:skipped', ({ reason }) => skipped.push(reason));
      await advance(1_000);
      await advance(500);
      leap(1_100); // slot 2 is late by 600 ms
      await advance(500);
      held.open();
      for (let count = 0; count < 10; count += 1) await turn();
      expect(ran.slice(0, 2)).toEqual([afterNoon(1_000), afterNoon(2_000)]);
      expect(skipped.slice(0, 1)).not.toEqual(['missed']);
    },
  );
});
