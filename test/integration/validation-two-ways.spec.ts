import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module, type OnModuleDestroy, type Type } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { StaysSingleton } from '../../lib/index.js';
import { closeApps } from '../support/app.js';
import { RequestScoped, worker } from '../support/probes.js';
import { findingsOf, wordsAbout } from '../support/validation.js';

@RequestScoped()
class Tenant {}

@RequestScoped()
class Session {}

@Injectable()
class Preferences {
  constructor(readonly session: Session) {}
}

describe('What has two ways to something request-scoped', () => {
  afterEach(closeApps);

  it('[C3] is reported beside a marked class on one of them, which does not mend the other', async () => {
    @StaysSingleton()
    @Injectable()
    class Pool {
      constructor(readonly tenant: Tenant) {}
    }
    @StaysSingleton()
    @Injectable()
    class Cache {
      constructor(
        readonly pool: Pool,
        readonly preferences: Preferences,
      ) {}
    }
    const findings = await findingsOf({
      providers: [Tenant, Session, Preferences, Pool, Cache, worker([Cache])],
    });
    expect(findings.map(({ chain }) => chain)).toEqual([
      ['Worker.run', 'Cache', 'Pool', 'Tenant'],
      ['Worker.run', 'Cache', 'Preferences', 'Session'],
    ]);
  });

  it('is reported beside a probable pool on one of them', async () => {
    @Injectable()
    class Pool implements OnModuleDestroy {
      constructor(readonly tenant: Tenant) {}

      onModuleDestroy(): void {}
    }
    @Injectable()
    class Cache implements OnModuleDestroy {
      constructor(
        readonly pool: Pool,
        readonly preferences: Preferences,
      ) {}

      onModuleDestroy(): void {}
    }
    const findings = await findingsOf({
      providers: [Tenant, Session, Preferences, Pool, Cache, worker([Cache])],
    });
    expect(findings.map(({ subject }) => subject)).toEqual(['Pool', 'Cache']);
  });
});

describe('Two entries of allowFindings that fit one finding', () => {
  afterEach(closeApps);

  it('are both in use', async () => {
    @Injectable()
    class Mailer {
      constructor(readonly tenant: Tenant) {}

      @Cron('@daily')
      send(): void {}
    }
    const reason = 'run by hand';
    const words = await wordsAbout({
      providers: [Tenant, Mailer],
      options: {
        allowFindings: [
          { finding: 'SW106', token: Mailer, reason },
          { finding: 'SW106', token: 'Mailer.send', reason },
        ],
      },
    });
    expect(words).toEqual([]);
  });
});

describe('A worker in two modules of the same name', () => {
  afterEach(closeApps);

  it('is reported as provided twice', async () => {
    const Worker = worker([]);
    const sharedModule = (): Type => {
      @Module({ providers: [Worker] })
      class SharedModule {}
      return SharedModule;
    };
    const words = await wordsAbout({
      imports: [sharedModule(), sharedModule()],
    });
    expect(words).toContainEqual(
      '[SW103] Worker is provided in SharedModule, SharedModule. Its schedules run once, on the worker of SharedModule. Provide it in one module.',
    );
  });
});
