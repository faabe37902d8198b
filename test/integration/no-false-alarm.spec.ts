import {
  Catch,
  ConfigurableModuleBuilder,
  ConsoleLogger,
  Controller,
  forwardRef,
  Get,
  Global,
  Inject,
  Injectable,
  Logger,
  mixin,
  Module,
  Optional,
  Scope,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type DynamicModule,
  type ExceptionFilter,
  type NestInterceptor,
  type OnModuleDestroy,
  type OnModuleInit,
  type PipeTransform,
  type Type,
} from '@nestjs/common';
import {
  APP_FILTER,
  APP_GUARD,
  APP_INTERCEPTOR,
  APP_PIPE,
  HttpAdapterHost,
  INQUIRER,
  LazyModuleLoader,
  ModuleRef,
  ModulesContainer,
  NestFactory,
  Reflector,
  REQUEST,
  RouterModule,
} from '@nestjs/core';
import { Cron, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  inspectScopes,
  InjectTick,
  ScopedCron,
  ScopedWorker,
  ScopedWorkerModule,
  type Tick,
} from '../../lib/index.js';
import { closeApps, type TestAppOptions } from '../support/app.js';
import {
  EventPattern,
  OnEvent,
  Processor,
  WebSocketGateway,
} from '../support/foreign-decorators.js';
import { RequestScoped, Transient, worker, YEARLY } from '../support/probes.js';
import { startClean } from '../support/validation.js';

afterEach(closeApps);

/** Not even a hint is wanted of these applications: what the tick builds is what `Session` makes request-scoped. */
@RequestScoped()
class Session {
  async [Symbol.asyncDispose](): Promise<void> {}
}

@Injectable()
class Clock {}

abstract class Orders {
  abstract count(): number;
}
@Injectable()
class SqlOrders extends Orders {
  constructor(readonly session: Session) {
    super();
  }
  count(): number {
    return 1;
  }
}
@Injectable()
class CachedOrders extends SqlOrders {}
@Injectable()
class OwnOrders extends SqlOrders {
  constructor(
    session: Session,
    @Inject('prefix') readonly prefix: string,
  ) {
    super(session);
  }
}

class ConfigService {
  get(name: string): string {
    return name;
  }
}
class ConfigModule {
  static forRoot(): DynamicModule {
    return {
      module: ConfigModule,
      global: true,
      providers: [ConfigService],
      exports: [ConfigService],
    };
  }
  static forFeature(token: string): DynamicModule {
    return {
      module: ConfigModule,
      providers: [
        {
          provide: token,
          inject: [ConfigService],
          useFactory: (config: ConfigService) => config.get(token),
        },
      ],
      exports: [token],
    };
  }
}
Module({})(ConfigModule);

interface MailOptions {
  readonly host: string;
}
const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<MailOptions>().setClassMethodName('forRoot').build();
@Injectable()
class Pool implements OnModuleInit, OnModuleDestroy {
  onModuleInit(): void {}
  onModuleDestroy(): void {}
}
@Injectable()
class MailService {
  constructor(
    @Inject(MODULE_OPTIONS_TOKEN) readonly options: MailOptions,
    readonly session: Session,
    readonly pool: Pool,
  ) {}
}
@Module({ providers: [MailService, Session, Pool], exports: [MailService] })
class MailModule extends ConfigurableModuleClass {}
@Injectable()
class MailOptionsFactory {
  create(): MailOptions {
    return { host: 'x' };
  }
}
@Module({ providers: [MailOptionsFactory], exports: [MailOptionsFactory] })
class MailOptionsModule {}

abstract class Base {
  @Inject(Session) protected readonly session!: Session;
  @Optional() @Inject('missing') protected readonly missing: unknown;
  @Inject() readonly moduleRef!: ModuleRef;
}
@Injectable()
class Derived extends Base {}

@RequestScoped()
class Left {
  constructor(@Inject(forwardRef(() => Right)) readonly right: unknown) {}
}
@RequestScoped()
class Right {
  @Inject(forwardRef(() => Left)) readonly left: unknown;
}

@Module({ imports: [forwardRef(() => UsersModule)], providers: [Session], exports: [Session] })
class SessionsModule {}
@Injectable()
class Users {
  constructor(readonly session: Session) {}
}
@Module({ imports: [forwardRef(() => SessionsModule)], providers: [Users], exports: [Users] })
class UsersModule {}
@Module({ imports: [UsersModule], exports: [UsersModule] })
class SharedModule {}
@Global()
@Module({ imports: [UsersModule], exports: [UsersModule] })
class EverywhereModule {}

