import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  forwardRef,
  Global,
  Inject,
  Injectable,
  Module,
  Optional,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  type CanActivate,
  type DynamicModule,
  type INestApplicationContext,
  type ModuleMetadata,
  type Provider,
  type Type,
} from '@nestjs/common';
import { INQUIRER, LazyModuleLoader, ModuleRef, NestFactory, REQUEST } from '@nestjs/core';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import fc from 'fast-check';
import { seenProvider } from '../../lib/nest/seen-provider.js';
import { edgesOf, graphNow, modulesOf, named, written } from '../support/application-graph.js';
import { closeApps, RecordingLogger, startApp } from '../support/app.js';
import { OnDemand, RequestScoped, Transient } from '../support/probes.js';
import { ScopedWorker } from '../../lib/index.js';
import { ScopedWorkerServices } from '../../lib/scoped-worker-services.js';

const isOldest = process.env['NEST'] === 'nest11-oldest';
const opened: INestApplicationContext[] = [];

/** An application without this library: created, and initialized. */
async function started(
  metadata: ModuleMetadata,
  build: (builder: TestingModuleBuilder) => TestingModuleBuilder = (builder) => builder,
) {
  const app = await build(Test.createTestingModule(metadata))
    .setLogger(new RecordingLogger())
    .compile();
  opened.push(app);
  return app.init();
}

async function preview(metadata: ModuleMetadata) {
  @Module(metadata)
  class RootTestModule {}
  const app = await NestFactory.createApplicationContext(RootTestModule, {
    preview: true,
    logger: false,
  });
  opened.push(app);
  return app;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((app) => app.close()));
  await closeApps();
});

const DURABLE = { scope: Scope.REQUEST, durable: true } as const;

@RequestScoped()
class Asked {}
@Injectable(DURABLE)
class Tenant {}
@Transient()
class Passing {}
@Injectable()
class Static {}

/** A class that injects classes by its constructor. */
function injecting(name: string, injected: readonly unknown[], options = {}): Type {
  const Class = { [name]: class {} }[name]!;
  Injectable(options)(Class);
  Reflect.defineMetadata('design:paramtypes', injected, Class);
  return Class;
}

const BASICS = [Asked, Tenant, Passing, Static];

