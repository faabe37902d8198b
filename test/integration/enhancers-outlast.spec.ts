import {
  createParamDecorator,
  UseFilters,
  UseInterceptors,
  type ArgumentMetadata,
  type ArgumentsHost,
  type CallHandler,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { from, lastValueFrom, Observable, of } from 'rxjs';
import { concatMap, timeout } from 'rxjs/operators';
import {
  ScopedConsumer,
  ScopedCron,
  ScopedWorker,
  type HandlerOptions,
  type Tick,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { HandSource, SOURCE, until } from '../support/consumers.js';
import { gate } from '../support/gate.js';
import { probes, RequestScoped, YEARLY } from '../support/probes.js';
import { turns } from '../support/running-tick.js';

const passOn = { intercept: (_: ExecutionContext, next: CallHandler) => next.handle() };

/** Stops waiting after 20 ms, as the example of Nest's own pages does. */
const impatient = {
  intercept: (_: ExecutionContext, next: CallHandler) => next.handle().pipe(timeout(20)),
};

/** Starts a schedule whose handler ignores its signal until the gate opens. */
async function stubborn(interceptor: typeof passOn, options: HandlerOptions) {
  const held = gate();
  const lines: string[] = [];
  @ScopedWorker()
  @UseInterceptors(interceptor)
  class Worker {
    @ScopedCron(YEARLY, options)
    async run({ attempt, scope }: Tick): Promise<void> {
      scope.defer(() => lines.push(`disposed ${attempt}`));
      lines.push(`began ${attempt}`);
      await held.opened;
      lines.push(`ended ${attempt}`);
    }
  }
  return { ...(await startApp({ providers: [Worker] })), held, lines };
}

describe('A handler behind an interceptor', () => {
  afterEach(closeApps);

  it('[D32] is waited for before its scope is disposed, when its time is up', async () => {
    const { registry, held, lines } = await stubborn(passOn, { timeoutMs: 20 });
    const report = registry.run('Worker.run');
    await until(() => lines.length > 0);
    await delay(40);
    held.open();
    expect((await report).outcome).toBe('timed-out');
    expect(lines).toEqual(['began 1', 'ended 1', 'disposed 1']);
  });

  it('[XB3] is waited for before the next attempt, when the interceptor stops waiting', async () => {
    const { registry, held, lines } = await stubborn(impatient, { retry: { attempts: 2 } });
    const report = registry.run('Worker.run');
    await until(() => lines.length > 0);
    await delay(60);
    held.open();
    await report;
    expect(lines.slice(0, 4)).toEqual(['began 1', 'ended 1', 'disposed 1', 'began 2']);
  });

  it('[XB3] is waited for by the tick that takes its place, and by app.close()', async () => {
    const { app, registry, held, lines } = await stubborn(passOn, { overlap: 'cancel-other' });
    void registry.run('Worker.run');
    await until(() => lines.length > 0);
    void registry.run('Worker.run');
    await turns();
    const closed = app.close();
    await turns();
    expect(lines).toEqual(['began 1']);
    held.open();
    await closed;
    expect(lines).toEqual(['began 1', 'ended 1', 'disposed 1']);
  });

  it('[XB3] keeps its message until it has ended', async () => {
    const held = gate();
    const begun = gate();
    const source = new HandSource();
    @ScopedWorker()
    @UseInterceptors(passOn)
    class Worker {
      @ScopedConsumer(SOURCE)
      async run({ signal }: Tick): Promise<void> {
        begun.open();
        await held.opened;
        signal.throwIfAborted();
      }
    }
    const providers = [Worker, { provide: SOURCE, useValue: source }];
    const { registry } = await startApp({ providers });
    source.give('x');
    await begun.opened;
    registry.cancel('Worker.run');
    await turns();
    expect(source.fates).toEqual([]);
    held.open();
    await source.settled(1);
    expect(source.fates).toEqual(['nack 1']);
  });

  it('[XB3] is not called by an interceptor that asks for it once the scope has closed', async () => {
    const handle = gate<() => void>();
    const refused = gate<unknown>();
    const early = {
      intercept: (_: ExecutionContext, next: CallHandler) => {
        handle.open(() => next.handle().subscribe({ error: refused.open }));
        return of('early');
      },
    };
    const { registry, lines } = await stubborn(early, {});
    expect((await registry.run('Worker.run')).value).toBe('early');
    (await handle.opened)();
    expect(await refused.opened).toMatchObject({ code: 'SCOPE_CLOSED' });
    expect(lines).toEqual([]);
  });
});

describe('The Observable of a handler', () => {
  afterEach(closeApps);

  /** Subscribes to the handler, and doesn't wait for it. */
  const stale = {
    intercept: (_: ExecutionContext, next: CallHandler) => {
      next.handle().subscribe();
      return of('stale');
    },
  };

  async function observed(
    source: (tick: Tick) => Observable<unknown>,
    interceptor: NestInterceptor = stale,
  ) {
    @ScopedWorker()
    @UseInterceptors(interceptor)
    class Worker {
      @ScopedCron(YEARLY)
      run(tick: Tick): Observable<unknown> {
        tick.scope.onCommit(() => lines.push('committed'));
        tick.scope.defer(() => lines.push('disposed'));
        return source(tick);
      }
    }
    const lines: string[] = [];
    return { ...(await startApp({ providers: [Worker] })), lines };
  }

  it('[XB3] to which an interceptor subscribes on its own ends before the scope commits', async () => {
    const [subscribed, held] = [gate(), gate()];
    const { registry, lines } = await observed(
      () =>
        new Observable((subscriber) => {
          subscribed.open();
          void held.opened.then(() => {
            lines.push('ended');
            subscriber.complete();
          });
        }),
    );
    const report = registry.run('Worker.run');
    await subscribed.opened;
    await turns();
    held.open();
    expect(await report).toMatchObject({ outcome: 'succeeded', value: 'stale' });
    expect(lines).toEqual(['ended', 'committed', 'disposed']);
  });

  it('[XB3] that never ends is ended by an abort, for an interceptor that subscribes on its own too', async () => {
    const subscribed = gate();
    const { registry, lines } = await observed(
      () =>
        new Observable(() => {
          subscribed.open();
          return () => void lines.push('torn down');
        }),
    );
    const report = registry.run('Worker.run');
    await subscribed.opened;
    registry.cancel('Worker.run');
    await report;
    expect(lines).toEqual(['torn down', 'committed', 'disposed']);
  });

  it('[XB3] that never ends and whose teardown throws is ended by an abort for an interceptor that awaits it', async () => {
    const subscribed = gate();
    const awaiting = {
      intercept: async (_: ExecutionContext, next: CallHandler) =>
        of(await lastValueFrom(next.handle(), { defaultValue: undefined })),
    };
    const { registry, lines } = await observed(
      () =>
        new Observable(() => {
          subscribed.open();
          return () => {
            throw new Error('teardown');
          };
        }),
      awaiting,
    );
    const report = registry.run('Worker.run');
    await subscribed.opened;
    registry.cancel('Worker.run');
    expect((await report).outcome).toBe('cancelled');
    expect(lines).toEqual(['disposed']);
  });

  it('[D9] reports a teardown that throws after an abort', async () => {
    const subscribed = gate();
    const { registry, next } = await observed(
      () =>
        new Observable(() => {
          subscribed.open();
          return () => {
            throw new Error('teardown');
          };
        }),
      passOn,
    );
    const stray = next('failure:stray');
    const report = registry.run('Worker.run');
    await subscribed.opened;
    registry.cancel('Worker.run');
    expect(String((await stray).error)).toContain('teardown');
    expect((await report).outcome).toBe('cancelled');
  });

  it.each(['handler', 'interceptor'])(
    '[B36] leaves a promise inside an operator to waitFor, which the scope awaits after an abort too: %s',
    async (where) => {
      const [begun, held] = [gate(), gate()];
      const save = ({ scope }: Tick): Promise<void> => {
        begun.open();
        const saving = held.opened.then(() => void lines.push('saved'));
        scope.waitFor(saving);
        return saving;
      };
      const saving = {
        intercept: (context: ExecutionContext, next: CallHandler) =>
          next.handle().pipe(concatMap(() => save(context.switchToRpc().getData()))),
      };
      const { registry, lines } =
        where === 'handler'
          ? await observed((tick) => from([1]).pipe(concatMap(() => save(tick))), passOn)
          : await observed(() => of(1), saving);
      const report = registry.run('Worker.run');
      await begun.opened;
      registry.cancel('Worker.run');
      await turns();
      held.open();
      expect((await report).outcome).toBe('cancelled');
      expect(lines).toEqual(['saved', 'disposed']);
    },
  );
});

describe('An asynchronous interceptor', () => {
  afterEach(closeApps);

  it.each(['first', 'second'])(
    '[XB3] that is at work when its tick is cancelled ends before the scope is closed: the %s one',
    async (place) => {
      const lines: string[] = [];
      const [begun, held] = [gate(), gate()];
      const slow = {
        async intercept(_: ExecutionContext, next: CallHandler) {
          begun.open();
          await held.opened;
          lines.push('intercepted');
          return next.handle();
        },
      };
      @ScopedWorker()
      @UseInterceptors(...(place === 'first' ? [slow, passOn] : [passOn, slow]))
      class Worker {
        @ScopedCron(YEARLY)
        run(): void {
          lines.push('called');
        }
      }
      const { registry, events } = await startApp({ providers: [Worker] });
      events.on('scope:closed', () => lines.push('closed'));
      const report = registry.run('Worker.run');
      await begun.opened;
      registry.cancel('Worker.run');
      await turns();
      held.open();
      expect((await report).outcome).toBe('cancelled');
      expect(lines).toEqual(['intercepted', 'closed']);
    },
  );
});

describe('A filter that is at work when its tick is aborted', () => {
  afterEach(closeApps);

  it.each(['timeout', 'cancel', 'shutdown'] as const)(
    '[XB3] ends before the scope rolls back and disposes, behind an interceptor too: %s',
    async (cause) => {
      const { journal, Probe } = probes();
      const [begun, held] = [gate<AbortSignal>(), gate()];
      @RequestScoped()
      class Session extends Probe {
        onScopeRollback(): void {
          journal.note('rolled back');
        }
      }
      @RequestScoped()
      class NoteFailure implements ExceptionFilter {
        constructor(private readonly session: Session) {}

        async catch(error: unknown, host: ArgumentsHost): Promise<never> {
          begun.open(host.switchToRpc().getData<Tick>().signal);
          await held.opened;
          journal.note(`written by ${this.session.constructor.name}`);
          throw error;
        }
      }
      @ScopedWorker()
      @UseInterceptors(passOn)
      @UseFilters(NoteFailure)
      class Worker {
        @ScopedCron(YEARLY, cause === 'timeout' ? { timeoutMs: 20 } : {})
        run(): void {
          throw new Error('boom');
        }
      }
      const { app, registry } = await startApp({ providers: [Worker, Session] });
      const report = registry.run('Worker.run');
      const signal = await begun.opened;
      if (cause === 'cancel') registry.cancel('Worker.run');
      const closed = cause === 'shutdown' ? app.close() : undefined;
      await until(() => signal.aborted);
      await turns();
      held.open();
      await Promise.all([report, closed]);
      expect(journal.lines).toEqual([
        'built Session',
        'written by Session',
        'rolled back',
        'disposed Session',
      ]);
    },
  );
});

describe('A filter for everything', () => {
  afterEach(closeApps);

  it('[G4] is not asked about the abort error of an API: the message goes back', async () => {
    const source = new HandSource();
    const begun = gate();
    const asked: unknown[] = [];
    @ScopedWorker()
    @UseFilters({
      catch: (error: unknown) => {
        asked.push(error);
        return null;
      },
    })
    class Worker {
      @ScopedConsumer(SOURCE)
      async run({ signal }: Tick): Promise<void> {
        begun.open();
        await delay(60_000, undefined, { signal });
      }
    }
    const providers = [Worker, { provide: SOURCE, useValue: source }];
    const { registry, next } = await startApp({ providers });
    const finished = next('tick:finished');
    source.give('x');
    await begun.opened;
    registry.cancel('Worker.run');
    expect(await finished).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
    expect([source.fates, asked]).toEqual([['nack 1'], []]);
  });
});

describe('The pipes of parameters', () => {
  afterEach(closeApps);

  it('[B36] have all ended before the scope is closed, also when one fails', async () => {
    const lines: string[] = [];
    const held = gate();
    const pipe = (transform: () => Promise<unknown>): PipeTransform => ({
      transform: (_value: unknown, _of: ArgumentMetadata) => transform(),
    });
    const failing = pipe(async () => {
      await turns();
      throw new Error('bad');
    });
    const slow = pipe(async () => {
      await held.opened;
      lines.push('pipe ended');
    });
    const One = createParamDecorator(() => 1);
    @ScopedWorker()
    class Worker {
      @ScopedCron(YEARLY)
      run(_tick: Tick, @One(failing) _first: unknown, @One(slow) _second: unknown): void {}
    }
    const { registry, events } = await startApp({ providers: [Worker] });
    events.on('scope:closed', () => lines.push('closed'));
    const report = registry.run('Worker.run');
    await turns();
    await turns();
    held.open();
    expect((await report).outcome).toBe('failed');
    expect(lines).toEqual(['pipe ended', 'closed']);
  });
});