@Injectable()
class OfNest {
  constructor(
    @Inject(REQUEST) readonly request: unknown,
    @Inject(INQUIRER) readonly inquirer: unknown,
    readonly moduleRef: ModuleRef,
    readonly reflector: Reflector,
    readonly http: HttpAdapterHost,
    readonly modules: ModulesContainer,
    readonly lazy: LazyModuleLoader,
  ) {}
}
@Transient()
class AppLogger extends Logger {
  constructor(@Inject(INQUIRER) readonly parent: object) {
    super(parent?.constructor?.name ?? '');
  }
}
@Injectable()
class Logged {
  constructor(
    readonly logger: AppLogger,
    readonly session: Session,
  ) {}
}

@Injectable({ scope: Scope.REQUEST, durable: true })
class TenantContext {
  constructor(@Inject(REQUEST) readonly request: unknown) {}
}
@Injectable({ scope: Scope.REQUEST, durable: true })
class TenantPool implements OnModuleDestroy {
  constructor(readonly context: TenantContext) {}
  onModuleDestroy(): void {}
}

class Repository<T> {
  readonly all: T[] = [];
  constructor(readonly session: Session) {}
}
const repositoryOf = (name: string) => ({
  provide: `${name}Repository`,
  inject: [Session],
  useFactory: (session: Session) => new Repository<string>(session),
});
function Mixed(role: string): Type<CanActivate> {
  @Injectable()
  class RoleGuard implements CanActivate {
    constructor(@Optional() @Inject('roles') readonly roles?: string[]) {}
    canActivate(): boolean {
      return role !== '';
    }
  }
  return mixin(RoleGuard);
}
const UserGuard = Mixed('user');
@Injectable()
class Timing implements NestInterceptor {
  constructor(readonly reflector: Reflector) {}
  intercept(_context: unknown, next: CallHandler) {
    return next.handle();
  }
}
@ScopedWorker()
@UseGuards(UserGuard)
class Guarded {
  constructor(readonly session: Session) {}
  @UseInterceptors(Timing)
  @ScopedCron(YEARLY, { name: 'Worker.run' })
  run(): void {}
}
@RequestScoped()
class RequestGuard implements CanActivate {
  constructor(readonly session: Session) {}
  canActivate(): boolean {
    return true;
  }
}

@Injectable()
abstract class BaseWorker {
  constructor(protected readonly session: Session) {}
  @ScopedCron(YEARLY, { name: 'Worker.run' })
  run(): void {
    this.work();
  }
  protected abstract work(): void;
}
@ScopedWorker()
class ConcreteWorker extends BaseWorker {
  protected work(): void {}
}
@ScopedWorker()
class OwnConstructorWorker extends BaseWorker {
  constructor(
    readonly clock: Clock,
    @InjectTick() readonly tick: Tick,
    session: Session,
  ) {
    super(session);
  }
  protected work(): void {}
}
@Injectable()
class Listener {
  constructor(readonly clock: Clock) {}
  @OnEvent('x')
  heard(): void {}
  @Cron(YEARLY)
  job(): void {}
}
@Controller('plain')
class PlainController {
  constructor(readonly clock: Clock) {}
  @Get()
  all(): string {
    return '';
  }
}
@Controller({ path: 'scoped', scope: Scope.REQUEST })
class ScopedController {
  constructor(readonly session: Session) {}
}