describe('lifetime graph of an application', () => {
  describe('lifetimes', () => {
    const lifetimeOf = async (provider: Type | Provider, name: string): Promise<string> => {
      const app = await started({ providers: [...BASICS, provider] });
      return named(graphNow(app), name).lifetime;
    };

    it.each<[string, string, readonly unknown[], object]>([
      ['nothing', 'singleton', [], {}],
      ['a singleton', 'singleton', [Static], {}],
      ['a transient', 'singleton', [Passing], {}],
      ['something request-scoped', 'bubbled', [Static, Asked], {}],
      ['something durable', 'durable', [Tenant, Static], {}],
      ['something durable and something request-scoped', 'bubbled', [Tenant, Asked], {}],
      ['nothing, and is request-scoped', 'request', [], { scope: Scope.REQUEST }],
      ['something durable, and is request-scoped', 'request', [Tenant], { scope: Scope.REQUEST }],
      ['something request-scoped, and is durable', 'durable', [Asked], DURABLE],
      [
        'something request-scoped, and is transient',
        'transient',
        [Asked],
        { scope: Scope.TRANSIENT },
      ],
      ['nothing, and is transient', 'transient', [], { scope: Scope.TRANSIENT }],
    ])('of a class that injects %s: %s', async (_what, lifetime, injected, options) => {
      await expect(lifetimeOf(injecting('Subject', injected, options), 'Subject')).resolves.toBe(
        lifetime,
      );
    });

    it.each<[string, string, Provider]>([
      ['a value', 'singleton', { provide: 'SUBJECT', useValue: {} }],
      ['a factory', 'singleton', { provide: 'SUBJECT', useFactory: () => 1 }],
      [
        'a factory that injects something request-scoped',
        'bubbled',
        { provide: 'SUBJECT', inject: [Asked], useFactory: () => 1 },
      ],
      [
        'a request-scoped factory',
        'request',
        { provide: 'SUBJECT', scope: Scope.REQUEST, useFactory: () => 1 },
      ],
      [
        'a transient factory',
        'transient',
        { provide: 'SUBJECT', scope: Scope.TRANSIENT, useFactory: () => 1 },
      ],
      ['a durable factory', 'durable', { provide: 'SUBJECT', ...DURABLE, useFactory: () => 1 }],
      ['an alias of a singleton', 'singleton', { provide: 'SUBJECT', useExisting: Static }],
      [
        'an alias of something request-scoped',
        'bubbled',
        { provide: 'SUBJECT', useExisting: Asked },
      ],
      ['an alias of something durable', 'durable', { provide: 'SUBJECT', useExisting: Tenant }],
    ])('of %s: %s', async (_what, lifetime, provider) => {
      await expect(lifetimeOf(provider, 'SUBJECT')).resolves.toBe(lifetime);
    });

    it('is bubbled through several providers, and through a transient', async () => {
      const Near = injecting('Near', [Asked], { scope: Scope.TRANSIENT });
      const Middle = injecting('Middle', [Near]);
      const Far = injecting('Far', [Middle]);
      const graph = graphNow(await started({ providers: [...BASICS, Near, Middle, Far] }));
      expect(named(graph, 'Far').lifetime).toBe('bubbled');
      const links = graph.chainToRequestScope(named(graph, 'Far'));
      expect(links?.map(({ name }) => name)).toEqual(['Far', 'Middle', 'Near', 'Asked']);
    });

    it('separates what a provider declares from what its dependencies make of it', async () => {
      const graph = graphNow(
        await started({ providers: [...BASICS, injecting('Bubbled', [Asked])] }),
      );
      const declared = (name: string) => {
        const { declared: own, isDeclaredDurable } = named(graph, name);
        return [own, isDeclaredDurable];
      };
      expect(declared('Bubbled')).toEqual(['singleton', false]);
      expect(declared('Asked')).toEqual(['request', false]);
      expect(declared('Tenant')).toEqual(['request', true]);
      expect(declared('Passing')).toEqual(['transient', false]);
    });
  });

  describe('what it says of a provider', () => {
    it('has its kind, its place and its module', async () => {
      @Injectable()
      class Guard implements CanActivate {
        canActivate() {
          return true;
        }
      }
      @UseGuards(Guard)
      @Controller()
      class Door {}
      @Module({
        controllers: [Door],
        providers: [
          Static,
          { provide: 'CLASS', useClass: Static },
          { provide: 'FACTORY', useFactory: () => 1 },
          { provide: 'VALUE', useValue: 1 },
          { provide: 'ALIAS', useExisting: Static },
          { provide: 'FUNCTION', useValue: () => 1 },
        ],
      })
      class HouseModule {}
      const graph = graphNow(await started({ imports: [HouseModule] }));
      const all = graph.providers.filter(({ module }) => module === 'HouseModule');
      expect(
        all
          .filter(({ name }) => name !== 'ModuleRef' && name !== 'ApplicationConfig')
          .map(({ name, place, kind }) => `${name} ${place} ${kind}`),
      ).toEqual([
        'HouseModule provider class',
        'Static provider class',
        'CLASS provider class',
        'FACTORY provider factory',
        'VALUE provider value',
        'ALIAS provider alias',
        'FUNCTION provider value',
        'Door controller class',
        'Guard enhancer class',
      ]);
      expect(named(graph, 'CLASS').type).toBe(Static);
      expect(named(graph, 'FACTORY').type).toBeUndefined();
    });

    it('has the disposer that is called, the hooks of Nest and those of scopes, and calls no getter', async () => {
      let calls = 0;
      class Base {
        onModuleDestroy() {}
        onScopeInit() {}
      }
      @Injectable()
      class Both extends Base {
        [Symbol.dispose]() {}
        onModuleInit() {}
        onScopeCommit() {}
      }
      @Injectable()
      class Asynchronous extends Both {
        async [Symbol.asyncDispose]() {}
      }
      @Injectable()
      class Getter {
        get onModuleDestroy(): () => void {
          calls += 1;
          return () => undefined;
        }
      }
      const app = await started({ providers: [Both, Asynchronous, Getter, Static] });
      calls = 0;
      const graph = graphNow(app);
      expect(calls).toBe(0);
      expect(named(graph, 'Both')).toMatchObject({
        disposer: '[Symbol.dispose]',
        hooks: ['onModuleInit', 'onModuleDestroy'],
        scopeHooks: ['onScopeInit', 'onScopeCommit'],
      });
      expect(named(graph, 'Asynchronous').disposer).toBe('[Symbol.asyncDispose]');
      expect(named(graph, 'Getter')).toMatchObject({ disposer: undefined, hooks: [] });
      expect(named(graph, 'Static')).toMatchObject({ disposer: undefined, scopeHooks: [] });
    });

    it('is named by its class, the text of its token, or the description of its symbol', async () => {
      const graph = graphNow(
        await started({
          providers: [
            Static,
            { provide: Symbol('PORT'), useValue: 1 },
            { provide: 'x', useValue: 1 },
          ],
        }),
      );
      expect(graph.providers.map(({ name }) => name)).toEqual(
        expect.arrayContaining(['Static', 'PORT', 'x']),
      );
    });

    it('appears where Nest keeps it: ids are places, and every record leads to its provider', async () => {
      const app = await started({ providers: BASICS });
      const graph = graphNow(app);
      expect(graph.providers.map(({ id }) => id)).toEqual(graph.providers.map((_, at) => at));
      for (const { providers, name: module } of modulesOf(app).values()) {
        for (const [token, wrapper] of providers)
          expect(graph.of(wrapper)).toMatchObject({ token, module });
      }
    });

    it('appears in the modules that have it', async () => {
      @Module({ providers: [Static, Passing] })
      class OneModule {}
      @Module({ imports: [OneModule], providers: [Static] })
      class OtherModule {}
      const graph = graphNow(await started({ imports: [OtherModule] }));
      const namesIn = (wanted: string): string[] =>
        graph.providers
          .filter(({ module, name }) => module === wanted && ['Static', 'Passing'].includes(name))
          .map(({ name }) => name);
      expect(namesIn('OneModule')).toEqual(['Static', 'Passing']);
      expect(namesIn('OtherModule')).toEqual(['Static']);
    });
  });

  describe('edges', () => {
    it('come from constructors first, then from properties', async () => {
      @RequestScoped()
      class Subject {
        @Inject(Passing) passing!: Passing;
        @Inject('VALUE') value!: number;

        constructor(
          readonly own: Static,
          @Inject('VALUE') readonly given: number,
        ) {}
      }
      const app = await started({
        providers: [...BASICS, Subject, { provide: 'VALUE', useValue: 1 }],
      });
      expect(edgesOf(graphNow(app), 'Subject')).toEqual([
        'constructor[0] Static',
        'constructor[1] VALUE',
        'property passing Passing',
        'property value VALUE',
      ]);
    });

    it('come from symbols as keys of properties too', async () => {
      const key = Symbol('key');
      @RequestScoped()
      class Subject {
        @Inject(Static) [key]!: Static;
      }
      const app = await started({ providers: [Static, Subject] });
      expect(edgesOf(graphNow(app), 'Subject')).toEqual(['property Symbol(key) Static']);
    });

    it('come from inject of factories, with and without options', async () => {
      const app = await started({
        providers: [
          ...BASICS,
          {
            provide: 'SUBJECT',
            scope: Scope.REQUEST,
            inject: [
              Static,
              { token: Asked, optional: false },
              { token: 'NOBODY', optional: true },
              { token: forwardRef(() => Passing) as unknown as Type, optional: true },
              forwardRef(() => Tenant) as unknown as Type,
            ],
            useFactory: () => 1,
          },
        ],
      });
      expect(edgesOf(graphNow(app), 'SUBJECT')).toEqual([
        'inject[0] Static',
        'inject[1] Asked',
        'inject[3] Passing',
        'inject[4] Tenant',
      ]);
    });

    it('leave out what is optional and missing, by constructor and by property', async () => {
      @RequestScoped()
      class Subject {
        @Optional() @Inject('NOBODY') property: unknown;

        constructor(
          @Optional() @Inject('NOBODY') readonly missing: unknown,
          @Optional() readonly present: Static,
        ) {}
      }
      const app = await started({ providers: [Static, Subject] });
      expect(edgesOf(graphNow(app), 'Subject')).toEqual(['constructor[1] Static']);
      await app.resolve(Subject);
      expect(edgesOf(graphNow(app), 'Subject')).toEqual(['constructor[1] Static']);
    });

    it.each([Scope.DEFAULT, Scope.REQUEST, Scope.TRANSIENT])(
      'go both ways between two that know each other by forwardRef() (scope %s)',
      async (scope) => {
        @Injectable({ scope })
        class Left {
          constructor(@Inject(forwardRef(() => Right)) readonly right: unknown) {}
        }
        @Injectable({ scope })
        class Right {
          constructor(@Inject(forwardRef(() => Left)) readonly left: unknown) {}
        }
        const graph = graphNow(await started({ providers: [Left, Right] }));
        expect(edgesOf(graph, 'Left')).toEqual(['constructor[0] Right']);
        expect(edgesOf(graph, 'Right')).toEqual(['constructor[0] Left']);
      },
    );

    it('make both of a circle request-scoped when one is', async () => {
      @Injectable()
      class Left {
        constructor(@Inject(forwardRef(() => Right)) readonly right: unknown) {}
      }
      @Injectable()
      class Right {
        constructor(
          @Inject(forwardRef(() => Left)) readonly left: unknown,
          readonly asked: Asked,
        ) {}
      }
      const graph = graphNow(await started({ providers: [Asked, Left, Right] }));
      expect([named(graph, 'Left').lifetime, named(graph, 'Right').lifetime]).toEqual([
        'bubbled',
        'bubbled',
      ]);
    });

    it('lead to the tick or request, and never to the dependent itself', async () => {
      @Transient()
      class Logger {
        @Inject(INQUIRER) by: unknown;

        constructor(
          @Inject(INQUIRER) readonly inquirer: unknown,
          readonly own: Static,
        ) {}
      }
      @Injectable()
      class Subject {
        constructor(
          @Inject(REQUEST) readonly request: unknown,
          readonly logger: Logger,
        ) {}
      }
      const app = await started({ providers: [Static, Logger, Subject] });
      const check = (): void => {
        const graph = graphNow(app);
        expect(edgesOf(graph, 'Subject')).toEqual([
          'constructor[0] REQUEST',
          'constructor[1] Logger',
        ]);
        expect(edgesOf(graph, 'Logger')).toEqual(['constructor[1] Static']);
      };
      check();
      await app.resolve(Subject);
      check();
    });

    it('never lead from a provider to itself: Nest looks for no dependency under its own token', async () => {
      @RequestScoped()
      class Subject {
        constructor(@Optional() @Inject('SUBJECT') readonly self: unknown) {}
      }
      const app = await started({ providers: [{ provide: 'SUBJECT', useClass: Subject }] });
      const subject = await app.resolve<Subject>('SUBJECT');
      expect(subject.self).toBeUndefined();
      expect(edgesOf(graphNow(app), 'SUBJECT')).toEqual([]);
    });

    it('come from an inherited constructor, with what the base class declares of it', async () => {
      @Injectable()
      class Base {
        @Inject(Passing) passing!: Passing;

        constructor(
          readonly own: Static,
          @Inject('VALUE') readonly value: number,
        ) {}
      }
      @RequestScoped()
      class Subject extends Base {}
      const app = await started({
        providers: [...BASICS, Subject, { provide: 'VALUE', useValue: 1 }],
      });
      expect(edgesOf(graphNow(app), 'Subject')).toEqual([
        'constructor[0] Static',
        'constructor[1] VALUE',
        'property passing Passing',
      ]);
    });

    it('lead to what stands for an abstract class', async () => {
      abstract class Port {
        abstract send(): void;
      }
      @RequestScoped()
      class Adapter extends Port {
        send() {}
      }
      const Subject = injecting('Subject', [Port]);
      const graph = graphNow(
        await started({ providers: [{ provide: Port, useClass: Adapter }, Subject] }),
      );
      expect(edgesOf(graph, 'Subject')).toEqual(['constructor[0] Port']);
      expect(named(graph, 'Port')).toMatchObject({ type: Adapter, lifetime: 'request' });
    });

    it('name an imported property once', async () => {
      @Module({ providers: [Static], exports: [Static] })
      class DeepModule {}
      @Module({ imports: [DeepModule], exports: [DeepModule] })
      class MiddleModule {}
      @Module({ imports: [MiddleModule], exports: [MiddleModule] })
      class OuterModule {}
      @RequestScoped()
      class Subject {
        @Inject(Static) own!: Static;
      }
      const app = await started({ imports: [OuterModule], providers: [Subject] });
      await Promise.all([app.resolve(Subject), app.resolve(Subject)]);
      expect(edgesOf(graphNow(app), 'Subject')).toEqual(['property own Static']);
    });

    it('come from the enhancers of a controller, of all its methods', async () => {
      @RequestScoped()
      class Guard {
        canActivate() {
          return true;
        }
      }
      @Injectable()
      class Interceptor {
        constructor(readonly asked: Asked) {}

        intercept() {}
      }
      @Injectable()
      class Filter {
        catch() {}
      }
      @UseGuards(Guard)
      @Controller()
      class Door {
        @UseInterceptors(Interceptor)
        @UseFilters(Filter)
        open() {}
      }
      @Controller()
      class Plain {}
      const graph = graphNow(await started({ controllers: [Door, Plain], providers: [Asked] }));
      expect(edgesOf(graph, 'Door').toSorted()).toEqual([
        'enhancer Filter',
        'enhancer Guard',
        'enhancer Interceptor',
      ]);
      expect(named(graph, 'Door').lifetime).toBe('bubbled');
      expect(named(graph, 'Interceptor')).toMatchObject({ place: 'enhancer', lifetime: 'bubbled' });
      expect(edgesOf(graph, 'Plain')).toEqual([]);
    });

    it('come from the enhancers of a worker', async () => {
      @RequestScoped()
      class Guard {
        canActivate() {
          return true;
        }
      }
      @ScopedWorker()
      class Guarded {
        @UseGuards(Guard)
        @OnDemand()
        run() {}
      }
      const { app } = await startApp({ providers: [Guarded] });
      expect(edgesOf(graphNow(app), 'Guarded')).toEqual(['enhancer Guard']);
    });
  });

  describe('aliases', () => {
    const chain: Provider[] = [
      { provide: 'FIRST', useExisting: 'SECOND' },
      { provide: 'SECOND', useExisting: 'LAST' },
    ];

    it.each(['request-scoped', 'transient', 'singleton'])(
      'lead to the %s provider behind them, through a chain',
      async (what) => {
        const scope = { 'request-scoped': Scope.REQUEST, transient: Scope.TRANSIENT }[what];
        const Subject = injecting('Subject', [Object], { scope: Scope.REQUEST });
        Inject('FIRST')(Subject, undefined, 0);
        const app = await started({
          providers: [
            ...chain,
            { provide: 'LAST', useFactory: () => ({}), scope: scope ?? Scope.DEFAULT },
            Subject,
          ],
        });
        const reachable = () => {
          const graph = graphNow(app);
          const reached = new Set([named(graph, 'Subject')]);
          for (const provider of reached)
            for (const next of graph.dependenciesOf(provider)) reached.add(next);
          return [...reached].map(({ name }) => name);
        };
        expect(reachable()).toContain('LAST');
        const before = written(graphNow(app));
        await app.resolve(Subject);
        expect(reachable()).toContain('LAST');
        expect(written(graphNow(app))).toEqual(before);
      },
    );
  });

  describe('modules', () => {
    /** A provider that knows its module, and a consumer of it in another module, of each scope. */
    class Where {
      constructor(readonly module: string) {}
    }
    const where = (module: string): Provider => ({ provide: Where, useValue: new Where(module) });
    const CONSUMERS = [Scope.DEFAULT, Scope.REQUEST, Scope.TRANSIENT].map((scope) => {
      const name = `Consumer${scope}`;
      const Consumer = {
        [name]: class {
          constructor(readonly where: Where) {}
        },
      }[name]!;
      Injectable({ scope })(Consumer);
      Reflect.defineMetadata('design:paramtypes', [Where], Consumer);
      return Consumer;
    });

    /** For each scope of the consumer: where the graph says that it comes from, and where it really comes from. */
    async function compare(app: INestApplicationContext, ofModule?: string) {
      const says = () => {
        const graph = graphNow(app);
        return CONSUMERS.map(({ name }) => {
          const [first] = graph.dependenciesOf(named(graph, name, ofModule));
          return first?.module;
        });
      };
      const before = says();
      const real: (string | undefined)[] = [];
      for (const module of modulesOf(app).values()) {
        if (!module.providers.has(CONSUMERS[0]) || (ofModule ?? module.name) !== module.name)
          continue;
        const moduleRef = module.providers.get(ModuleRef)!.instance as ModuleRef;
        for (const Consumer of CONSUMERS) {
          const consumer = await (Consumer === CONSUMERS[0]
            ? moduleRef.get(Consumer)
            : moduleRef.resolve(Consumer));
          real.push((consumer as { where: Where }).where.module);
        }
      }
      return { before, real, after: says() };
    }

    const all = (module: string) => {
      const expected = CONSUMERS.map(() => module);
      return { before: expected, real: expected, after: expected };
    };

    it('resolve to their own provider before one that is imported', async () => {
      @Module({ providers: [where('OneModule')], exports: [Where] })
      class OneModule {}
      @Module({ imports: [OneModule], providers: [where('OwnModule'), ...CONSUMERS] })
      class OwnModule {}
      await expect(compare(await started({ imports: [OwnModule] }))).resolves.toEqual(
        all('OwnModule'),
      );
    });

    it('do not see what is not exported, and see what is exported again', async () => {
      @Module({ providers: [where('HiddenModule')] })
      class HiddenModule {}
      @Module({ providers: [where('DeepModule')], exports: [Where] })
      class DeepModule {}
      @Module({ imports: [DeepModule], exports: [DeepModule] })
      class AgainModule {}
      @Module({ imports: [HiddenModule, AgainModule], providers: CONSUMERS })
      class OwnModule {}
      await expect(compare(await started({ imports: [OwnModule] }))).resolves.toEqual(
        all('DeepModule'),
      );
    });

    it('see an imported provider or a global one, whichever Nest injects', async () => {
      @Global()
      @Module({ providers: [where('GlobalModule')], exports: [Where] })
      class GlobalModule {}
      @Module({ providers: [where('ImportedModule')], exports: [Where] })
      class ImportedModule {}
      @Module({ imports: [ImportedModule], providers: CONSUMERS })
      class OwnModule {}
      // Nest 11.0 takes the global one, later versions the imported one.
      const { before, real, after } = await compare(
        await started({ imports: [OwnModule, GlobalModule] }),
      );
      expect([before, after]).toEqual([real, real]);
      expect(new Set(real).size).toBe(1);
    });

    it('see a global provider where nothing is imported', async () => {
      @Global()
      @Module({ providers: [where('GlobalModule')], exports: [Where] })
      class GlobalModule {}
      @Module({ providers: CONSUMERS })
      class OwnModule {}
      await expect(compare(await started({ imports: [OwnModule, GlobalModule] }))).resolves.toEqual(
        all('GlobalModule'),
      );
    });

    it('see their own of one class in two modules', async () => {
      @Module({ providers: [where('LeftModule'), ...CONSUMERS] })
      class LeftModule {}
      @Module({ providers: [where('RightModule'), ...CONSUMERS] })
      class RightModule {}
      const app = await started({ imports: [LeftModule, RightModule] });
      await expect(compare(app, 'LeftModule')).resolves.toEqual(all('LeftModule'));
      await expect(compare(app, 'RightModule')).resolves.toEqual(all('RightModule'));
    });

    it('may be dynamic: what each of them provides is its own', async () => {
      @Module({})
      class FeatureModule {
        static of(module: string): DynamicModule {
          return { module: FeatureModule, providers: [where(module)], exports: [Where] };
        }
      }
      @Module({ imports: [FeatureModule.of('one')], providers: CONSUMERS })
      class LeftModule {}
      @Module({ imports: [FeatureModule.of('two')], providers: CONSUMERS })
      class RightModule {}
      const app = await started({ imports: [LeftModule, RightModule] });
      const left = await compare(app, 'LeftModule');
      const right = await compare(app, 'RightModule');
      expect([left.real, right.real]).toEqual([
        ['one', 'one', 'one'],
        ['two', 'two', 'two'],
      ]);
      const graph = graphNow(app);
      const targets = ['LeftModule', 'RightModule'].map(
        (module) => named(graph, 'Consumer1', module).dependencies[0]!.to,
      );
      expect(targets[0]).not.toBe(targets[1]);
    });

    it(
      'agree with what Nest injects, for all imports and exports',
      () =>
        fc.assert(
          fc.asyncProperty(
            fc.array(
              fc.record({
                provides: fc.boolean(),
                exportsIt: fc.boolean(),
                imports: fc.array(fc.nat(20), { maxLength: 3, size: 'max' }),
                exportsImports: fc.boolean(),
                isGlobal: fc.constantFrom(false, false, false, true),
              }),
              { minLength: 2, maxLength: 6 },
            ),
            async (plans) => {
              const modules: Type[] = [];
              for (const [at, plan] of plans.entries()) {
                const name = `Module${at}`;
                const Plain = { [name]: class {} }[name]!;
                const imports = [
                  ...new Set(at === 0 ? [] : plan.imports.map((other) => modules[other % at]!)),
                ];
                Module({
                  imports,
                  providers: [
                    ...(plan.provides ? [where(name)] : []),
                    // Optional: not everybody sees one.
                    ...['SINGLE', 'SCOPED'].map((provide): Provider => ({
                      provide,
                      scope: provide === 'SINGLE' ? Scope.DEFAULT : Scope.REQUEST,
                      inject: [{ token: Where, optional: true }],
                      useFactory: (seen: Where | undefined) => ({ seen: seen?.module }),
                    })),
                  ],
                  exports: [
                    ...(plan.provides && plan.exportsIt ? [Where] : []),
                    ...(plan.exportsImports ? imports : []),
                  ],
                })(Plain);
                if (plan.isGlobal) Global()(Plain);
                modules.push(Plain);
              }
              const app = await started({ imports: modules });
              const graph = graphNow(app);
              for (const [at, module] of [...modulesOf(app).values()].entries()) {
                if (!module.name.startsWith('Module')) continue;
                const moduleRef = module.providers.get(ModuleRef)!.instance as ModuleRef;
                for (const token of ['SINGLE', 'SCOPED']) {
                  const { seen } = await (token === 'SINGLE'
                    ? moduleRef.get<{ seen: unknown }>(token)
                    : moduleRef.resolve<{ seen: unknown }>(token));
                  const [edge] = graph.dependenciesOf(named(graph, token, module.name));
                  expect([at, token, edge?.module]).toEqual([at, token, seen]);
                  // Of several that are built already, Nest 11.0 takes the last.
                  const found = seenProvider(module, Where)?.host?.name;
                  expect(isOldest ? seen : found).toBe(seen);
                }
              }
              await Promise.all(opened.splice(0).map((one) => one.close()));
            },
          ),
          { numRuns: Number(process.env['GRAPH_RUNS'] ?? 60) },
        ),
      60_000,
    );
  });

  describe('when providers are replaced', () => {
    it('has what overrideProvider() put there', async () => {
      const Subject = injecting('Subject', [Asked]);
      const metadata = { providers: [Asked, Static, Subject] };
      const kindOf = async (build: (builder: TestingModuleBuilder) => TestingModuleBuilder) => {
        const graph = graphNow(await started(metadata, build));
        const { kind, lifetime } = named(graph, 'Asked');
        return `${kind} ${lifetime}, Subject ${named(graph, 'Subject').lifetime}`;
      };
      await expect(kindOf((builder) => builder)).resolves.toBe('class request, Subject bubbled');
      await expect(kindOf((builder) => builder.overrideProvider(Asked).useValue({}))).resolves.toBe(
        'value singleton, Subject singleton',
      );
    });

    it('has the lifetime that Nest computes for a class in the place of another', async () => {
      // Nest 11 keeps the scope of what was there before.
      const Subject = injecting('Subject', [Asked]);
      const app = await started({ providers: [Asked, Static, Subject] }, (builder) =>
        builder.overrideProvider(Asked).useClass(Static),
      );
      const isOne = (await app.resolve(Asked)) === (await app.resolve(Asked));
      const graph = graphNow(app);
      expect(named(graph, 'Asked').type).toBe(Static);
      expect(named(graph, 'Asked').lifetime).toBe(isOne ? 'singleton' : 'request');
      expect(named(graph, 'Subject').lifetime).toBe(isOne ? 'singleton' : 'bubbled');
    });

    it('follows what a class in the place of a request-scoped one injects', async () => {
      const Stub = injecting('Stub', [Static], { scope: Scope.REQUEST });
      const app = await started({ providers: [Asked, Static] }, (builder) =>
        builder.overrideProvider(Asked).useClass(Stub),
      );
      expect(edgesOf(graphNow(app), 'Asked')).toEqual(['constructor[0] Static']);
      expect(named(graphNow(app), 'Asked').type).toBe(Stub);
    });
  });

  describe('when it is read', () => {
    const metadata = (): ModuleMetadata => {
      @RequestScoped()
      class Deep {
        @Inject(Static) own!: Static;
        @Optional() @Inject('NOBODY') nobody: unknown;
      }
      const Bubbled = injecting('Bubbled', [Deep, Passing]);
      const TransientOfAll = injecting('TransientOfAll', [Bubbled, Static], {
        scope: Scope.TRANSIENT,
      });
      @Module({ providers: [...BASICS, Deep, Bubbled], exports: [Bubbled, Static] })
      class DeepModule {}
      @RequestScoped()
      class Top {
        constructor(
          readonly module: ModuleRef,
          @Inject('FACTORY') readonly made: unknown,
          @Inject(TransientOfAll) readonly all: unknown,
        ) {}
      }
      return {
        imports: [DeepModule],
        providers: [
          TransientOfAll,
          Top,
          {
            provide: 'FACTORY',
            scope: Scope.REQUEST,
            inject: [Bubbled, { token: 'NOBODY', optional: true }],
            useFactory: () => ({}),
          },
        ],
      };
    };

    it('is the same before the first resolution and after many', async () => {
      const app = await started(metadata());
      const before = written(graphNow(app));
      const [top] = graphNow(app).providers.filter(({ name }) => name === 'Top');
      for (let round = 0; round < 3; round += 1) {
        await Promise.all([app.resolve(top!.type as Type), app.resolve('FACTORY')]);
      }
      expect(written(graphNow(app))).toEqual(before);
      expect(before).toContain(
        'FACTORY@RootTestModule provider request factory: inject[0] Bubbled@DeepModule',
      );
    });

    it('is the same in preview mode, compiled, and started', async () => {
      const given = metadata();
      const shown = written(graphNow(await preview(given)));
      const compiled = await Test.createTestingModule(given)
        .setLogger(new RecordingLogger())
        .compile();
      opened.push(compiled);
      expect(written(graphNow(compiled))).toEqual(shown);
      expect(written(graphNow(await started(given)))).toEqual(shown);
    });

    it('builds nothing and calls nothing', async () => {
      const calls: string[] = [];
      @RequestScoped()
      class Loud {
        constructor() {
          calls.push('constructor');
        }

        get something(): void {
          calls.push('getter');
          return undefined;
        }
      }
      const app = await started({
        providers: [
          Loud,
          {
            provide: 'LOUD',
            scope: Scope.REQUEST,
            inject: [Loud],
            useFactory: () => calls.push('factory'),
          },
          { provide: 'PROXY', useValue: new Proxy({}, { get: () => calls.push('proxy') }) },
        ],
      });
      calls.length = 0;
      graphNow(app);
      expect(calls).toEqual([]);
    });

    it('is read once, and again when a module was loaded lazily', async () => {
      @Module({ providers: [Asked] })
      class LateModule {}
      const { app } = await startApp({ providers: [Static] });
      const { graph } = app.get(ScopedWorkerServices, { strict: false });
      const before = graph.current;
      expect(graph.current).toBe(before);
      expect(before.providers.some(({ name }) => name === 'Asked')).toBe(false);
      await app.get(LazyModuleLoader).load(() => LateModule);
      expect(named(graph.current, 'Asked')).toMatchObject({
        module: 'LateModule',
        lifetime: 'request',
      });
      expect(graph.current).toBe(graph.current);
    });
  });
});
