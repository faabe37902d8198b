import { afterEach, describe, expect, it } from '@jest/globals';
import type { LeakFound, Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { hideBuilds } from '../support/hide-builds.js';
import { RequestScoped, worker } from '../support/probes.js';

describe('Leak detection when builds cannot be watched', () => {
  afterEach(closeApps);

  it('[C22] finds what is kept, and says once that strict does nothing', async () => {
    await hideBuilds();
    const kept: { call(): string }[] = [];
    @RequestScoped()
    class Session {
      call(): string {
        return 'called';
      }
    }
    const Worker = worker([Session], (_tick: Tick, session: Session) => kept.push(session));
    const { registry, events, log } = await startApp({
      options: { leakDetection: { graceMs: 0, strict: true } },
      providers: [Worker, Session],
    });
    const found: LeakFound[] = [];
    events.on('leak:found', (leak) => found.push(leak));
    const warnings = log.of('warn');
    await registry.run('Worker.run');
    await collectGarbage();

    expect(warnings).toEqual([expect.stringMatching(/^leakDetection\.strict does nothing: /)]);
    expect(kept.map((session) => session.call())).toEqual(['called']);
    expect(found).toMatchObject([{ schedule: 'Worker.run', className: 'Session', count: 1 }]);
  });
});