@Injectable()
class Eager {
  constructor(@Inject(forwardRef(() => Late)) readonly late: unknown) {}
}
@Injectable()
class Late {
  constructor(
    @Inject(forwardRef(() => Eager)) readonly eager: unknown,
    readonly session: Session,
  ) {}
}
@Transient()
class Inner {
  @Inject(INQUIRER) readonly inquirer: unknown;
  @Optional() @Inject() readonly clock?: Clock;
}
@Transient()
class Outer {
  constructor(
    readonly inner: Inner,
    @Optional() readonly clock: Clock | undefined,
    @Inject(INQUIRER) readonly inquirer: unknown,
    readonly session: Session,
    @Optional() @Inject('size') readonly size = 3,
  ) {}
}
@Module({})
class Feature {
  static of(name: string): DynamicModule {
    return {
      module: Feature,
      imports: [SessionsModule],
      providers: [repositoryOf(name)],
      exports: [`${name}Repository`],
    };
  }
}
@Module({ imports: [Feature.of('User'), Feature.of('Order')], exports: [Feature] })
class Data {}
const userFeature = Feature.of('User');
@Module({ imports: [userFeature], exports: [userFeature] })
class DataByObject {}
@Module({ providers: [Session, SqlOrders], exports: [SqlOrders] })
class RealModule {}
@Module({ providers: [{ provide: SqlOrders, useValue: {} }], exports: [SqlOrders] })
class FakeModule {}
@Transient()
class ColoredLogger extends ConsoleLogger {}
@Injectable()
class UsesLogger {
  constructor(readonly logger: ColoredLogger) {}
}
@Injectable()
class HookedGuard implements CanActivate, OnModuleInit {
  constructor(readonly clock: Clock) {}
  onModuleInit(): void {}
  canActivate(): boolean {
    return true;
  }
}
@ScopedWorker()
class HookGuarded {
  constructor(readonly session: Session) {}
  @UseGuards(HookedGuard)
  @ScopedCron(YEARLY, { name: 'Worker.run' })
  run(): void {}
}
@Module({ providers: [Session, worker([Session])] })
class KnowingModule implements OnModuleInit {
  constructor(
    readonly moduleRef: ModuleRef,
    @Optional() readonly clock?: Clock,
  ) {}
  onModuleInit(): void {}
}
@RequestScoped()
class Defaulted {
  constructor(
    @Optional() @Inject('options') readonly options: object = {},
    @Optional() readonly clock: Clock = new Clock(),
    readonly session: Session,
  ) {}
}
@RequestScoped()
class Two {
  constructor(
    readonly clock: Clock,
    readonly session: Session,
  ) {}
}
@Injectable()
class One extends Two {
  constructor(session: Session) {
    super(new Clock(), session);
  }
}
@Controller('guarded')
@UseGuards(RequestGuard)
class GuardedController {
  constructor(readonly clock: Clock) {}
}
@Injectable()
class Disposing {
  constructor(readonly clock: Clock) {}
  async onModuleDestroy(): Promise<void> {}
  [Symbol.dispose](): void {}
}
@RequestScoped()
class Visiting implements OnModuleDestroy {
  constructor(readonly disposing: Disposing) {}
  onModuleDestroy(): void {}
}

@Injectable()
class Job {
  constructor(
    readonly session: Session,
    @Optional() @Inject('missing') readonly missing?: unknown,
  ) {}
  @Cron(YEARLY)
  job(): void {}
}
@Injectable({ scope: Scope.REQUEST, durable: true })
class DurableListener {
  constructor(readonly pool: TenantPool) {}
  @OnEvent('x')
  heard(): void {}
}
@WebSocketGateway()
class Gateway {
  constructor(readonly clock: Clock) {}
  onModuleDestroy(): void {}
}
@Processor('mail')
class MailProcessor {
  constructor(readonly clock: Clock) {}
  async process(): Promise<void> {}
  onModuleDestroy(): void {}
}
@Controller()
class PatternController {
  constructor(readonly clock: Clock) {}
  @EventPattern('x')
  heard(): void {}
}
@ScopedWorker()
class Cleaning extends BaseWorker {
  protected work(): void {}
  onScopeInit(): void {}
  onModuleDestroy(): void {}
}
@Injectable()
class ParsePipe implements PipeTransform {
  constructor(@Inject(REQUEST) readonly request: unknown) {}
  transform(value: unknown): unknown {
    return value;
  }
}
@Catch()
class AllFilter implements ExceptionFilter {
  constructor(readonly http: HttpAdapterHost) {}
  catch(): void {}
}
@RequestScoped()
class Overridden {
  constructor(@Inject('nobody') readonly nobody: unknown) {}
}
class Stub {}

