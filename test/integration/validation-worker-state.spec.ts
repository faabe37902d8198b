import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Inject,
  Injectable,
  Scope,
  type DynamicModule,
  type Provider,
  type Type,
} from '@nestjs/common';
import { Cron, ScheduleModule } from '@nestjs/schedule';
import {
  inspectScopes,
  ScopedConsumer,
  ScopedCron,
  ScopedWorker,
  inMemoryQueue,
  shared,
  type Finding,
  type ScopedWorkerModuleOptions,
} from '../../lib/index.js';
import { closeApps, startApp, type TestApp } from '../support/app.js';
import { RequestScoped, YEARLY } from '../support/probes.js';
import { refusal } from '../support/refusal.js';
import { told } from '../support/validation.js';

@RequestScoped()
class Tenant {
  name = 'acme';
}

@Injectable()
class Api {}

/** What is reported from here on. */
function foundBy({ events }: TestApp): Finding[] {
  const found: Finding[] = [];
  events.on('finding:reported', (finding) => found.push(finding));
  return found;
}

/** An application of one worker, with what it reports while it runs. */
async function started(
  worker: Provider,
  options: ScopedWorkerModuleOptions = {},
): Promise<TestApp & { found: Finding[] }> {
  const test = await startApp({
    providers: [Tenant, Api, worker],
    options: { scopeValidation: 'strict', ...options },
  });
  return { ...test, found: foundBy(test) };
}

/** What is reported of a worker whose handler is `run`, in four ticks. */
async function reported(worker: Type, options?: ScopedWorkerModuleOptions): Promise<Finding[]> {
  const { registry, found } = await started(worker, options);
  for (let tick = 0; tick < 4; tick += 1) await registry.run('Sync.run');
  return found;
}

const environment = process.env['NODE_ENV'];

