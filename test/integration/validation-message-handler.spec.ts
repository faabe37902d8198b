import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Inject,
  Injectable,
  Module,
  Scope,
  type ModuleMetadata,
  type Provider,
  type Type,
} from '@nestjs/common';
import { NestFactory, REQUEST } from '@nestjs/core';
import { inspectScopes, ScopedCron, ScopedWorker, type Finding } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import {
  EventPattern,
  MessagePattern,
  OnEvent,
  Processor,
  RabbitSubscribe,
  WebSocketGateway,
} from '../support/foreign-decorators.js';
import { RequestScoped, YEARLY } from '../support/probes.js';
import { findingsOf, told, wordsAbout } from '../support/validation.js';

@RequestScoped()
class Session {
  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Nothing of it has to be disposed. */
@RequestScoped()
class Tenant {}

@Injectable()
class Invoices {
  constructor(readonly session: Session) {}
}

const shown = (findings: readonly Finding[]): string[][] =>
  findings.map(({ number, severity, subject }) => [number, severity, subject]);

/** What a class is to others, and where it is provided. */
const asProvider = (type: Type, ...others: Type[]): ModuleMetadata => ({
  providers: [Session, Invoices, Tenant, type, ...others],
});
const asController = (type: Type): ModuleMetadata => ({
  providers: [Session, Invoices, Tenant],
  controllers: [type],
});

const remedy = (unit: string): string =>
  `Instead of Invoices, inject ProviderScopeFactory as scopes, so that Mail is a singleton. For each ${unit}, resolve Invoices in scopes.run(async (scope) => { ... }).`;
const BECAUSE =
  'and Mail depends on Session, which is request-scoped (Mail -> Invoices -> Session).';
const LEFT = 'and never disposes these instances: Session.[Symbol.asyncDispose] is never called.';

describe('A class whose methods another library calls', () => {
  afterEach(closeApps);

  /** Each with the decorator of one library, request-scoped because of what it depends on. */
  const BUBBLED: [what: string, metadata: () => ModuleMetadata, message: string][] = [
    [
      '@Processor()',
      () => {
        @Processor('mail')
        class Mail {
          constructor(readonly invoices: Invoices) {}

          process(): void {}
        }
        return asProvider(Mail);
      },
      `Mail: @nestjs/bullmq calls Mail.process for each job, ${BECAUSE} Nest builds Mail again for each job ${LEFT} ${remedy('job')}`,
    ],
    [
      '@OnEvent()',
      () => {
        @Injectable()
        class Mail {
          constructor(readonly invoices: Invoices) {}

          @OnEvent('order.created')
          created(): void {}

          @OnEvent('order.deleted')
          deleted(): void {}
        }
        return asProvider(Mail);
      },
      `Mail: @nestjs/event-emitter calls Mail.created, Mail.deleted for each event, ${BECAUSE} Nest builds Mail again for each event ${LEFT} ${remedy('event')}`,
    ],
    ...[EventPattern, MessagePattern].map((pattern): [string, () => ModuleMetadata, string] => [
      pattern === EventPattern ? '@EventPattern()' : '@MessagePattern()',
      () => {
        @Controller()
        class Mail {
          constructor(readonly invoices: Invoices) {}

          @pattern('order')
          take(): void {}
        }
        return asController(Mail);
      },
      `Mail: @nestjs/microservices calls Mail.take for each message, ${BECAUSE} Nest builds Mail again for each message ${LEFT} ${remedy('message')}`,
    ]),
    [
      '@RabbitSubscribe()',
      () => {
        @Injectable()
        class Mail {
          constructor(readonly invoices: Invoices) {}

          @RabbitSubscribe({ queue: 'mail' })
          take(): void {}
        }
        return asProvider(Mail);
      },
      `Mail: @golevelup/nestjs-rabbitmq calls Mail.take for each message, ${BECAUSE} @golevelup/nestjs-rabbitmq makes the call on an object that was never constructed: its dependencies are undefined. ${remedy('message')}`,
    ],
    [
      '@WebSocketGateway()',
      () => {
        @WebSocketGateway()
        @Injectable()
        class Mail {
          constructor(readonly invoices: Invoices) {}
        }
        return asProvider(Mail);
      },
      `Mail: @nestjs/websockets calls Mail for each message, ${BECAUSE} Nest 12 builds Mail again for each client ${LEFT} Nest 11 makes the call on an object that was never constructed. ${remedy('message')}`,
    ],
  ];

  it.each(BUBBLED)(
    '[L7] is reported when a dependency makes it request-scoped: %s',
    async (_what, metadata, message) => {
      expect(await findingsOf(metadata())).toEqual([
        {
          number: 'SW109',
          kind: 'message-handler-scoped',
          severity: 'warning',
          subject: 'Mail',
          token: expect.any(Function),
          chain: ['Mail', 'Invoices', 'Session'],
          message,
        },
      ]);
    },
  );

  it('[L7] is reported when it says itself that it is request-scoped', async () => {
    @Processor('mail')
    class ByDecorator {
      constructor(readonly session: Session) {}

      process(): void {}
    }
    @Injectable({ scope: Scope.REQUEST })
    class ByItself {
      @OnEvent('order')
      take(): void {}

      onModuleDestroy(): void {}
    }
    const findings = await findingsOf(asProvider(ByDecorator, ByItself));
    expect(shown(findings)).toEqual([
      ['SW109', 'warning', 'ByDecorator'],
      ['SW109', 'warning', 'ByItself'],
    ]);
    expect(findings[1]!.message).toBe(
      'ByItself: @nestjs/event-emitter calls ByItself.take for each event, and ByItself is request-scoped. Nest builds ByItself again for each event and never disposes these instances: ByItself.onModuleDestroy is never called. Make ByItself a singleton, and inject ProviderScopeFactory as scopes. For each event, call scopes.run(async (scope) => { ... }).',
    );
  });

  it('is to use the arguments of its methods instead of REQUEST, which is another one in a standalone scope', async () => {
    @Injectable()
    class Notifier {
      constructor(@Inject(REQUEST) readonly payload: unknown) {}

      @OnEvent('order')
      take(): void {}

      onModuleDestroy(): void {}
    }
    const [found] = await findingsOf(asProvider(Notifier));
    expect(shown([found!])).toEqual([['SW109', 'warning', 'Notifier']]);
    expect(found!.message).toMatch(
      / Remove REQUEST, so that Notifier is a singleton, and use the arguments of its methods instead\.$/,
    );
  });

  it.each<[string, Provider, string]>([
    [
      'nothing in its tree has a disposer',
      Tenant,
      'No class in its tree has a disposer now, so nothing stays open.',
    ],
    [
      'a factory may return what has one',
      { provide: Tenant, scope: Scope.REQUEST, useFactory: () => ({}) },
      'No class in its tree has a disposer, but the results of its factories may have one.',
    ],
  ])('[L7] is a hint when %s', async (_what, tenant, text) => {
    @Injectable()
    class Mail {
      constructor(readonly tenant: Tenant) {}

      @OnEvent('order')
      take(): void {}
    }
    const { log } = await startApp({
      providers: [tenant, Mail],
      options: { scopeValidation: 'strict' },
    });
    expect(log.of('log').filter((line) => line.startsWith('[SW109]'))).toEqual([
      `[SW109] Mail: @nestjs/event-emitter calls Mail.take for each event, and Mail depends on Tenant, which is request-scoped. Nest builds Mail again for each event and never disposes these instances. ${text} Instead of Tenant, inject ProviderScopeFactory as scopes, so that Mail is a singleton. For each event, resolve Tenant in scopes.run(async (scope) => { ... }).`,
    ]);
  });

  it('[L7] is logged by default and does not stop start-up; allowed, it is silent', async () => {
    @Processor('mail')
    class Mail {
      constructor(readonly session: Session) {}

      process(): void {}
    }
    const test = await startApp(asProvider(Mail));
    expect(told(test, 'warn')).toEqual([expect.stringMatching(/^\[SW109\] Mail: /)]);
    const allowFindings = [{ finding: 'SW109', token: Mail, reason: 'disposes by hand' }];
    expect(await wordsAbout({ ...asProvider(Mail), options: { allowFindings } })).toEqual([]);
  });

  it('[L7] is accepted as a singleton, with all its decorators', async () => {
    @Processor('mail')
    class Jobs {
      process(): void {}
    }
    @Injectable()
    class Listener {
      @OnEvent('order')
      take(): void {}

      @RabbitSubscribe({ queue: 'orders' })
      subscribed(): void {}
    }
    @WebSocketGateway()
    @Injectable()
    class Chat {}
    @Controller()
    class Messages {
      @EventPattern('order')
      take(): void {}
    }
    expect(
      await wordsAbout({ providers: [Jobs, Listener, Chat], controllers: [Messages] }),
    ).toEqual([]);
  });

  it('[L7] is accepted where no other library calls it', async () => {
    @Controller('invoices')
    class OverHttp {
      constructor(readonly session: Session) {}

      @Get()
      list(): string[] {
        return [];
      }
    }
    @Injectable()
    class NoController {
      constructor(readonly session: Session) {}

      @EventPattern('order') // Nest looks for it on controllers only
      take(): void {}
    }
    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Durable {
      @OnEvent('order')
      take(): void {}
    }
    expect(
      await wordsAbout({
        providers: [Session, NoController, Durable],
        controllers: [OverHttp],
      }),
    ).toEqual([]);
  });

  it('[L7] is found by the inspector in an application without ScopedWorkerModule', async () => {
    @Processor('mail')
    class Mail {
      constructor(@Inject(Session) readonly session: Session) {}

      process(): void {}
    }
    @Module({ providers: [Session, Mail] })
    class AppModule {}
    const app = await NestFactory.createApplicationContext(AppModule, {
      preview: true,
      logger: false,
    });
    const { findings } = inspectScopes(app);
    expect(findings.filter(({ kind }) => kind !== 'worker-not-provided')).toMatchObject([
      { number: 'SW109', subject: 'Mail' },
    ]);
  });
});

describe('A class that is marked @ScopedWorker() and that another library calls', () => {
  afterEach(closeApps);

  it('[L7] is reported above @Processor()', async () => {
    @ScopedWorker()
    @Processor('mail')
    class Mail {
      process(): void {}
    }
    expect(await findingsOf({ providers: [Mail] })).toEqual([
      {
        number: 'SW110',
        kind: 'worker-run-elsewhere',
        severity: 'warning',
        subject: 'Mail',
        token: Mail,
        chain: [],
        message:
          "Mail is marked @ScopedWorker(), but @nestjs/bullmq calls Mail.process for each job, and that call doesn't go through this library. No job of @nestjs/bullmq gets a scope, and nothing is disposed after it. Remove @ScopedWorker() from Mail, and inject ProviderScopeFactory as scopes there. For each job, call scopes.run(async (scope) => { ... }).",
      },
    ]);
  });

  it('[L7] is reported below it as well, where it is a singleton', async () => {
    @Processor('mail')
    @ScopedWorker()
    class Mail {
      process(): void {}
    }
    expect(shown(await findingsOf({ providers: [Mail] }))).toEqual([['SW110', 'warning', 'Mail']]);
  });

  it('[L7] is asked to move the foreign methods when it has its own handlers', async () => {
    @ScopedWorker()
    class Mail {
      @ScopedCron(YEARLY)
      send(): void {}

      @OnEvent('order')
      take(): void {}
    }
    const [found] = await findingsOf({ providers: [Mail] });
    expect(found!.message).toContain('Move take to a class without @ScopedWorker(), and inject ');
  });

  it('[L7] is asked to move its own handlers when it is a gateway, whose server only the instance from start-up has', async () => {
    @ScopedWorker()
    @WebSocketGateway()
    class Chat {
      @ScopedCron(YEARLY)
      announce(): void {}
    }
    const [found] = await findingsOf({ providers: [Chat] });
    expect(found!.message).toContain(
      'Remove @ScopedWorker() from Chat, move announce to a worker that injects Chat, and inject ',
    );
  });

  it('[L7] is accepted without such decorators', async () => {
    @ScopedWorker()
    class Mail {
      constructor(readonly session: Session) {}

      @ScopedCron(YEARLY)
      send(): void {}
    }
    expect(await wordsAbout({ providers: [Session, Mail] })).toEqual([]);
  });
});