const CASES: readonly [string, TestAppOptions][] = [
  [
    'an alias of an abstract class',
    {
      providers: [
        Session,
        SqlOrders,
        { provide: Orders, useExisting: SqlOrders },
        worker([Orders]),
      ],
    },
  ],
  [
    'an alias by a string, of an alias',
    {
      providers: [
        Session,
        SqlOrders,
        { provide: Orders, useExisting: SqlOrders },
        { provide: 'orders', useExisting: Orders },
        worker(['orders']),
      ],
    },
  ],
  [
    'an inherited constructor under an abstract class',
    { providers: [Session, { provide: Orders, useClass: CachedOrders }, worker([Orders])] },
  ],
  [
    'its own constructor under the token of its base',
    {
      providers: [
        Session,
        { provide: SqlOrders, useClass: OwnOrders },
        { provide: 'prefix', useValue: '' },
        worker([SqlOrders]),
      ],
    },
  ],
  [
    'an override of a test',
    {
      providers: [Session, SqlOrders, worker([SqlOrders])],
      build: (to) => to.overrideProvider(SqlOrders).useClass(CachedOrders),
    },
  ],
  [
    'an override by a factory',
    {
      providers: [Session, SqlOrders, worker([SqlOrders, Session])],
      build: (to) => to.overrideProvider(SqlOrders).useFactory({ factory: () => ({}) }),
    },
  ],
  [
    'an override by a factory that injects',
    {
      providers: [Session, SqlOrders, worker([SqlOrders, Session])],
      build: (to) =>
        to
          .overrideProvider(SqlOrders)
          .useFactory({ factory: (s: Session) => s, inject: [Session] }),
    },
  ],
  [
    'a global configuration module',
    {
      imports: [ConfigModule.forRoot(), ConfigModule.forFeature('mail')],
      providers: [
        Session,
        {
          provide: 'part',
          scope: Scope.REQUEST,
          inject: ['mail', ConfigService],
          useFactory: Object,
        },
        worker([Session, ConfigService, 'mail', 'part']),
      ],
    },
  ],
  [
    'a configurable module',
    { imports: [MailModule.forRoot({ host: 'x' })], providers: [worker([MailService])] },
  ],
  [
    'a configurable module with a factory',
    {
      imports: [
        MailModule.forRootAsync({
          imports: [MailOptionsModule],
          inject: [MailOptionsFactory],
          useFactory: (f: MailOptionsFactory) => f.create(),
        }),
      ],
      providers: [worker([MailService])],
    },
  ],
  [
    'a configurable module with a class',
    {
      imports: [MailModule.forRootAsync({ useClass: MailOptionsFactory })],
      providers: [worker([MailService])],
    },
  ],
  [
    'a configurable module with an existing class',
    {
      imports: [
        MailModule.forRootAsync({
          imports: [MailOptionsModule],
          useExisting: MailOptionsFactory,
        } as never),
      ],
      providers: [worker([MailService])],
    },
  ],
  ['inherited properties', { providers: [Session, Derived, worker([Derived])] }],
  ['a circle of a constructor and a property', { providers: [Left, Right, worker([Left])] }],
  ['modules that import each other', { imports: [SharedModule], providers: [worker([Users])] }],
  [
    'a global module that exports another',
    { imports: [EverywhereModule, SessionsModule], providers: [worker([Users, Session])] },
  ],
  ['what Nest provides', { providers: [OfNest, worker([OfNest, ModuleRef, INQUIRER, REQUEST])] }],
  ['a transient logger', { providers: [AppLogger, Logged, Session, worker([Logged, AppLogger])] }],
  [
    'durable providers',
    { providers: [TenantContext, TenantPool, Session, worker([TenantPool, Session])] },
  ],
  [
    'generic repositories',
    {
      providers: [
        Session,
        repositoryOf('User'),
        repositoryOf('Order'),
        worker(['UserRepository', 'OrderRepository']),
      ],
    },
  ],
  ['mixins and interceptors', { providers: [Session, Guarded] }],
  [
    'global enhancers',
    {
      providers: [
        Session,
        { provide: APP_GUARD, useClass: RequestGuard },
        { provide: APP_INTERCEPTOR, useClass: Timing },
        worker([Session]),
      ],
      options: { globalEnhancers: true },
    },
  ],
  [
    'global request-scoped enhancers',
    {
      providers: [
        Session,
        { provide: APP_GUARD, scope: Scope.REQUEST, useClass: RequestGuard },
        { provide: APP_GUARD, useExisting: RequestGuard },
        RequestGuard,
        worker([Session]),
      ],
      options: { globalEnhancers: true },
    },
  ],
  ['an abstract worker', { providers: [Session, ConcreteWorker] }],
  [
    'a worker that extends the constructor of its base',
    { providers: [Session, Clock, OwnConstructorWorker] },
  ],
  [
    'a worker of a factory',
    {
      providers: [
        Session,
        {
          provide: ConcreteWorker,
          scope: Scope.REQUEST,
          inject: [Session, { token: 'missing', optional: true }],
          useFactory: (s: Session) => new ConcreteWorker(s),
        },
      ],
    },
  ],
  [
    'odd values',
    {
      providers: [
        Session,
        { provide: 'null', useValue: null },
        { provide: 'undefined', useValue: undefined },
        { provide: Symbol.for('zero'), useValue: 0 },
        { provide: 'made', useFactory: () => undefined },
        { provide: 'promised', useFactory: async () => Promise.resolve(1) },
        worker([Session, 'null', Symbol.for('zero'), 'made', 'promised', 'undefined']),
      ],
    },
  ],
  [
    'other libraries',
    {
      imports: [ScheduleModule.forRoot()],
      controllers: [PlainController, ScopedController],
      providers: [Session, Clock, Listener, worker([Session, SchedulerRegistry])],
    },
  ],
  ['a circle of which one is bubbled', { providers: [Eager, Late, Session, worker([Late])] }],
  ['transients in transients', { providers: [Inner, Outer, Session, worker([Outer, Inner])] }],
  [
    'feature modules',
    { imports: [Data], providers: [worker(['UserRepository', 'OrderRepository'])] },
  ],
  [
    'a feature module that is exported as an object',
    { imports: [DataByObject], providers: [worker(['UserRepository'])] },
  ],
  [
    'a module that a test has replaced',
    {
      imports: [RealModule],
      providers: [Session, worker([Session, SqlOrders])],
      build: (to) => to.overrideModule(RealModule).useModule(FakeModule),
    },
  ],
  [
    'a logger that extends the one of Nest',
    {
      providers: [ColoredLogger, UsesLogger, Session, worker([UsesLogger, ColoredLogger, Session])],
    },
  ],
  ['a singleton guard with a hook', { providers: [Clock, Session, HookGuarded] }],
  ['a module class that injects', { imports: [KnowingModule] }],
  [
    'optional parameters with default values',
    { providers: [Session, Defaulted, worker([Defaulted])] },
  ],
  ['a subclass with fewer parameters', { providers: [Session, One, worker([One])] }],
  [
    'a factory that injects what Nest provides',
    {
      providers: [
        {
          provide: 'made',
          inject: [REQUEST, ModuleRef, { token: INQUIRER, optional: true }],
          useFactory: () => ({}),
        },
        worker(['made']),
      ],
    },
  ],
  [
    'a controller with a request-scoped guard',
    { controllers: [GuardedController], providers: [Clock, Session, worker([Session])] },
  ],
  [
    'a disposable singleton and a disposable visitor',
    { providers: [Clock, Disposing, Visiting, worker([Visiting])] },
  ],
  [
    'routes',
    {
      imports: [RouterModule.register([{ path: 'a', module: RealModule }]), RealModule],
      providers: [worker([SqlOrders])],
    },
  ],
  [
    'adopted jobs',
    {
      imports: [ScheduleModule.forRoot()],
      providers: [Session, Job, worker([Session])],
      options: { adoptNestSchedules: true },
    },
  ],
  [
    'durable classes that other libraries call',
    {
      providers: [Session, TenantContext, TenantPool, DurableListener, worker([Session])],
    },
  ],
  [
    'a gateway, a processor and a message controller that are singletons',
    {
      controllers: [PatternController],
      providers: [Session, Clock, Gateway, MailProcessor, worker([Session])],
    },
  ],
  ['a worker with hooks of its scope', { providers: [Session, Cleaning] }],
  [
    'pipes and filters',
    {
      providers: [
        Session,
        { provide: APP_PIPE, scope: Scope.REQUEST, useClass: ParsePipe },
        { provide: APP_FILTER, useClass: AllFilter },
        worker([Session]),
      ],
    },
  ],
  [
    'a stub in place of what cannot be built',
    {
      providers: [Session, { provide: Overridden, useClass: Stub }, worker([Session, Overridden])],
    },
  ],
  [
    'an override of what cannot be built',
    {
      providers: [Session, Overridden, worker([Session, Overridden])],
      build: (to) => to.overrideProvider(Overridden).useClass(Stub),
    },
  ],
];

describe('A typical application', () => {
  it.each(CASES)('[XC12] starts without a word: %s', async (_what, metadata) => {
    const { registry } = await startClean(metadata);
    expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
  });

  it.each(CASES.filter(([, { build }]) => build === undefined))(
    '[XC12] is inspected without a finding: %s',
    async (_what, { options, imports = [], ...metadata }) => {
      class App {}
      Module({ ...metadata, imports: [ScopedWorkerModule.forRoot(options), ...imports] })(App);
      const app = await NestFactory.createApplicationContext(App, {
        preview: true,
        logger: false,
        abortOnError: false,
      });
      // The other classes of this file, which this application does not provide.
      expect(inspectScopes(app).findings.filter(({ number }) => number !== 'SW104')).toEqual([]);
    },
  );
});
