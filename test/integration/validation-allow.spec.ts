import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module, type OnModuleDestroy, type Provider } from '@nestjs/common';
import { Cron, ScheduleModule } from '@nestjs/schedule';
import { Test } from '@nestjs/testing';
import {
  InvalidOptionsError,
  inspectScopes,
  ScopedWorker,
  ScopedWorkerModule,
  StaysSingleton,
  type Allowance,
} from '../../lib/index.js';
import { warningsOf } from '../support/adoption.js';
import { closeApps, startApp, type TestApp } from '../support/app.js';
import { refusal } from '../support/refusal.js';
import { RequestScoped, worker } from '../support/probes.js';
import { findingsOf, startClean, told, wordsAbout } from '../support/validation.js';

@RequestScoped()
class Tenant {}

@Injectable()
class Pool implements OnModuleDestroy {
  constructor(readonly tenant: Tenant) {}

  onModuleDestroy(): void {}
}

@StaysSingleton()
@Injectable()
class Client {
  constructor(readonly tenant: Tenant) {}
}

const providers = (): Provider[] => [Tenant, Pool, Client, worker([Pool])];
const reason = 'one for each tick is what the vendor asks for';
const both: Allowance[] = [
  { finding: 'resource-rebuilt', token: Pool, reason },
  { finding: 'singleton-rebuilt', token: Client, reason },
];

