import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, type DynamicModule, type Type } from '@nestjs/common';
import { ProviderScopeFactory } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { OnEvent } from '../support/foreign-decorators.js';
import { RequestScoped } from '../support/probes.js';

const journal: string[] = [];

@RequestScoped()
class Session {
  async [Symbol.asyncDispose](): Promise<void> {
    journal.push('disposed');
  }
}

// This release of @nestjs/event-emitter cannot be loaded beside Nest 11.
const onNest12 = process.env['NEST'] ? describe.skip : describe;

/** What a listener leaves behind, in an application of the real package. */
async function emitted(listener: Type): Promise<string[]> {
  const { EventEmitter2, EventEmitterModule } = await import('@nestjs/event-emitter');
  const { app } = await startApp({
    imports: [EventEmitterModule.forRoot() as DynamicModule],
    providers: [Session, listener],
    options: { scopeValidation: 'warn' },
  });
  await app.get(EventEmitter2).emitAsync('order');
  return journal.splice(0);
}

onNest12('A listener of @nestjs/event-emitter', () => {
  afterEach(closeApps);

  it('[L7] leaves open what is built for it when it is request-scoped', async () => {
    @Injectable()
    class Listener {
      constructor(readonly session: Session) {}

      @OnEvent('order')
      take(): void {
        journal.push(`took with ${this.session.constructor.name}`);
      }
    }
    expect(await emitted(Listener)).toEqual(['took with Session']);
  });

  it('[L7] disposes it as a singleton that opens a scope, as the finding says', async () => {
    @Injectable()
    class Listener {
      constructor(private readonly scopes: ProviderScopeFactory) {}

      @OnEvent('order')
      async take(): Promise<void> {
        await this.scopes.run(async (scope) => {
          const session = await scope.resolve(Session);
          journal.push(`took with ${session.constructor.name}`);
        });
      }
    }
    expect(await emitted(Listener)).toEqual(['took with Session', 'disposed']);
  });
});