describe('A handler that leaves state on its worker', () => {
  beforeEach(() => {
    process.env['NODE_ENV'] = 'test';
  });
  afterEach(async () => {
    process.env['NODE_ENV'] = environment;
    await closeApps();
  });

  @ScopedWorker()
  class Sync {
    private announcedVersion = 0;
    private readonly unchanged = { rows: 0 };
    timer: object | undefined;

    constructor(readonly tenant: Tenant) {}

    @ScopedCron(YEARLY)
    run(): void {
      this.announcedVersion += 1;
      this.unchanged.rows += 1;
      this.timer = {};
    }
  }

  it('is reported once, with the fields', async () => {
    expect(await reported(Sync)).toEqual([
      {
        number: 'SW209',
        kind: 'state-on-worker',
        severity: 'info',
        subject: 'Sync.run',
        token: Sync,
        chain: [],
        message:
          "Sync.run leaves changed fields on its worker: announcedVersion, timer. The next tick gets a new Sync, so the values of these fields are lost. If a later tick needs this state, keep it in a singleton and inject that. If only this tick uses it, add SW209 for 'Sync.run' to allowFindings.",
      },
    ]);
  });

  it('is reported once for a worker that runs once for each import of its module', async () => {
    @ScopedWorker()
    class Sync {
      count = 0;

      constructor(@Inject('region') readonly region: string) {}

      @ScopedCron(YEARLY, {
        name: { inject: ['region'], useFactory: (region: string) => `sync ${region}` },
      })
      run(): void {
        this.count += 1;
      }
    }
    class SyncModule {}
    const of = (region: string): DynamicModule => ({
      module: SyncModule,
      providers: [Sync, { provide: 'region', useValue: region }],
    });
    const test = await startApp({ imports: [of('eu'), of('us')] });
    const found = foundBy(test);
    for (const name of ['sync eu', 'sync us']) await test.registry.run(name);
    expect(found.map(({ subject }) => subject)).toEqual(['Sync.run']);
  });

  it('names up to ten fields', async () => {
    const fill = async (count: number): Promise<string> => {
      @ScopedWorker()
      class Filler {
        @ScopedCron(YEARLY)
        run(): void {
          for (let at = 1; at <= count; at += 1) Object.assign(this, { [`f${at}`]: at });
        }
      }
      const { registry, found } = await started(Filler, { scopeValidation: 'error' });
      await registry.run('Filler.run');
      return found.find(({ number }) => number === 'SW209')!.message;
    };
    const ten = 'f1, f2, f3, f4, f5, f6, f7, f8, f9, f10';
    expect(await fill(10)).toContain(`worker: ${ten}. The`);
    expect(await fill(12)).toContain(`worker: ${ten} and 2 more. The`);
  });

  it('is logged for information, and shown by the inspector', async () => {
    const { app, log, registry } = await started(Sync);
    await registry.run('Sync.run');
    const lines = log.of('log').filter((line) => line.startsWith('[SW209] Sync.run leaves '));
    expect(lines).toHaveLength(1);
    expect(inspectScopes(app).findings).toMatchObject([{ number: 'SW209', subject: 'Sync.run' }]);
  });

  it('is reported for each of its handlers, and where the field is new or set late', async () => {
    @ScopedWorker()
    class Worker {
      [name: string]: unknown;

      constructor(readonly tenant: Tenant) {}

      @ScopedCron(YEARLY)
      once(): void {
        this['added'] = 1;
      }

      @ScopedCron(YEARLY)
      async late(): Promise<void> {
        await Promise.resolve();
        this['set'] = 1;
      }

      @ScopedCron(YEARLY)
      fails(): void {
        this['before'] = 1;
        throw new Error('after it');
      }
    }
    const { registry, found } = await started(Worker);
    for (const method of ['once', 'late', 'fails']) await registry.run(`Worker.${method}`);
    expect(found.map(({ subject }) => subject)).toEqual([
      'Worker.once',
      'Worker.late',
      'Worker.fails',
    ]);
    expect(found[0]!.message).toContain(
      'leaves a changed field on its worker: added. The next tick gets a new Worker, so the value of this field is lost.',
    );
  });

  it('is reported of messages, and of adopted jobs', async () => {
    @ScopedWorker()
    class Orders {
      count = 0;
      constructor(readonly tenant: Tenant) {}

      @ScopedConsumer('ORDERS')
      take(): void {
        this.count += 1;
      }
    }
    @Injectable()
    class Job {
      count = 0;
      constructor(readonly tenant: Tenant) {}

      @Cron(YEARLY)
      run(): void {
        this.count += 1;
      }
    }
    const orders = inMemoryQueue<number>({ capacity: 1 });
    const { registry, next, events } = await startApp({
      imports: [ScheduleModule.forRoot()],
      providers: [Tenant, Orders, Job, { provide: 'ORDERS', useValue: orders }],
      options: { adoptNestSchedules: true },
    });
    const found: string[] = [];
    events.on('finding:reported', ({ subject }) => found.push(subject));
    const taken = next('tick:finished');
    await orders.put(1);
    await taken;
    await registry.run('Job.run');
    expect(found).toEqual(['Orders.take', 'Job.run']);
  });

  describe('is not reported', () => {
    it('for what the constructor and injection set, for getters, and for what is cleared again', async () => {
      let read = 0;
      @ScopedWorker()
      class Quiet {
        @Inject(Api) readonly api!: Api;
        running = false;
        pending: object | undefined;
        client: object | null = {};

        constructor(readonly tenant: Tenant) {
          Object.defineProperty(this, 'clock', { enumerable: true, get: () => (read += 1) });
        }

        get elsewhere(): number {
          return (read += 1);
        }

        @ScopedCron(YEARLY, { name: 'Sync.run' })
        run(): void {
          this.running = true;
          this.pending = {};
          this.tenant.name = 'globex';
          this.running = false;
          this.pending = undefined;
          this.client = null;
        }
      }
      expect(await reported(Quiet)).toEqual([]);
      expect(read).toBe(0);
    });

    it('when it happens after the first three calls', async () => {
      let call = 0;
      @ScopedWorker()
      class Late {
        value = 0;
        constructor(readonly tenant: Tenant) {}

        @ScopedCron(YEARLY, { name: 'Sync.run' })
        run(): void {
          if ((call += 1) > 3) this.value = call;
        }
      }
      expect(await reported(Late)).toEqual([]);
      expect(call).toBe(4);
    });

    it('in production, unless it is asked for', async () => {
      process.env['NODE_ENV'] = 'production';
      expect(await reported(Sync)).toEqual([]);
      expect(await reported(Sync, { stateDetection: true })).toHaveLength(1);
    });

    it("when the option is false, and under 'off'", async () => {
      expect(await reported(Sync, { stateDetection: false })).toEqual([]);
      expect(await reported(Sync, { scopeValidation: 'off', stateDetection: true })).toEqual([]);
    });

    it.each<[string, unknown]>([
      ['the handler', 'Sync.run'],
      ['the class', Sync],
    ])('when %s is allowed', async (_what, token) => {
      const allowFindings = [
        { finding: 'SW209', token: token as Function, reason: 'a cache for one tick' },
      ];
      const test = await started(Sync, { allowFindings });
      // Before the handler ran, nothing says that the allowance has no use.
      expect(told(test)).toEqual([]);
      await test.registry.run('Sync.run');
      expect(test.found).toEqual([]);
      expect(inspectScopes(test.app).allowed).toMatchObject([
        { finding: { subject: 'Sync.run' }, reason: 'a cache for one tick' },
      ]);
    });

    it('where one instance serves all ticks', async () => {
      @Injectable()
      @ScopedWorker()
      class Shared {
        runs = 0;

        @ScopedCron(YEARLY, { name: 'Sync.run' })
        run(): void {
          this.runs += 1;
        }
      }
      const allowFindings = [{ finding: 'SW101', token: Shared, reason: 'one instance' }];
      expect(await reported(Shared, { allowFindings })).toEqual([]);
    });
  });

  describe('and that a factory builds', () => {
    const tenant = new Tenant();
    const made = (useFactory: () => Sync): Promise<TestApp & { found: Finding[] }> =>
      started({ provide: Sync, scope: Scope.REQUEST, useFactory });
    const inTicks = async ({ registry, found }: Awaited<ReturnType<typeof made>>, ticks = 4) => {
      for (let tick = 0; tick < ticks; tick += 1) await registry.run('Sync.run');
      return found;
    };

    it('is reported under its token, once a second instance proves that the state is lost', async () => {
      class SyncOfTenant extends Sync {}
      const test = await made(() => new SyncOfTenant(tenant));
      expect(await inTicks(test, 1)).toEqual([]);
      expect(await inTicks(test)).toMatchObject([{ subject: 'Sync.run', token: Sync }]);
      expect(test.found[0]!.message).toMatch(
        /^Sync\.run leaves changed fields .* gets a new Sync, .* add SW209 for 'Sync\.run' to allowFindings\.$/,
      );
    });

    it.each<[string, ScopedWorkerModuleOptions]>([
      ['always', {}],
      ['under strict leak detection', { leakDetection: { strict: true } }],
    ])('is not reported if it returns one object %s', async (_when, options) => {
      const only = new Sync(tenant);
      const provider = { provide: Sync, scope: Scope.REQUEST, useFactory: () => only };
      expect(await inTicks(await started(provider, options))).toEqual([]);
      expect(only).toMatchObject({ announcedVersion: 4 });
    });

    it('is not reported if it returns what a singleton holds', async () => {
      const { registry, found } = await startApp({
        providers: [
          { provide: 'only', useFactory: () => new Sync(tenant) },
          {
            provide: Sync,
            scope: Scope.REQUEST,
            inject: ['only'],
            useFactory: (only: Sync) => only,
          },
        ],
      }).then((test) => ({ ...test, found: foundBy(test) }));
      for (let tick = 0; tick < 4; tick += 1) await registry.run('Sync.run');
      expect(found.filter(({ number }) => number === 'SW209')).toEqual([]);
    });

    it('is not reported if what it returns is shared()', async () => {
      const pool = [1, 2].map(() => shared(new Sync(tenant)));
      let next = 0;
      expect(await inTicks(await made(() => pool[(next += 1) % 2]!))).toEqual([]);
    });
  });

  it('is reported under strict leak detection as well', async () => {
    expect(await reported(Sync, { leakDetection: { strict: true } })).toHaveLength(1);
  });

  it('refuses an option that is not a boolean', async () => {
    const error = await refusal({ options: { stateDetection: 'yes' as unknown as boolean } });
    expect(error.message).toContain('ScopedWorkerModule: stateDetection ');
  });
});
