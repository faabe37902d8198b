import {
  forwardRef,
  Global,
  Inject,
  Injectable,
  Module,
  Optional,
  Scope,
  UseGuards,
  type CanActivate,
  type ModuleMetadata,
  type Provider,
  type Type,
} from '@nestjs/common';
import { INQUIRER, ModuleRef, Reflector, REQUEST } from '@nestjs/core';
import { getRepositoryToken, InjectRepository } from '@nestjs/typeorm';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Entity, PrimaryGeneratedColumn } from 'typeorm';
import { inspectScopes, ScopedCron, ScopedWorker, ScopeValidationError } from '../../lib/index.js';
import {
  getScopedEntityManagerToken,
  getScopedRepositoryToken,
  ScopedTypeOrmModule,
} from '../../lib/typeorm/index.js';
import { closeApps, compileApp, startApp, type TestAppOptions } from '../support/app.js';
import { testDatabase } from '../support/postgres.js';
import { Note, typeOrmRoot } from '../support/scoped-typeorm.js';
import { RequestScoped, Transient, worker, YEARLY } from '../support/probes.js';

/** Nest 11.0 passes undefined for a parameter of which no metadata exist; later versions refuse it. */
const skipsUnknownParams = process.env['NEST'] === 'nest11-oldest';

/** Nest 11.0 and 12 refuse what is missing when they compile; 11.2 leaves what says that it is scoped to the first request. */
const isLeftToUs = process.env['NEST'] === 'nest11-newest';

afterEach(closeApps);

@Injectable()
class Smtp {}

@RequestScoped()
class Mailer {
  constructor(readonly smtp: Smtp) {}
}

const scoped = (inject: unknown[], provide = 'part'): Provider => ({
  provide,
  scope: Scope.REQUEST,
  inject: inject as never,
  useFactory: () => ({}),
});

const viaMailer = [worker([Mailer]), Mailer];

describe('A worker that asks for what nothing provides', () => {
  @RequestScoped()
  class ByProperty {
    @Inject(Smtp) readonly smtp!: Smtp;
  }
  @Transient()
  class Stamp {
    constructor(readonly smtp: Smtp) {}
  }
  @Injectable()
  class Bubbled {
    constructor(
      @Inject(REQUEST) readonly request: unknown,
      @Inject(Smtp) readonly smtp: unknown,
    ) {}
  }
  @RequestScoped()
  class Guard implements CanActivate {
    constructor(readonly smtp: Smtp) {}

    canActivate(): boolean {
      return true;
    }
  }
  @ScopedWorker()
  class Guarded {
    @UseGuards(Guard)
    @ScopedCron(YEARLY)
    run(): void {}
  }
  @Module({ providers: [Smtp] })
  class Unexported {}
  @Module({ providers: [Smtp], exports: [Smtp] })
  class Exporting {}
  @Module({ imports: [Exporting] })
  class NotReexporting {}
  @Module({ imports: [Exporting], exports: [Exporting] })
  class Reexporting {}
  @Global()
  @Module({ imports: [Exporting], exports: [Exporting] })
  class Everywhere {}
  @Global()
  @Module({ providers: [Smtp], exports: [Smtp] })
  class Shared {}

  const present: ModuleMetadata = { providers: [Smtp] };

  it.each<[string, ModuleMetadata, ModuleMetadata]>([
    ['in its constructor', { providers: [worker([Smtp])] }, present],
    ['in the constructor of what it injects', { providers: viaMailer }, present],
    ['by a property', { providers: [worker([ByProperty]), ByProperty] }, present],
    ['in a factory', { providers: [worker(['part']), scoped([Smtp])] }, present],
    [
      'in a factory, optional in vain',
      { providers: [worker(['part']), scoped([{ token: Smtp, optional: false }])] },
      present,
    ],
    [
      'behind an alias',
      { providers: [worker(['alias']), { provide: 'alias', useExisting: Mailer }, Mailer] },
      present,
    ],
    ['in a transient', { providers: [worker([Stamp]), Stamp] }, present],
    [
      'in what a dependency has made request-scoped',
      { providers: [worker([Bubbled]), Bubbled] },
      present,
    ],
    ['in a guard of a handler', { providers: [Guarded] }, present],
    [
      'behind forwardRef()',
      { providers: [worker([forwardRef(() => Mailer) as never]), Mailer] },
      present,
    ],
    [
      'in a module that does not export it',
      { imports: [Unexported], providers: viaMailer },
      { imports: [Exporting] },
    ],
    [
      'in a module of a module',
      { imports: [NotReexporting], providers: viaMailer },
      { imports: [Reexporting] },
    ],
    [
      'in a module that no global one exports',
      { imports: [Unexported], providers: viaMailer },
      { imports: [Everywhere] },
    ],
    ['that no global module exports', { providers: viaMailer }, { imports: [Shared] }],
  ])('[XC12] is refused: %s', async (_where, metadata, neighbor) => {
    const error = await startApp(metadata).then(
      () => undefined,
      (thrown: unknown) => thrown as Error,
    );
    expect(error?.message).toMatch(/Smtp/);
    // Some of them every version of Nest refuses, all of them some.
    const verdict =
      error instanceof ScopeValidationError
        ? error.findings.map(({ number, chain }) => `${number} ${chain.at(-1)}`).join()
        : error!.constructor.name;
    expect(['SW111 Smtp', 'UnknownDependenciesException']).toContain(verdict);
    const accepted = await startApp({
      ...metadata,
      imports: [...(metadata.imports ?? []), ...(neighbor.imports ?? [])],
      providers: [...metadata.providers!, ...(neighbor.providers ?? [])],
    });
    const [{ name } = { name: '' }] = accepted.registry.list();
    expect(await accepted.registry.run(name)).toMatchObject({ outcome: 'succeeded' });
  });

  it('[C9] is refused in a module that no other uses', async () => {
    @Module({ providers: viaMailer })
    class Aside {}
    await expect(startApp({ imports: [Aside] })).rejects.toThrow(/Smtp/);
  });
});

