import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ScopeInspection } from '../../lib/inspect/inspection.interface.js';
import {
  builtPrograms,
  makeFolder,
  runCommand,
  writeProgram,
  type CommandEnd,
} from '../support/programs.js';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** Each construction and each call writes to stdout or stderr, and opens a socket. */
const APP = `
import { Controller, Injectable, Module, Scope } from '@nestjs/common';
import { createConnection } from 'node:net';
import { BackgroundWorker, ScopedCron, ScopedInterval, ScopedWorker, ScopedWorkerModule } from 'nestjs-scoped-worker';

class Built {
  constructor() {
    console.log('constructed', new.target.name);
    createConnection(1, '127.0.0.1');
  }
}

class Started extends Built {
  onModuleInit() { console.log('onModuleInit'); }
  onApplicationBootstrap() { console.log('onApplicationBootstrap'); }
}

@Injectable({ scope: Scope.REQUEST })
class Session extends Built {
  async [Symbol.asyncDispose]() {}
}

@Injectable()
class Clock extends Started {}

@Injectable({ scope: Scope.TRANSIENT })
class Stamp extends Built {}

@Injectable()
class Invoices extends Built {
  constructor(session: Session, clock: Clock, stamp: Stamp) { super(); }
}

@Injectable()
class Sync extends BackgroundWorker {
  constructor(clock: Clock) { super(); console.log('constructed Sync'); }
  async execute() {}
}

@Controller()
class Pages extends Built {}

@ScopedWorker()
class ReportWorker extends Built {
  constructor(invoices: Invoices) { super(); }
  @ScopedCron('0 0 3 * * *', { timeZone: 'Europe/Berlin' })
  nightly() { console.log('ran'); }
  @ScopedCron({ inject: [Clock], useFactory: () => { console.log('asked'); return '* * * * * *'; } })
  provided() {}
}

const options = { provide: 'OPTIONS', inject: [Clock], useFactory: () => { console.log('factory'); new Built(); } };

@Module({
  imports: [ScopedWorkerModule.forRoot()],
  controllers: [Pages],
  providers: [Session, Clock, Stamp, Invoices, Sync, ReportWorker, options],
})
export class AppModule extends Started {}
`;

/** A module with findings. */
const FINDINGS: Readonly<Record<string, { classes: string; providers: string }>> = {
  hint: {
    classes: '@ScopedWorker() class Lonely { @ScopedInterval(1000) run() {} }',
    providers: 'Lonely',
  },
  warning: {
    classes: `@Injectable({ scope: Scope.TRANSIENT }) class Stamp { onModuleDestroy() {} }
      @Injectable() class Holder { constructor(stamp: Stamp) {} }`,
    providers: 'Stamp, Holder',
  },
  error: {
    classes: '@Injectable() class Unmarked { @ScopedInterval(1000) run() {} }',
    providers: 'Unmarked',
  },
};

const folder = builtPrograms();

