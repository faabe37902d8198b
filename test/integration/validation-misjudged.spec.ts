import { afterEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable } from '@nestjs/common';
import { closeApps, startApp } from '../support/app.js';
import { RequestScoped, Transient, worker } from '../support/probes.js';
import { told, wordsAbout } from '../support/validation.js';
import { refusal } from '../support/refusal.js';
import type { ScopeValidationError } from '../../lib/index.js';

@RequestScoped()
class Tenant {
  readonly isConstructed = true;
}

@Transient()
class Clock {}

@Injectable()
class Prices {
  @Inject(Tenant) readonly tenant!: Tenant;

  constructor(readonly clock: Clock) {}
}

@RequestScoped()
class DeclaredPrices {
  @Inject(Tenant) readonly tenant!: Tenant;

  constructor(readonly clock: Clock) {}
}

/** Nest 11.0.0 overlooks the property, because it asks for the lifetime of `Prices` while it resolves the transient. */
const isMisjudged = process.env['NEST'] === 'nest11-oldest';

const TEXT =
  'Prices depends on Tenant, which is request-scoped (Prices -> Tenant), but Nest 11.0.0 builds Prices only once. Its dependencies may be missing, or may never have been constructed. Upgrade the @nestjs packages to 11.1.24 or newer, or add scope: Scope.REQUEST to Prices.';

describe('A provider that Nest builds once although it needs a scope', () => {
  afterEach(closeApps);

  (isMisjudged ? describe : describe.skip)('on Nest 11.0', () => {
    it('[K1] stops start-up if a worker depends on it', async () => {
      const error = await refusal({ providers: [Tenant, Clock, Prices, worker([Prices])] });
      expect((error as ScopeValidationError).findings).toEqual([
        {
          number: 'SW211',
          kind: 'lifetime-misjudged',
          severity: 'error',
          subject: 'Prices',
          token: Prices,
          chain: ['Prices', 'Tenant'],
          message: TEXT,
        },
      ]);
    });
  });

  it('[K1] is a warning if no worker does, and is reported only where Nest is wrong', async () => {
    const words = told(await startApp({ providers: [Tenant, Clock, Prices] }), 'warn');
    expect(words).toEqual(isMisjudged ? [`[SW211] ${TEXT}`] : []);
  });

  it('[K1] is not reported once it declares the scope', async () => {
    const providers = [Tenant, Clock, DeclaredPrices, worker([DeclaredPrices])];
    expect(await wordsAbout({ providers })).toEqual([]);
  });
});