// Elsewhere Nest has its own words, and no application comes of it.
(isLeftToUs ? describe : describe.skip)('What this version of Nest leaves to us', () => {
  it('[XC12] says where, why it matters and what to do; the inspector says it too', async () => {
    @Module({ providers: viaMailer })
    class MailModule {}
    const { app } = await compileApp({ imports: [MailModule] });
    const message =
      'Mailer cannot be built: it injects Smtp at constructor[0], but MailModule neither provides nor imports it. Every tick of Worker.run would fail (Worker.run -> Mailer -> Smtp). Add Smtp to the providers of MailModule, or import a module that exports it.';
    expect(inspectScopes(app).findings.map((found) => found.message)).toContain(message);
    await expect(app.init()).rejects.toMatchObject({
      findings: [{ message, subject: 'Mailer' }],
    });
  });

  it.each([
    [true, false, 'Add Smtp to the exports of SmtpModule, which MailModule imports'],
    [
      false,
      true,
      'Import SmtpModule, which exports Smtp, into MailModule the way ShopModule imports it',
    ],
    [
      false,
      false,
      'Add Smtp to the exports of SmtpModule, and import that module into MailModule the way ShopModule imports it',
    ],
  ])(
    '[XC12] names the module that provides it: imported %s, exported %s',
    async (isImported, isExported, advice) => {
      @Module({ providers: [Smtp], exports: isExported ? [Smtp] : [] })
      class SmtpModule {}
      @Module({ imports: isImported ? [SmtpModule] : [], providers: viaMailer })
      class MailModule {}
      @Module({ imports: [SmtpModule, MailModule] })
      class ShopModule {}
      const starting = startApp({ imports: [ShopModule] });
      await expect(starting).rejects.toThrow(`Mailer -> Smtp). ${advice}.`);
    },
  );

  it('[XC12] does not propose a circular import', async () => {
    @Module({ providers: viaMailer })
    class MailModule {}
    @Module({ imports: [MailModule], providers: [Smtp], exports: [Smtp] })
    class ShopModule {}
    await expect(startApp({ imports: [ShopModule] })).rejects.toThrow(
      'Add Smtp to the providers of MailModule, or import a module that exports it.',
    );
  });

  it('[XC12] names what a circle of imports has left undefined', async () => {
    @RequestScoped()
    class Circular {
      constructor(@Inject(Smtp) readonly other: unknown) {}
    }
    Reflect.defineMetadata('self:paramtypes', [{ index: 0, param: undefined }], Circular);
    await expect(startApp({ providers: [worker([Circular]), Circular] })).rejects.toThrow(
      'Circular cannot be built: the token that it injects at constructor[0] is undefined. Every tick of Worker.run would fail. Check for a circular import, and write @Inject(forwardRef(() => Token)) there.',
    );
  });

  it.each<[string, unknown, string]>([
    [
      'a scoped repository',
      getScopedRepositoryToken(Note),
      'Add ScopedTypeOrmModule.forFeature([Note]) to the imports of NoteModule.',
    ],
    [
      'a scoped repository of another data source',
      getScopedRepositoryToken(Note, 'archive'),
      "Add ScopedTypeOrmModule.forFeature([Note], { dataSource: 'archive' }) to the imports of NoteModule.",
    ],
    [
      'a scoped repository of a data source with parentheses in its name',
      getScopedRepositoryToken(Note, 'eu (west)'),
      "Add ScopedTypeOrmModule.forFeature([Note], { dataSource: 'eu (west)' }) to the imports of NoteModule.",
    ],
    [
      'a scoped repository of an entity with a name only',
      getScopedRepositoryToken('note'),
      "Add ScopedTypeOrmModule.forFeature(['note']) to the imports of NoteModule.",
    ],
    [
      'a scoped entity manager',
      getScopedEntityManagerToken(),
      'Add ScopedTypeOrmModule.forFeature([]) to the imports of NoteModule.',
    ],
    [
      'a scoped entity manager of another data source',
      getScopedEntityManagerToken('archive'),
      "Add ScopedTypeOrmModule.forFeature([], { dataSource: 'archive' }) to the imports of NoteModule.",
    ],
    [
      'a repository of @nestjs/typeorm',
      getRepositoryToken(Note),
      'Add NoteRepository to the providers of NoteModule, or import a module that exports it. For the repository of a TypeORM entity, import TypeOrmModule.forFeature([Note]).',
    ],
    [
      'a repository of another data source',
      getRepositoryToken(Note, 'archive'),
      "Add archive_NoteRepository to the providers of NoteModule, or import a module that exports it. For the repository of a TypeORM entity, import TypeOrmModule.forFeature([Note], 'archive').",
    ],
  ])('[XC12] names the import for %s', async (_what, token, help) => {
    @Module({ providers: [worker([token as never])] })
    class NoteModule {}
    const error: Error = await startApp({ imports: [NoteModule] }).then(
      () => new Error('It started.'),
      (thrown: Error) => thrown,
    );
    expect(error.message).toContain(` would fail. ${help}`);
  });

  describe('when ticks use scoped repositories', () => {
    type Imports = NonNullable<ModuleMetadata['imports']>;
    const database = testDatabase();

    @Entity()
    class Other {
      @PrimaryGeneratedColumn()
      id!: number;
    }
    const archive = () => typeOrmRoot(database, { name: 'archive', synchronize: false });
    const inArchive = { dataSource: 'archive', transaction: true };
    const forNote = ScopedTypeOrmModule.forFeature([Note], { transaction: true });
    @Module({ imports: [forNote], exports: [forNote] })
    class Database {}

    /** What start-up says to do if a provider of `ServiceModule`, whose module has `imports`, injects `token`. */
    const helpFor = async (
      token: unknown,
      imports: Imports,
      ofWorker: Imports = [forNote],
    ): Promise<string> => {
      @Module({ imports, providers: [scoped([token], 'service')], exports: ['service'] })
      class ServiceModule {}
      const Run = worker(['service', getScopedEntityManagerToken()]);
      @Module({ imports: [ServiceModule, ...ofWorker], providers: [Run] })
      class WorkerModule {}
      const { findings } = (await startApp({
        imports: [typeOrmRoot(database), archive(), WorkerModule],
      }).then(
        () => ({ findings: [] }),
        (thrown: unknown) => thrown,
      )) as ScopeValidationError;
      const [found] = findings.filter(({ subject }) => subject === 'service');
      return found!.message.replace(/^.* would fail \(.*?\)\. /, '');
    };

    it.each<[string, unknown, Imports, string]>([
      [
        'add the entity to the import that the module already has',
        getScopedRepositoryToken(Other),
        [forNote],
        'Add Other to the ScopedTypeOrmModule.forFeature([...], { transaction: true }) that ServiceModule already imports.',
      ],
      [
        'add it to an import without a transaction',
        getScopedRepositoryToken(Other),
        [ScopedTypeOrmModule.forFeature([Note])],
        'Add Other to the ScopedTypeOrmModule.forFeature([...]) that ServiceModule already imports.',
      ],
      [
        'add it to an import of the same data source',
        getScopedRepositoryToken(Other, 'archive'),
        [forNote, ScopedTypeOrmModule.forFeature([Note], inArchive)],
        "Add Other to the ScopedTypeOrmModule.forFeature([...], { dataSource: 'archive', transaction: true }) that ServiceModule already imports.",
      ],
      [
        'add it to an import that another module exports',
        getScopedRepositoryToken(Other),
        [Database],
        'Add Other to the ScopedTypeOrmModule.forFeature([...], { transaction: true }) that ServiceModule already imports.',
      ],
      [
        'import it with the option that the ticks already use',
        getScopedRepositoryToken(Other),
        [],
        'Add ScopedTypeOrmModule.forFeature([Other], { transaction: true }) to the imports of ServiceModule.',
      ],
      [
        'import an entity manager with that option',
        getScopedEntityManagerToken(),
        [],
        'Add ScopedTypeOrmModule.forFeature([], { transaction: true }) to the imports of ServiceModule.',
      ],
      [
        'import that of another data source, which has no transaction',
        getScopedRepositoryToken(Other, 'archive'),
        [forNote],
        "Add ScopedTypeOrmModule.forFeature([Other], { dataSource: 'archive' }) to the imports of ServiceModule.",
      ],
      [
        'write the scoped repository that the module imports',
        getRepositoryToken(Note),
        [forNote],
        'For the repository of a TypeORM entity, write getScopedRepositoryToken(Note) at inject[0], because ServiceModule already imports it. Otherwise, add NoteRepository to the providers of ServiceModule, or import a module that exports it.',
      ],
      [
        'write the scoped repository, and add the entity',
        getRepositoryToken(Other),
        [forNote],
        'For the repository of a TypeORM entity, write getScopedRepositoryToken(Other) at inject[0], and add Other to the ScopedTypeOrmModule.forFeature([...], { transaction: true }) that ServiceModule already imports. Otherwise, add OtherRepository to the providers of ServiceModule, or import a module that exports it.',
      ],
      [
        'write the scoped repository, and import it with the option that the ticks already use',
        getRepositoryToken(Note),
        [],
        'For the repository of a TypeORM entity, write getScopedRepositoryToken(Note) at inject[0], and add ScopedTypeOrmModule.forFeature([Note], { transaction: true }) to the imports of ServiceModule. Otherwise, add NoteRepository to the providers of ServiceModule, or import a module that exports it.',
      ],
    ])('[XC12] says to %s', async (_what, token, imports, help) => {
      expect(await helpFor(token, imports)).toBe(help);
    });

    it('[XC12] says to import it with the option of another module if the ticks have none', async () => {
      const others = [Database, ScopedTypeOrmModule.forFeature([Note], inArchive)];
      @Module({ imports: others })
      class Others {}
      const token = getScopedRepositoryToken(Other, 'archive');
      expect(await helpFor(token, [], [forNote, Others])).toBe(
        "Add ScopedTypeOrmModule.forFeature([Other], { dataSource: 'archive', transaction: true }) to the imports of ServiceModule.",
      );
    });

    it('[XC12] does not take an underscore in the name of an entity for a data source', async () => {
      class Note_Tag {}
      class note_tag {}
      for (const entity of [Note_Tag, note_tag])
        expect(await helpFor(getRepositoryToken(entity), [forNote])).toContain(
          `write getScopedRepositoryToken(${entity.name}) at inject[0], and add ${entity.name} to `,
        );
    });

    it('[XC12] names the decorator where a class injects the repository', async () => {
      @ScopedWorker()
      class Leftover {
        constructor(@InjectRepository(Note, 'archive') readonly notes: unknown) {}

        @ScopedCron(YEARLY)
        run(): void {}
      }
      @Module({
        imports: [ScopedTypeOrmModule.forFeature([Note], inArchive)],
        providers: [Leftover],
      })
      class NoteModule {}
      await expect(startApp({ imports: [archive(), NoteModule] })).rejects.toThrow(
        "Leftover cannot be built: it injects archive_NoteRepository at constructor[0], but NoteModule neither provides nor imports it. Every tick of Leftover.run would fail. For the repository of a TypeORM entity, write @InjectScopedRepository(Note, 'archive') at constructor[0], because NoteModule already imports it. Otherwise,",
      );
    });
  });

  it('[XC12] says of a provider that injects its own token to rename one of the two', async () => {
    @Module({ providers: [{ provide: 'log', useValue: {} }], exports: ['log'] })
    class LogModule {}
    const own = scoped(['log'], 'log');
    await expect(
      startApp({ imports: [LogModule], providers: [worker(['log']), own] }),
    ).rejects.toThrow(
      'log cannot be built: it injects its own token at inject[0], and Nest never injects a provider into itself. Every tick of Worker.run would fail (Worker.run -> log -> log). Provide it under a different token from the one that it injects.',
    );
  });

  it('[XC12] asks for a token where TypeScript records only Object, as for an interface', async () => {
    @RequestScoped()
    class Typed {
      constructor(readonly settings: { url: string }) {}
    }
    await expect(startApp({ providers: [worker([Typed]), Typed] })).rejects.toThrow(
      /Typed cannot be built: the type at constructor\[0\] is Object at run time, and \w+ has no provider for it\. Every tick of Worker\.run would fail .* Write @Inject\(Token\) there, with a token that \w+ provides or imports\./,
    );
  });

  it('[XC12] is not also said to inject nothing that is new for each tick', async () => {
    const { app } = await compileApp({ providers: [worker([Smtp])] });
    expect(inspectScopes(app).findings.map(({ number }) => number)).toEqual(['SW111']);
    await closeApps();
    const complete = await compileApp({ providers: [worker([Smtp]), Smtp] });
    expect(inspectScopes(complete.app).findings.map(({ number }) => number)).toEqual(['SW207']);
  });

  it("can be started all the same, by allowFindings and by scopeValidation: 'warn'", async () => {
    const allowFindings = [{ finding: 'SW111', token: Mailer, reason: 'provided at run time' }];
    const allowed = await startApp({ providers: viaMailer, options: { allowFindings } });
    expect(await allowed.registry.run('Worker.run')).toMatchObject({
      outcome: 'failed',
      phase: 'resolve',
    });
    const warned = await startApp({ providers: viaMailer, options: { scopeValidation: 'warn' } });
    expect(warned.log.of('warn')).toContainEqual(
      expect.stringMatching(/^\[SW111\] Mailer cannot be built: /),
    );
  });
});