describe('allowFindings', () => {
  afterEach(closeApps);

  it('takes a finding out of the report, and keeps the rest', async () => {
    const all = await findingsOf({ providers: providers() });
    expect(all.map(({ kind }) => kind)).toEqual(['singleton-rebuilt', 'resource-rebuilt']);
    for (const [index, kind] of ['resource-rebuilt', 'singleton-rebuilt'].entries()) {
      const findings = await findingsOf({
        providers: providers(),
        options: { allowFindings: [both[index]!] },
      });
      expect(findings.map((finding) => finding.kind)).toEqual(
        ['singleton-rebuilt', 'resource-rebuilt'].filter((other) => other !== kind),
      );
    }
  });

  it('has an application start of which all findings are allowed, and the inspector lists them with their reasons', async () => {
    const { app } = await startClean({ providers: providers(), options: { allowFindings: both } });
    const { allowed, findings } = inspectScopes(app);
    expect(findings.filter(({ kind }) => kind !== 'worker-not-provided')).toEqual([]);
    expect(
      allowed.map((entry) => [entry.finding.kind, entry.finding.subject, entry.reason]),
    ).toEqual([
      ['singleton-rebuilt', 'Client', reason],
      ['resource-rebuilt', 'Pool', reason],
    ]);
  });

  describe('names a finding', () => {
    const symbol = Symbol('pool');
    it.each<[string, Provider, Allowance]>([
      ['by its kind', Pool, { finding: 'resource-rebuilt', token: Pool, reason }],
      ['by its number', Pool, { finding: 'SW202', token: Pool, reason }],
      ['by the name of the culprit', Pool, { finding: 'SW202', token: 'Pool', reason }],
      [
        'by a string token',
        { provide: 'pool', useClass: Pool },
        { finding: 'SW202', token: 'pool', reason },
      ],
      [
        'by a symbol',
        { provide: symbol, useClass: Pool },
        { finding: 'SW202', token: symbol, reason },
      ],
    ])('%s', async (_what, provider, allowance) => {
      const token = typeof provider === 'function' ? provider : provider.provide;
      expect(
        await wordsAbout({
          providers: [Tenant, provider, worker([token])],
          options: { allowFindings: [allowance] },
        }),
      ).toEqual([]);
    });

    it.each<[string, Allowance]>([
      ['of another kind', { finding: 'SW201', token: Pool, reason }],
      ['of another provider', { finding: 'SW202', token: Tenant, reason }],
      [
        'of another class of the same name',
        {
          finding: 'SW202',
          token: Object.defineProperty(class {}, 'name', { value: 'Pool' }),
          reason,
        },
      ],
      ['in other letters', { finding: 'SW202', token: 'pool', reason }],
    ])('and not one %s', async (_what, allowance) => {
      const findings = await findingsOf({
        providers: [Tenant, Pool, worker([Pool])],
        options: { allowFindings: [allowance] },
      });
      expect(findings).toMatchObject([{ kind: 'resource-rebuilt', subject: 'Pool' }]);
    });
  });

  it('names one handler of a class, or all of them', async () => {
    @Injectable()
    class Mailer {
      constructor(readonly tenant: Tenant) {}

      @Cron('0 0 1 1 *')
      send(): void {}

      @Cron('0 0 1 1 *')
      poll(): void {}
    }
    const metadata = { imports: [ScheduleModule.forRoot()], providers: [Tenant, Mailer] };
    const one = [{ finding: 'nest-schedule-skipped', token: 'Mailer.send', reason }];
    const findings = await findingsOf({ ...metadata, options: { allowFindings: one } });
    expect(findings.map(({ subject }) => subject)).toEqual(['Mailer.poll']);

    const all = [{ finding: 'SW106', token: Mailer, reason }];
    const { log } = await startApp({ ...metadata, options: { allowFindings: all } });
    expect(warningsOf(log).filter((line) => line.startsWith('[SW'))).toEqual([]);
  });

  describe('when an entry fits no finding', () => {
    const allowFindings = [{ finding: 'SW202', token: Pool, reason }];
    const line =
      '[SW208] allowFindings names SW202 for Pool, but start-up reports no such finding. The entry would hide any such finding that appears later. Remove it, or correct its finding or its token.';
    const start = (scopeValidation: 'strict' | 'error' | 'warn' | 'off'): Promise<TestApp> =>
      startApp({
        providers: [Tenant, worker([Tenant])],
        options: { allowFindings, scopeValidation },
      });

    it.each(['strict', 'error', 'warn'] as const)(
      "reported under '%s', and the application starts",
      async (scopeValidation) => {
        const test = await start(scopeValidation);
        expect(told(test)).toEqual([line]);
        expect(inspectScopes(test.app).findings).toContainEqual(
          expect.objectContaining({ number: 'SW208', kind: 'allowance-unused', severity: 'info' }),
        );
      },
    );

    it("reports nothing under 'off', where nothing is looked at", async () => {
      expect(told(await start('off'))).toEqual([]);
    });

    it('reports no entry for a worker that is not provided, because tests have no such finding', async () => {
      @ScopedWorker()
      class Elsewhere {}
      const options = { allowFindings: [{ finding: 'SW104', token: Elsewhere, reason }] };
      const imports = [ScopedWorkerModule.forRoot(options)];
      const app = await Test.createTestingModule({ imports }).compile();
      expect(inspectScopes(app).findings).toEqual([]);
    });

    it('reports each, with what it names', async () => {
      const more = [...allowFindings, { finding: 'durable-captive', token: 'cache', reason }];
      const test = await startApp({ options: { allowFindings: more } });
      expect(told(test)).toEqual([
        line,
        line.replace('SW202 for Pool', 'durable-captive for cache'),
      ]);
    });
  });

  describe('is refused with one sentence for each thing that is wrong', () => {
    const entry = { finding: 'SW202', token: Pool, reason };

    it.each<[string, unknown, string]>([
      [
        'a text',
        'SW202',
        'allowFindings must be a list of { finding, token, reason }, not "SW202"',
      ],
      ['one entry', entry, 'allowFindings must be a list of { finding, token, reason }, not '],
      [
        'an entry other than an object',
        ['SW202'],
        'allowFindings[0] must be { finding, token, reason }, not "SW202"',
      ],
      ['a list in it', [[entry]], 'allowFindings[0] must be { finding, token, reason }, not '],
      ['null', [entry, null], 'allowFindings[1] must be { finding, token, reason }, not null'],
      [
        'a finding that does not exist',
        [{ ...entry, finding: 'SW999' }],
        'allowFindings[0] has finding "SW999", which cannot be allowed; write a number such as "SW202", or one of worker-not-scoped, worker-ready-made, ',
      ],
      [
        'a finding without which there is nothing to run',
        [{ ...entry, finding: 'invalid-schedule' }],
        'allowFindings[0] has finding "invalid-schedule", which cannot be allowed; ',
      ],
      [
        'no finding',
        [{ token: Pool, reason }],
        'allowFindings[0] has finding undefined, which cannot be allowed; ',
      ],
      [
        'a number for a token',
        [{ ...entry, token: 5 }],
        'allowFindings[0] needs the token of the culprit (a class, a string or a symbol), not 5',
      ],
      [
        'no token',
        [{ finding: 'SW202', reason }],
        'allowFindings[0] needs the token of the culprit (a class, a string or a symbol), not undefined',
      ],
      [
        'no reason',
        [{ finding: 'SW202', token: Pool }],
        'allowFindings[0] needs a reason (a sentence for the next reader), not undefined',
      ],
      [
        'an empty reason',
        [{ ...entry, reason: ' ' }],
        'allowFindings[0] needs a reason (a sentence for the next reader), not " "',
      ],
      [
        'a key of another kind',
        [{ ...entry, until: 2027 }],
        'allowFindings[0] has the unknown key until; write { finding, token, reason }',
      ],
    ])('%s', async (_what, allowFindings, text) => {
      const error = await refusal({ options: { allowFindings: allowFindings as never } });
      expect(error).toBeInstanceOf(InvalidOptionsError);
      const { problems } = error as InvalidOptionsError;
      expect(problems).toEqual([expect.stringMatching(/^ScopedWorkerModule: allowFindings.*\.$/)]);
      expect(problems[0]).toContain(`ScopedWorkerModule: ${text}`);
    });

    it('all at once', async () => {
      const allowFindings = [{ finding: 'x', token: 1, reason: '' }, 2] as never;
      const error = await refusal({ options: { allowFindings } });
      expect((error as InvalidOptionsError).problems).toHaveLength(4);
    });

    it("'allowance-unused', which is found after what is allowed was taken out", async () => {
      const allowFindings = [{ ...entry, finding: 'allowance-unused' }];
      const error = await refusal({ options: { allowFindings } });
      expect(error).toBeInstanceOf(InvalidOptionsError);
    });
  });

  it('is the same in two imports that say the same', async () => {
    const again = (): Allowance[] => both.map((entry) => ({ ...entry }));
    @Module({
      imports: [ScopedWorkerModule.forRoot({ scopeValidation: 'strict', allowFindings: again() })],
    })
    class Second {}
    expect(
      await wordsAbout({
        imports: [Second],
        providers: providers(),
        options: { allowFindings: again() },
      }),
    ).toEqual([]);
  });
});
