import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Injectable, Scope, type OnModuleDestroy, type Provider } from '@nestjs/common';
import {
  ScopedCron,
  InjectTick,
  ScopedWorker,
  type Tick,
  ScopeValidationError,
  StaysSingleton,
  type Finding,
  type ScopedWorkerModuleOptions,
} from '../../lib/index.js';
import { closeApps, compileApp, startApp, type TestAppOptions } from '../support/app.js';
import { RequestScoped, Transient, YEARLY } from '../support/probes.js';
import { refusal } from '../support/refusal.js';
import { told } from '../support/validation.js';

type Strictness = NonNullable<ScopedWorkerModuleOptions['scopeValidation']>;

@RequestScoped()
class Tenant {
  constructor(@InjectTick() readonly tick: Tick) {}
}

@StaysSingleton()
@Injectable()
class Client {
  constructor(readonly tenant: Tenant) {}
}

@Injectable({ scope: Scope.REQUEST, durable: true })
class Shop {
  constructor(readonly tenant: Tenant) {}
}

@Injectable()
class Pool implements OnModuleDestroy {
  constructor(readonly tenant: Tenant) {}

  onModuleDestroy(): void {}
}

@Transient()
class Connection {
  [Symbol.dispose](): void {}
}

@Controller()
class Home {
  constructor(
    readonly connection: Connection,
    readonly pool: Pool,
  ) {}
}

@Injectable()
class Reports {
  constructor(readonly connection: Connection) {}
}

@ScopedWorker()
class Mailer {
  constructor(
    readonly client: Client,
    readonly shop: Shop,
    readonly pool: Pool,
    readonly tenant: Tenant,
  ) {}

  @ScopedCron(YEARLY)
  send(): void {}
}

@ScopedWorker()
class Cleaner {
  @ScopedCron(YEARLY)
  clean(): void {}
}

const errors = ['SW201', 'SW204'];
const warnings = ['SW202', 'SW203', 'SW206'];
const infos = ['SW207'];

/** An application with a finding of each kind that the validator makes at start-up. */
const everything = (scopeValidation?: Strictness): TestAppOptions => ({
  controllers: [Home],
  providers: [Tenant, Client, Shop, Pool, Connection, Reports, Mailer, Cleaner],
  options: scopeValidation === undefined ? {} : { scopeValidation },
});

const numbersOf = (findings: readonly Finding[]): string[] =>
  findings.map(({ number }) => number).sort();

const numbersIn = (lines: readonly string[]): string[] =>
  lines.map((line) => line.slice(1, 6)).sort();