describe('A dependency that exists or is optional', () => {
  @RequestScoped()
  class Optionals {
    @Optional() @Inject('nobody') readonly property: unknown;

    constructor(@Optional() readonly smtp?: Smtp) {}
  }
  @RequestScoped()
  class Inheriting extends Optionals {}
  @RequestScoped()
  class OfNest {
    constructor(
      @Inject(REQUEST) readonly request: unknown,
      @Inject(INQUIRER) readonly inquirer: unknown,
      readonly moduleRef: ModuleRef,
      readonly reflector: Reflector,
    ) {}
  }
  @RequestScoped()
  class There {
    constructor(@Inject(forwardRef(() => Back)) readonly back: unknown) {}
  }
  @RequestScoped()
  class Back {
    constructor(@Inject(forwardRef(() => There)) readonly there: unknown) {}
  }
  @Module({ imports: [forwardRef(() => Second)], providers: [Mailer], exports: [Mailer] })
  class First {}
  @Module({ imports: [forwardRef(() => First)], providers: [Smtp], exports: [Smtp] })
  class Second {}
  @Module({})
  class Self {}
  @RequestScoped()
  class OfModule {
    constructor(@Inject(forwardRef(() => OwnModule)) readonly module: unknown) {}
  }
  @Module({ providers: [OfModule, worker([OfModule])] })
  class OwnModule {}

  it.each<[string, ModuleMetadata]>([
    ['optional dependencies', { providers: [worker([Optionals]), Optionals] }],
    ['inherited optional dependencies', { providers: [worker([Inheriting]), Inheriting] }],
    [
      'an optional dependency of a factory',
      { providers: [worker(['part']), scoped([{ token: Smtp, optional: true }])] },
    ],
    ['what Nest provides', { providers: [worker([OfNest]), OfNest] }],
    ['a circle', { providers: [worker([There]), There, Back] }],
    ['modules that import each other', { imports: [First], providers: [worker([Mailer])] }],
    [
      'a dynamic module',
      {
        imports: [{ module: Self, providers: [Smtp], exports: [Smtp] }],
        providers: [worker([Mailer]), Mailer],
      },
    ],
    ['its own module', { imports: [OwnModule] }],
    [
      'aliases of aliases',
      {
        providers: [
          worker(['one']),
          { provide: 'one', useExisting: 'two' },
          { provide: 'two', useExisting: Mailer },
          Mailer,
          Smtp,
        ],
      },
    ],
  ])('[XC12] %s', async (_what, metadata) => {
    const { registry } = await startApp({ ...metadata, options: { scopeValidation: 'strict' } });
    expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
  });

  it('[XC12] what a test has replaced', async () => {
    const { registry } = await startApp({
      providers: [worker([Mailer]), Mailer],
      build: (to) => to.overrideProvider(Mailer).useValue({}),
    });
    expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
  });
});