const inspect = (
  name: string,
  source: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<CommandEnd> => {
  writeProgram(folder, name, source);
  return runCommand(folder, ['inspect', name, ...args], env);
};

const PAGE = (file: string): RegExp =>
  new RegExp(
    String.raw`^AppModule of ${file}
2 schedules, 1 worker, 1 background worker\.
\d+ modules with \d+ providers, controllers and enhancers:[^]*?\.

Schedules \(2\)

  ReportWorker\.nightly
    when     cron 0 0 3 \* \* \*, in the time zone Europe/Berlin
    next     (\d{4}-\d\d-\d\d 03:00,?\s+){5}
  ReportWorker\.provided
    when     cron, decided by a provider at start-up

Background workers \(1\)

  Sync
  It runs for as long as the application does\. Standalone scopes that it opens
  are not shown on this page\.

Workers \(1\)

  request    new for each tick, because the provider itself is request-scoped
  bubbled    new for each tick, because one of its dependencies is
  transient  new for each provider that injects it
  shared     one for the whole application; no tick disposes it

  ReportWorker in AppModule
    handlers ReportWorker\.nightly, ReportWorker\.provided

    ReportWorker   request
    └─ Invoices    bubbled    because of Session
       ├─ Session  request    disposed by \[Symbol\.asyncDispose\]
       ├─ Stamp    transient
       └─ shared: Clock

    Disposed after each tick, in this order:
     1\. Session\.\[Symbol\.asyncDispose\]

No findings\.
$`,
  );

describe('nestjs-scoped-worker inspect', () => {
  it.each(['app.js', 'app.cjs'])(
    'prints the page of %s, and constructs, calls and opens nothing',
    async (file) => {
      const { code, stdout, stderr } = await inspect(file, APP);
      expect(stderr).toBe('');
      expect(stdout).toMatch(PAGE(file.replace('.', String.raw`\.`)));
      expect(code).toBe(0);
    },
  );

  it.each([
    [[], 0, 'No findings.'],
    [['hint'], 0, '1 hint.'],
    [['warning'], 1, '1 warning.'],
    [['error'], 1, '1 error.'],
    [['hint', 'warning', 'error'], 1, '1 error, 1 warning, 1 hint.'],
  ])('given findings %j exits with %i', async (kinds, exitCode, verdict) => {
    const chosen = kinds.map((kind) => FINDINGS[kind]!);
    const { code, stdout } = await inspect(
      `findings-${kinds.join('-')}.js`,
      `import { Injectable, Module, Scope } from '@nestjs/common';
       import { ScopedInterval, ScopedWorker, ScopedWorkerModule } from 'nestjs-scoped-worker';
       ${chosen.map(({ classes }) => classes).join('\n')}
       @Module({
         imports: [ScopedWorkerModule.forRoot()],
         providers: [${chosen.map(({ providers }) => providers).join(', ')}],
       })
       export class AppModule {}`,
    );
    expect(stdout.trimEnd().split('\n').at(-1)).toBe(verdict);
    expect(code).toBe(exitCode);
  });

  it.each([
    ["'-'", 1],
    ["'0 0 3 * * *'", 0],
  ])('given a @Cron(%s) that Nest runs, exits with %i', async (expression, exitCode) => {
    const { code } = await inspect(
      `cron-${exitCode}.js`,
      `import { Injectable, Module } from '@nestjs/common';
       import { Cron, ScheduleModule } from '@nestjs/schedule';
       @Injectable() class Rates { @Cron(${expression}) load() {} }
       @Module({ imports: [ScheduleModule.forRoot()], providers: [Rates] })
       export class AppModule {}`,
    );
    expect(code).toBe(exitCode);
  });

  it('[C9] fails on a worker that cannot be built, no matter what refuses it', async () => {
    const { code, stdout, stderr } = await inspect(
      'unbuilt.js',
      `import { Module } from '@nestjs/common';
       import { ScopedInterval, ScopedWorker, ScopedWorkerModule } from 'nestjs-scoped-worker';
       class Smtp {}
       @ScopedWorker() class Mail { constructor(smtp: Smtp) {} @ScopedInterval(1000) run() {} }
       @Module({ imports: [ScopedWorkerModule.forRoot()], providers: [Mail] })
       export class AppModule {}`,
    );
    // On the newest Nest 11 it is a finding; the others do not put such modules together.
    const isFinding = process.env['NEST'] === 'nest11-newest';
    expect([code, isFinding ? stdout : stderr]).toEqual([
      isFinding ? 1 : 2,
      expect.stringMatching(isFinding ? /SW111[^]*Mail cannot be built/ : /Mail \(\?\)[^]*Smtp/),
    ]);
  });

  it('prints JSON that is parseable although the application prints', async () => {
    const { code, stdout, stderr } = await inspect(
      'chatty.js',
      `console.log('loading'); process.stdout.write('more\\n');\n${APP}`,
      ['--json'],
    );
    const inspection = JSON.parse(stdout) as ScopeInspection;
    expect(inspection.schedules.map(({ name }) => name)).toEqual([
      'ReportWorker.nightly',
      'ReportWorker.provided',
    ]);
    expect(inspection.workers[0]!.disposal).toEqual(['Session.[Symbol.asyncDispose]']);
    expect(stdout).toBe(`${JSON.stringify(inspection, null, 2)}\n`);
    expect(stderr).toBe('loading\nmore\n');
    expect(code).toBe(0);
  });

  it('prints a flowchart', async () => {
    const { stdout } = await inspect('app.js', APP, ['--mermaid']);
    expect(stdout.split('\n').slice(0, 4)).toEqual([
      'flowchart LR',
      '  n1(["ReportWorker<br/>request"]):::request',
      '  n2["Invoices<br/>bubbled"]:::bubbled',
      '  n3["Session<br/>request"]:::request',
    ]);
  });

  it('is colored when it is asked to, and not otherwise', async () => {
    const forced = await inspect('app.js', APP, [], { FORCE_COLOR: '1' });
    expect(forced.stdout).toContain('\u001B[36mrequest\u001B[0m');
    const refused = await inspect('app.js', APP, ['--no-color'], { FORCE_COLOR: '1' });
    expect(refused.stdout).not.toContain('\u001B');
  });

  it('writes all of a long answer into a pipe and into a file, and survives a reader that leaves', async () => {
    const workers = Array.from({ length: 700 }, (_, index) => `Worker${index}`);
    writeProgram(
      folder,
      'many.js',
      `import { Module } from '@nestjs/common';
       import { ScopedInterval, ScopedWorker, ScopedWorkerModule } from 'nestjs-scoped-worker';
       ${workers.map((name) => `@ScopedWorker() class ${name} { @ScopedInterval(1000) run() {} }`).join('\n')}
       @Module({ imports: [ScopedWorkerModule.forRoot()], providers: [${workers.join(', ')}] })
       export class AppModule {}`,
    );
    const piped = await runCommand(folder, ['inspect', 'many.js', '--json']);
    expect((JSON.parse(piped.stdout) as ScopeInspection).workers).toHaveLength(700);
    const shell = (command: string): string =>
      execFileSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' });
    shell(`"${process.execPath}" lib/inspect/cli/main.js inspect many.js --json > many.json`);
    const written = JSON.parse(readFileSync(join(folder, 'many.json'), 'utf8')) as ScopeInspection;
    expect(written.workers).toHaveLength(700);
    const head = shell(
      `("${process.execPath}" lib/inspect/cli/main.js inspect many.js; echo $? >&2) 2>&1 | head -1`,
    );
    expect(head).toBe('AppModule of many.js\n');
  });

  it('inspects a file that starts an application, without letting it', async () => {
    const { code, stdout, stderr } = await inspect(
      'main.js',
      `import { NestFactory } from '@nestjs/core';
       import { AppModule } from './app.js';
       const app = await NestFactory.create(AppModule);
       console.log('started');
       await app.listen(0);`,
    );
    expect(stderr).toBe('');
    expect(stdout).toMatch(PAGE(String.raw`main\.js`));
    expect(code).toBe(0);
  });

  it('constructs nothing of a module that its package lets Nest initialize in preview mode', async () => {
    const { code, stdout, stderr } = await inspect(
      'schema.js',
      `import { Module } from '@nestjs/common';
       import { InitializeOnPreviewAllowlist } from '@nestjs/core';
       class Config { path = 'schema.gql'; }
       class SchemaModule {
         onModuleInit() { console.log('wrote the schema'); }
       }
       InitializeOnPreviewAllowlist.add(SchemaModule);
       const options = { provide: 'OPTIONS', inject: [Config], useFactory: (config) => config.path };
       @Module({ imports: [{ module: SchemaModule, providers: [Config, options] }] })
       export class AppModule {}`,
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('AppModule of schema.js');
  });

  it('prints its help and its version', async () => {
    const help = await runCommand(folder, ['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toMatch(/^Usage: nestjs-scoped-worker inspect <module file>/);
    expect(help.stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(await runCommand(folder, ['--version'])).toEqual({
      code: 0,
      stdout: '0.0.0-test\n',
      stderr: '',
    });
  });
});

describe('The root module', () => {
  const module = (declaration: string): string => `
    import { Module } from '@nestjs/common';
    ${declaration}`;
  const on = '@Module({}) class M { static on() { return { module: M, imports: [] }; } }';

  it.each([
    [
      'the default export',
      `@Module({}) class M {} export class OtherModule {} export default M;`,
      'M',
    ],
    [
      'AppModule before others',
      '@Module({}) export class AppModule {} export class BModule {}',
      'AppModule',
    ],
    [
      'the only class that is a module',
      '@Module({ imports: [] }) export class Root {} export class Tool {}',
      'Root',
    ],
    ['a dynamic module', `${on} export const made = M.on();`, 'M'],
    ['what a function promises', `${on} export default async () => M.on();`, 'M'],
    ['a promise', `${on} export const AppModule = Promise.resolve(M.on());`, 'M'],
  ])('is %s', async (_, declaration, name) => {
    for (const file of ['root.js', 'root.cjs']) {
      const { stdout, stderr, code } = await inspect(file, module(declaration));
      expect([stderr, code]).toEqual(['', 0]);
      expect(stdout).toContain(`${name} of ${file}\n`);
    }
  });

  it('is the export that --export names', async () => {
    const source = module(
      '@Module({}) export class AModule {} @Module({}) export class BModule {}',
    );
    const { stdout } = await inspect('two.js', source, ['--export', 'BModule']);
    expect(stdout).toContain('BModule of two.js\n');
  });
});

describe('An application in another place', () => {
  const places: string[] = [];
  const place = (nest?: string): string => {
    const made = makeFolder(nest);
    places.push(made);
    return made;
  };
  afterAll(() => places.forEach((made) => rmSync(made, { recursive: true, force: true })));

  const JOBS = `
    import { Injectable, Module, Scope } from '@nestjs/common';
    import { ModuleRef } from '@nestjs/core';
    import { Cron } from '@nestjs/schedule';
    @Injectable({ scope: Scope.REQUEST }) class Tenant {}
    @Injectable() class Jobs { constructor(tenant: Tenant, ref: ModuleRef) {} @Cron('* * * * * *') run() {} }
    @Module({ providers: [Tenant, Jobs] })
    export class AppModule {}`;
  const otherNest = process.env['NEST'] ? '' : 'nest11-oldest';

  it('is inspected with its own Nest when it has not installed this library', async () => {
    const file = writeProgram(place(otherNest), 'app.cjs', JOBS);
    const { code, stdout, stderr } = await runCommand(folder, ['inspect', file, '--json']);
    expect(stderr).toBe('');
    const { findings, nestJobs, notes } = JSON.parse(stdout) as ScopeInspection;
    expect(findings.map(({ kind, subject }) => [kind, subject])).toEqual([
      ['nest-schedule-skipped', 'Jobs.run'],
    ]);
    expect(nestJobs).toMatchObject([{ handler: 'Jobs.run', fate: 'skipped' }]);
    expect(notes).toEqual([
      'ScopedWorkerModule is not imported: no @ScopedWorker() or BackgroundWorker runs in this application.',
    ]);
    expect(code).toBe(1);
  });

  it('is refused if it uses another copy of Nest than the library, and the error says so', async () => {
    const file = writeProgram(
      place(otherNest),
      'app.mjs',
      `import { Module } from '@nestjs/common';
       import { ScopedWorkerModule } from '${join(folder, 'lib/index.js')}';
       @Module({ imports: [ScopedWorkerModule.forRoot()] })
       export class AppModule {}`,
    );
    const { code, stdout, stderr } = await runCommand(folder, ['inspect', file]);
    expect(stderr).toMatch(/^Nest cannot resolve the modules of .*app\.mjs: /);
    expect(stderr).toMatch(
      /\nThe application uses @nestjs\/core \d+\.\d+\.\d+ \(.*\), but nestjs-scoped-worker uses \d+\.\d+\.\d+ \(.*\)\. Nest treats the classes of the two copies as different providers\. Install one copy for both\. Run npm ls @nestjs\/core to see which packages install them\.\n$/,
    );
    expect([code, stdout]).toEqual([2, '']);
  });

  describe('shows where findings are explained', () => {
    const pointer = /Each number is explained in\s+(\S+)\.\n/;
    const docs = (): string => join(folder, 'docs');
    const page = async (file: string): Promise<string> => {
      const { stdout, stderr } = await runCommand(folder, ['inspect', file, '--no-color']);
      expect(stderr).toBe('');
      expect(stdout).toContain('SW106');
      return stdout;
    };
    afterEach(() => rmSync(docs(), { recursive: true, force: true }));

    it('by the documentation of the library that runs, where it has any', async () => {
      const file = writeProgram(place(otherNest), 'app.cjs', JOBS);
      expect(await page(file)).not.toMatch(/Each number/);
      mkdirSync(docs());
      writeFileSync(join(docs(), 'findings.md'), '');
      expect(pointer.exec(await page(file))?.[1]).toBe('docs/findings.md');
    });
  });

  const withCopy = (manifest: object): string => {
    const project = place();
    const copy = join(project, 'node_modules/nestjs-scoped-worker');
    mkdirSync(copy, { recursive: true });
    writeFileSync(join(copy, 'package.json'), JSON.stringify(manifest));
    writeFileSync(
      join(copy, 'main.mjs'),
      `console.log('the other copy', ...process.argv.slice(2)); process.exitCode = 1;`,
    );
    return writeProgram(project, 'app.mjs', 'export class AppModule {}');
  };

  it('is left to its own copy of this library', async () => {
    const file = withCopy({ version: '9.9.9', bin: { 'nestjs-scoped-worker': 'main.mjs' } });
    expect(await runCommand(folder, ['inspect', file, '--json'])).toEqual({
      code: 1,
      stdout: `the other copy inspect ${file} --json\n`,
      stderr: '',
    });
  });

  it('is refused when its own copy of this library has no inspector', async () => {
    const { code, stderr } = await runCommand(folder, ['inspect', withCopy({ version: '0.0.1' })]);
    expect(stderr).toMatch(
      /^This application uses nestjs-scoped-worker 0\.0\.1 \(.*\), which has no inspector\. Update it\.\n$/,
    );
    expect(code).toBe(2);
  });
});

/** Outlives every test, but not by much. */
const BLOCKED = `
console.error('loading', process.pid);
const end = Date.now() + 30_000;
while (Date.now() < end);
export class AppModule {}
`;

const WITH_CHILD = `
import { Module } from '@nestjs/common';
import { spawn } from 'node:child_process';
const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 30_000)'], { stdio: 'inherit' });
child.unref();
console.error('spawned', child.pid);
@Module({})
export class AppModule {}
`;

/** Settles when no process can write to it any more: neither the command nor what it has started. */
const silent = (command: ChildProcess): Promise<unknown> => once(command, 'close');

describe('nestjs-scoped-worker inspect leaves no process behind', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'when %s ends it while the application blocks its process',
    async (signal) => {
      writeProgram(folder, 'blocked.js', BLOCKED);
      const { NODE_OPTIONS: _, ...env } = process.env;
      const command = spawn(
        process.execPath,
        [join(folder, 'lib/inspect/cli/main.js'), 'inspect', 'blocked.js'],
        { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] },
      );
      const ended = silent(command);
      const [line] = (await once(createInterface({ input: command.stderr! }), 'line')) as [string];
      expect(line).toMatch(/^loading \d+$/);
      command.kill(signal);
      await ended;
      expect(command.signalCode).toBe(signal);
    },
  );

  it('when the application has started its own', async () => {
    writeProgram(folder, 'with-child.js', WITH_CHILD);
    const { code, stdout, stderr } = await runCommand(folder, ['inspect', 'with-child.js']);
    expect(stderr).toMatch(/^spawned \d+$/m);
    expect(stdout).toContain('AppModule of with-child.js');
    expect(code).toBe(0);
  });
});

describe('nestjs-scoped-worker inspect', () => {
  it('names the place of an error from where it was started, wherever the application has gone', async () => {
    writeProgram(folder, 'gone.js', `process.chdir('/');\nthrow new Error('too late');\n`);
    const { code, stderr } = await runCommand(folder, ['inspect', 'gone.js']);
    expect(stderr).toMatch(
      /^gone\.js threw while it was loading: Error: too late\n {4}at gone\.js:2:/,
    );
    expect(code).toBe(2);
  });
});