describe('scopeValidation', () => {
  afterEach(closeApps);

  it.each<[Strictness | undefined, string[]]>([
    [undefined, errors],
    ['error', errors],
    ['strict', [...errors, ...warnings].sort()],
  ])('[C8] %p stops start-up with one error for all of %p', async (scopeValidation, expected) => {
    const error = await refusal(everything(scopeValidation));
    expect(error).toBeInstanceOf(ScopeValidationError);
    expect(numbersOf((error as ScopeValidationError).findings)).toEqual(expected);
  });

  it('[C8] the error lists each finding with its number, one line each', async () => {
    const error = await refusal(everything('strict'));
    const { findings } = error as ScopeValidationError;
    expect(error.message.split('\n')).toEqual([
      `${findings.length} findings stopped start-up, so nothing was scheduled:`,
      ...findings.map(({ number, message }, index) => `  ${index + 1}. [${number}] ${message}`),
    ]);
    for (const finding of findings) {
      expect(finding).toEqual({
        number: expect.stringMatching(/^SW2\d\d$/),
        kind: expect.any(String),
        severity: expect.stringMatching(/^(error|warning)$/),
        subject: expect.any(String),
        token: expect.any(Function),
        chain: expect.any(Array),
        message: expect.stringContaining(finding.subject),
      });
      expect(finding.chain.length).toBeGreaterThan(1);
      expect(finding.message).toContain(finding.chain.join(' -> '));
    }
  });

  it('[C8] reports what does not stop start-up when something else does', async () => {
    const test = await compileApp(everything());
    const error = (await test.app
      .init()
      .catch((thrown: unknown) => thrown)) as ScopeValidationError;
    const inError = numbersOf(error.findings);
    const logged = numbersIn(told(test, 'warn'));
    expect([...inError, ...logged].sort()).toEqual([...errors, ...warnings].sort());
  });

  it('[C8] findings of the schedules and of the lifetimes come in one error', async () => {
    @ScopedWorker()
    class Unreadable {
      @ScopedCron('sometimes')
      run(): void {}
    }
    const error = await refusal({
      ...everything(),
      providers: [Tenant, Client, Unreadable],
      controllers: [],
    });
    expect(numbersOf((error as ScopeValidationError).findings)).toEqual(['SW002', 'SW201']);
  });

  it('[XC6] a second init() says the same as the first', async () => {
    @ScopedWorker()
    class Single {
      @ScopedCron(YEARLY)
      run(): void {}
    }
    const single = { provide: Single, useFactory: () => new Single() };
    const { app } = await compileApp({ providers: [Tenant, Client, single] });
    const texts = [await textOfInit(app), await textOfInit(app)];
    expect(texts[0]).toContain('2 findings stopped start-up');
    expect(texts[1]).toBe(texts[0]);
  });

  it("'warn' starts and logs errors and warnings, each once, and a line for each kind of hint", async () => {
    const test = await startApp(everything('warn'));
    expect(numbersIn(told(test, 'warn'))).toEqual([...errors, ...warnings].sort());
    expect(numbersIn(told(test, 'log'))).toEqual(infos);
  });

  it("'off' starts and says nothing", async () => {
    expect(told(await startApp(everything('off')))).toEqual([]);
  });

  describe('when there are only warnings', () => {
    const metadata = (scopeValidation?: Strictness): TestAppOptions => ({
      providers: [Tenant, Pool, Connection, Reports, mailerOver(Pool), Cleaner],
      options: scopeValidation === undefined ? {} : { scopeValidation },
    });

    it.each<[Strictness | undefined]>([[undefined], ['error'], ['warn']])(
      '%p logs each once, with its number, and starts',
      async (scopeValidation) => {
        const test = await startApp(metadata(scopeValidation));
        expect(told(test, 'warn')).toEqual([
          expect.stringMatching(/^\[SW202\] Pool is built again on every tick, /),
          expect.stringMatching(/^\[SW203\] Connection is transient /),
        ]);
        expect(told(test, 'error')).toEqual([]);
      },
    );

    it("'strict' stops start-up", async () => {
      const error = await refusal(metadata('strict'));
      expect(error.message).toMatch(/^2 findings stopped start-up, /);
    });
  });

  it("hints stop nothing, under 'strict' either", async () => {
    const test = await startApp({ providers: [Cleaner], options: { scopeValidation: 'strict' } });
    expect(numbersIn(told(test))).toEqual(infos);
  });

  describe('in every environment', () => {
    const given = process.env.NODE_ENV;
    const found: Record<string, unknown> = {};

    beforeEach(() => void delete process.env.NODE_ENV);
    afterEach(() => void (process.env.NODE_ENV = given));

    it.each([undefined, 'production', 'development', 'test', 'staging'])(
      '[C12] finds and says the same: NODE_ENV %p',
      async (environment) => {
        if (environment !== undefined) process.env.NODE_ENV = environment;
        const error = await refusal(everything());
        const { log } = await startApp(everything('warn'));
        const lines = log.entries.filter(({ message }) => message.startsWith('[SW2'));
        found.first ??= [error.message, lines];
        expect([error.message, lines]).toEqual(found.first);
        expect(lines).toHaveLength(errors.length + warnings.length + infos.length);
      },
    );
  });
});

function mailerOver(pool: typeof Pool): Provider {
  @ScopedWorker()
  class Over {
    @ScopedCron(YEARLY)
    send(): void {}
  }
  Reflect.defineMetadata('design:paramtypes', [pool], Over);
  return Over;
}

async function textOfInit(app: { init(): Promise<unknown> }): Promise<string> {
  return app.init().then(
    () => 'started',
    (error: unknown) => (error as Error).message,
  );
}
