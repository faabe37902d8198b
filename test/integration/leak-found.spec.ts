import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable, Scope } from '@nestjs/common';
import { shared, type LeakDetectionOptions, type LeakFound, type Tick } from '../../lib/index.js';
import { closeApps, startApp, type TestApp, type TestAppOptions } from '../support/app.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { RequestScoped, Transient, worker } from '../support/probes.js';

describe('leak:found', () => {
  afterEach(closeApps);

  const kept: unknown[] = [];
  afterEach(() => void kept.splice(0));

  @RequestScoped()
  class Session {}
  @RequestScoped()
  class Mailer {}

  async function start(
    options: TestAppOptions,
    leakDetection: LeakDetectionOptions = { graceMs: 0 },
  ): Promise<TestApp & { found: LeakFound[] }> {
    const test = await startApp({ ...options, options: { leakDetection } });
    const found: LeakFound[] = [];
    test.events.on('leak:found', (leak) => found.push(leak));
    return { ...test, found };
  }

  it('[C22] names what a module keeps of each tick, and not what it lets go', async () => {
    const Worker = worker([Session, Mailer], (_tick: Tick, session: Session) => kept.push(session));
    const { registry, found, log } = await start({ providers: [Worker, Session, Mailer] });
    const reports = [await registry.run('Worker.run'), await registry.run('Worker.run')];
    await collectGarbage();

    const { tickId, history } = reports[0]!;
    expect(found).toEqual([
      {
        schedule: 'Worker.run',
        className: 'Session',
        count: 2,
        tickId,
        scopeId: history[0]!.scopeId,
        ageMs: expect.any(Number),
        place: undefined,
      },
    ]);
    expect(found[0]!.ageMs).toBeGreaterThan(0);
    expect(log.of('warn')).toEqual([
      `Leak: 2 instances of Session are still reachable after their scopes closed (schedule Worker.run; the oldest, from ${tickId}, ${history[0]!.scopeId}, for ${Math.round(found[0]!.ageMs / 1_000)} s). Look for what holds them: a module-level array or map, an event listener, a timer's closure, or a field of a singleton.`,
    ]);
  });

  it('[C22] finds what a field of a singleton and the closure of a timer hold', async () => {
    @Injectable()
    class Cache {
      last: unknown;
    }
    @Transient()
    class Part {}
    let timer: NodeJS.Timeout | undefined;
    const Worker = worker(
      [Cache, Session, Part],
      (_tick: Tick, cache: Cache, session: Session, part: Part) => {
        cache.last = session;
        timer = setInterval(() => void part, 3_600_000).unref();
      },
    );
    const { registry, found, log } = await start({ providers: [Worker, Cache, Session, Part] });
    await registry.run('Worker.run');
    await collectGarbage();

    expect(found.map(({ className, count }) => [className, count])).toEqual([
      ['Session', 1],
      ['Part', 1],
    ]);
    expect(log.of('warn')[0]).toMatch(
      /^Leak: 1 instance of Session is still reachable after its scope closed \(schedule Worker\.run; from tick-\S+, scope-\S+, for \d+ s\)\. Look for what holds it: /,
    );
    clearInterval(timer);
  });

  it('[C22] names the place that opened a standalone scope', async () => {
    const { scopes, found } = await start({ providers: [Session] });
    const keep = async (): Promise<void> => {
      await scopes.run(async (scope) => kept.push(await scope.resolve(Session)));
    };
    await keep();
    await collectGarbage();

    expect(found).toMatchObject([{ schedule: undefined, tickId: undefined, className: 'Session' }]);
    expect(found[0]!.place).toMatch(/^\/.*leak-found\.spec\.ts:\d+:\d+$/);
  });

  it('reports a class of a schedule once, and again when the count has doubled', async () => {
    const Worker = worker([Session], (_tick: Tick, session: Session) => kept.push(session));
    const { registry, found } = await start({ providers: [Worker, Session] });
    for (let tick = 1; tick <= 4; tick += 1) {
      await registry.run('Worker.run');
      await collectGarbage();
    }

    expect(found.map(({ count }) => count)).toEqual([1, 2, 4]);
    expect(new Set(found.map(({ scopeId }) => scopeId)).size).toBe(1);
  });

  it('counts only what is alive', async () => {
    const Worker = worker([Session], (_tick: Tick, session: Session) => kept.push(session));
    const { registry, found } = await start({ providers: [Worker, Session] });
    await registry.run('Worker.run');
    await collectGarbage();
    kept.splice(0);
    await collectGarbage();
    await registry.run('Worker.run'); // one is alive, as before
    await collectGarbage();
    expect(found).toHaveLength(1);
    await registry.run('Worker.run');
    await collectGarbage();

    expect(found.map(({ count }) => count)).toEqual([1, 2]);
  });

  it('does not name what no scope owns', async () => {
    @Injectable()
    class Singleton {}
    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Durable {}
    const lent = { pool: true };
    const scoped = (provide: string, useFactory: () => object) => ({
      provide,
      scope: Scope.REQUEST,
      useFactory,
    });
    const tokens = [Singleton, 'VALUE', 'SHARED', 'AGAIN'];
    const Worker = worker(tokens, (_tick: Tick, ...injected: unknown[]) => kept.push(injected));
    const { registry, found } = await start({
      providers: [
        Worker,
        Singleton,
        Durable,
        { provide: 'VALUE', useValue: {} },
        scoped('SHARED', () => shared({})),
        scoped('AGAIN', () => lent), // to one scope after the other
      ],
    });
    await registry.run('Worker.run');
    await registry.run('Worker.run');
    await collectGarbage();

    expect(found).toEqual([]);
    expect(kept).toHaveLength(2);
  });

  it('names a plain object of a factory by its token', async () => {
    const factory = { provide: 'ROWS', scope: Scope.REQUEST, useFactory: () => ({ rows: [] }) };
    const Worker = worker(['ROWS'], (_tick: Tick, rows: object) => kept.push(rows));
    const { registry, found } = await start({ providers: [Worker, factory] });
    await registry.run('Worker.run');
    await collectGarbage();

    expect(found).toMatchObject([{ className: 'ROWS', count: 1 }]);
  });

  it('is not held up by the report of a tick whose handler and disposer threw', async () => {
    class Failing {
      fail(): never {
        throw new Error('down');
      }
      onModuleDestroy(): never {
        throw new AggregateError([new Error('cannot dispose')]);
      }
    }
    RequestScoped()(Failing);
    const Worker = worker([Failing], (_tick: Tick, failing: Failing) => failing.fail());
    const { registry, found } = await start({ providers: [Worker, Failing] });
    await registry.run('Worker.run');
    await collectGarbage();

    expect(registry.get('Worker.run').lastReport?.error).toBeInstanceOf(Error);
    expect(found).toEqual([]);
  });

  it('is not held up by the error of an attempt that is followed by a long wait', async () => {
    class Failing {
      fail(): never {
        throw new Error('down');
      }
    }
    RequestScoped()(Failing);
    const Worker = worker([Failing], (_tick: Tick, failing: Failing) => failing.fail(), {
      retry: { attempts: 2, backoffMs: 3_600_000 },
    });
    const { registry, found, next } = await start({ providers: [Worker, Failing] });
    const retrying = next('tick:retrying');
    const ended = registry.run('Worker.run');
    const { error } = await retrying;
    await collectGarbage();

    expect(error).toBeInstanceOf(Error);
    expect(found).toEqual([]);
    registry.cancel('Worker.run');
    await ended;
  });

  it('waits for graceMs, and forgets a schedule that is removed', async () => {
    const Worker = worker([Session], (_tick: Tick, session: Session) => kept.push(session));
    const providers = [Worker, Session];
    const patient = await start({ providers }, { graceMs: 600_000 });
    await patient.registry.run('Worker.run');
    const removed = await start({ providers });
    await removed.registry.run('Worker.run');
    removed.registry.remove('Worker.run');
    await collectGarbage();

    expect(kept).toHaveLength(2);
    expect(patient.found).toEqual([]);
    expect(removed.found).toEqual([]);
  });

  it('follows the share of scopes that sample says', async () => {
    const random = jest.spyOn(Math, 'random');
    const Worker = worker([Session], (_tick: Tick, session: Session) => kept.push(session));
    const { registry, found } = await start(
      { providers: [Worker, Session] },
      { graceMs: 0, sample: 0.25 },
    );
    for (const drawn of [0.24, 0.25, 0.9]) {
      random.mockReturnValue(drawn);
      await registry.run('Worker.run');
    }
    random.mockRestore();
    await collectGarbage();

    expect(found.map(({ count }) => count)).toEqual([1]);
  });

  it('is silent without the option, and after the shutdown', async () => {
    const Worker = worker([Session], (_tick: Tick, session: Session) => kept.push(session));
    const off = await startApp({ providers: [Worker, Session] });
    const found: LeakFound[] = [];
    off.events.on('leak:found', (leak) => found.push(leak));
    await off.registry.run('Worker.run');
    const closed = await start({ providers: [Worker, Session] });
    await closed.registry.run('Worker.run');
    await closed.app.close();
    await collectGarbage();

    expect(kept).toHaveLength(2);
    expect([...found, ...closed.found]).toEqual([]);
  });
});