describe('A parameter without metadata', () => {
  /** As esbuild compiles it, without types: Nest knows only the parameters that have decorators. */
  function untyped(): Type<{ readonly smtp: Smtp; readonly size: number }> {
    class Untyped {
      constructor(
        readonly size = 10,
        readonly smtp: Smtp,
      ) {}
    }
    RequestScoped()(Untyped);
    Inject(Smtp)(Untyped, undefined, 1);
    return Untyped;
  }

  (skipsUnknownParams ? describe : describe.skip)('where Nest passes undefined for it', () => {
    it('[XC12] does not raise a false alarm', async () => {
      const Untyped = untyped();
      const run = worker<[{ smtp: Smtp; size: number }]>([Untyped], (_tick, { size, smtp }) => [
        size,
        smtp,
      ]);
      const { registry } = await startApp({ providers: [Smtp, Untyped, run] });
      expect(await registry.run('Worker.run')).toMatchObject({ value: [10, expect.any(Smtp)] });
    });
  });

  (skipsUnknownParams ? describe.skip : describe)('where Nest refuses it', () => {
    it('[XC12] is refused at start-up', async () => {
      const Untyped = untyped();
      await expect(startApp({ providers: [Smtp, Untyped, worker([Untyped])] })).rejects.toThrow(
        /Untyped cannot be built: the token that it injects at constructor\[0\]|Untyped \(\?, /,
      );
    });
  });
});

describe('A test with useMocker()', () => {
  const mocked = (metadata: ModuleMetadata): TestAppOptions => ({
    ...metadata,
    build: (to) => to.useMocker((token) => (token === Smtp ? { isMock: true } : undefined)),
  });
  const singleton: Provider = { provide: 'kept', inject: [Smtp], useFactory: Object };

  it.each<[string, Provider]>([
    ['it provides the mock itself', { provide: Smtp, useValue: { isMock: true } }],
    ['a singleton injects the same', singleton],
  ])('[XC12] starts when %s', async (_when, provider) => {
    const { registry } = await startApp(mocked({ providers: [...viaMailer, provider] }));
    expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
  });

  (isLeftToUs ? describe.skip : describe)('on a version of Nest that mocks for scopes', () => {
    it('[XC12] starts', async () => {
      const { registry } = await startApp(mocked({ providers: viaMailer }));
      expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
    });
  });

  (isLeftToUs ? describe : describe.skip)('on a version of Nest that does not', () => {
    it('[XC12] is refused, because Nest cannot build it either', async () => {
      const { app } = await compileApp(mocked({ providers: viaMailer }));
      await expect(app.resolve(Mailer)).rejects.toThrow(/dependencies of the Mailer/);
      await expect(app.init()).rejects.toThrow(/\[SW111\] Mailer cannot be built: /);
    });
  });
});
