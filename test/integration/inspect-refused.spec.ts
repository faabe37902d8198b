import { beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { builtPrograms, runCommand, writeProgram, type CommandEnd } from '../support/programs.js';

const folder = builtPrograms();

const inspect = (
  name: string,
  source: string,
  args: readonly string[] = [],
): Promise<CommandEnd> => {
  writeProgram(folder, name, source);
  return runCommand(folder, ['inspect', name, ...args]);
};

const MODULE = `import { Module } from '@nestjs/common';`;

/** What stderr says when nothing can be inspected; stdout then has nothing. */
const refusalOf = ({ code, stdout, stderr }: CommandEnd): string => {
  expect([code, stdout]).toEqual([2, '']);
  return stderr;
};

describe('A command line that cannot be read', () => {
  it('is refused with one sentence and exit code 2', async () => {
    expect(refusalOf(await runCommand(folder, ['inspct', 'a.js']))).toBe(
      '"inspct" isn\'t a command. The only command is inspect. See nestjs-scoped-worker --help.\n',
    );
  });
});

describe('A file that cannot be loaded', () => {
  beforeAll(() => {
    const project = join(folder, 'project');
    mkdirSync(join(project, 'dist/orders'), { recursive: true });
    for (const file of ['dist/app.module.js', 'dist/main.js', 'dist/orders/orders.module.js'])
      writeFileSync(join(project, file), '');
    mkdirSync(join(project, 'src'));
    writeFileSync(join(project, 'src/app.module.ts'), '');
    mkdirSync(join(project, 'empty'));
  });

  it.each([
    [
      'project/dist/app.modul.js',
      'project/dist/app.modul.js does not exist. Did you mean project/dist/app.module.js?\n',
    ],
    [
      'project/dist/app.module',
      'project/dist/app.module does not exist. Did you mean project/dist/app.module.js?\n',
    ],
    [
      'project/dist/root.js',
      'project/dist/root.js does not exist. Did you mean project/dist/app.module.js or project/dist/orders/orders.module.js?\n',
    ],
    [
      'project/dist',
      "project/dist isn't a file. Pass the file of the root module, such as project/dist/app.module.js.\n",
    ],
  ])('%s is refused, and near names are proposed', async (file, sentence) => {
    expect(refusalOf(await runCommand(folder, ['inspect', file]))).toBe(sentence);
  });

  it('is refused with its whole path when nothing comes near', async () => {
    expect(refusalOf(await runCommand(folder, ['inspect', 'project/empty/app.module.js']))).toBe(
      `project/empty/app.module.js does not exist (${join(folder, 'project/empty/app.module.js')}). Is the application compiled?\n`,
    );
  });

  it.each(['project/src/app.module.ts', 'project/src/missing.module.ts'])(
    'is refused as TypeScript: %s',
    async (file) => {
      const refusal = refusalOf(await runCommand(folder, ['inspect', file]));
      expect(refusal).toMatch(
        / (is TypeScript|has a TypeScript extension)\. Pass the compiled file, such as dist\/app\.module\.js\.\n$/,
      );
    },
  );
});

describe('A path that the file system refuses', () => {
  beforeAll(() => {
    writeFileSync(join(folder, 'plain.js'), '');
    symlinkSync('circle.js', join(folder, 'circle.js'));
  });

  it.each([
    // Node 24 reports such a path like a missing one.
    [
      'plain.js/app.module.js',
      /^The inspector failed: Error: ENOTDIR: |^plain\.js\/app\.module\.js does not exist/,
    ],
    ['circle.js', /^The inspector failed: Error: ELOOP: /],
  ])('%s ends with exit code 2, not with that of a finding', async (file, reason) => {
    expect(refusalOf(await runCommand(folder, ['inspect', file]))).toMatch(reason);
  });
});

describe('A file without a root module', () => {
  it.each([
    [
      'nothing',
      'console.log(1)',
      [],
      'none.js exports no module. It exports nothing. Pass the file of the root module, not one that starts the application.',
    ],
    [
      'no module',
      'export const port = 3000; export function start() {}',
      [],
      'none.js exports no module. It exports port, start.',
    ],
    [
      'no module, compiled to CommonJS',
      'export const __esModule = true; export const port = 3000;',
      [],
      'none.js exports no module. It exports port.',
    ],
    [
      'two modules',
      'export class AModule {} export class BModule {} export const port = 3000;',
      [],
      'none.js exports 2 modules: AModule, BModule. Choose one: --export AModule',
    ],
    [
      'other names',
      'export class AModule {}',
      ['--export', 'BModule'],
      'none.js has no export BModule. It exports AModule.',
    ],
    [
      'no such name, although every object has it',
      'export class AModule {}',
      ['--export', 'constructor'],
      'none.js has no export constructor. It exports AModule.',
    ],
    [
      'something else under the name',
      'export const port = 3000;',
      ['--export', 'port'],
      'The export port of none.js is neither a class nor a dynamic module, but a number. It exports port.',
    ],
    [
      'a function that returns something else',
      'export default async () => undefined;',
      [],
      'The export default of none.js returns neither a class nor a dynamic module, but undefined. It exports default.',
    ],
  ])('that exports %s is refused', async (_, source, args, sentence) => {
    expect(refusalOf(await inspect('none.js', source, args)).replace('1\n', '')).toBe(
      `${sentence}\n`,
    );
  });
});

describe('A file that fails', () => {
  it('is refused with the error and the place in the application', async () => {
    const refusal = refusalOf(
      await inspect('throws.js', `\nJSON.parse('{');\nexport class AppModule {}`),
    );
    expect(refusal).toMatch(
      /^throws\.js threw while it was loading: SyntaxError: .*JSON.*\n {4}at throws\.js:\d+:\d+\n$/,
    );
  });

  it('is refused in CommonJS alike, with the place in the file that it requires', async () => {
    writeProgram(folder, 'config.cjs', `throw new Error('PORT is not set');`);
    const refusal = refusalOf(await inspect('requires.cjs', `require('./config.cjs');`));
    expect(refusal).toMatch(
      /^requires\.cjs threw while it was loading: Error: PORT is not set\n {4}at config\.cjs:2:\d+\n$/,
    );
  });

  it('is refused when it imports what is not there', async () => {
    const refusal = refusalOf(await inspect('imports.js', `import './missing.js';`));
    expect(refusal).toMatch(
      /^imports\.js threw while it was loading: Error: Cannot find module '.*missing\.js' imported from .*imports\.js\n$/,
    );
  });

  it('is refused when it imports the file that starts it, which can be inspected instead', async () => {
    // As tsc writes it: what is not yet exported is undefined.
    const files = {
      'starts.cjs': `const { NestFactory } = require('@nestjs/core'); const app = require('./circular.cjs');
        exports.version = '1'; void NestFactory.createApplicationContext(app['AppModule']);`,
      'circular.cjs': `require('reflect-metadata'); require('./starts.cjs'); const { Module } = require('@nestjs/common');
        class AppModule {} Module({})(AppModule); exports.AppModule = AppModule;`,
    };
    for (const [name, source] of Object.entries(files)) writeFileSync(join(folder, name), source);
    expect(refusalOf(await runCommand(folder, ['inspect', 'circular.cjs']))).toContain(
      'While circular.cjs was loading, NestFactory received undefined instead of a class or a dynamic module. A circular import is a common cause, for example a service that imports the file that starts the application. Inspect that file instead, for example dist/main.js.\n',
    );
    expect(await runCommand(folder, ['inspect', 'starts.cjs'])).toMatchObject({ code: 0 });
  });

  it('is refused when it throws something other than an Error', async () => {
    const refusal = refusalOf(await inspect('odd.js', `throw { status: 3 };`));
    expect(refusal).toBe('odd.js threw while it was loading: { status: 3 }\n');
  });

  it("is refused with Nest's words when a dependency cannot be resolved", async () => {
    const refusal = refusalOf(
      await inspect(
        'unresolved.js',
        `import { Injectable, Module } from '@nestjs/common';
         class Missing {}
         @Injectable() class Service { constructor(missing: Missing) {} }
         @Module({ providers: [Service] }) export class AppModule {}`,
      ),
    );
    expect(refusal).toMatch(
      /^Nest cannot resolve the modules of unresolved\.js: .*Nest can't resolve dependencies of the Service \(\?\)/,
    );
    expect(refusal.match(/can't resolve dependencies/g)).toHaveLength(1);
  });

  it('is refused when a module that it imports cannot be made', async () => {
    const refusal = refusalOf(
      await inspect(
        'rejected.js',
        `${MODULE}
         const options = Promise.reject(new Error('no such region'));
         @Module({ imports: [options] }) export class AppModule {}`,
      ),
    );
    expect(refusal).toMatch(
      /^Nest cannot resolve the modules of rejected\.js: Error: no such region\n {4}at rejected\.js:\d+:\d+\n$/,
    );
  });

  it('is refused when it ends its process', async () => {
    expect(refusalOf(await inspect('exits.js', `process.exit(0);`))).toBe(
      'The process of exits.js ended with exit code 0 while the file was loading. Pass the file of the root module, not one that starts the application.\n',
    );
    expect(refusalOf(await inspect('killed.js', `process.kill(process.pid, 'SIGKILL');`))).toMatch(
      /^The process of killed\.js ended on SIGKILL while the file was loading\./,
    );
  });
});

describe('A file that does not come to an end', () => {
  it('is refused at once when nothing can wake it', async () => {
    expect(refusalOf(await inspect('never.js', `await new Promise(() => {});`))).toBe(
      'never.js stopped while the file was loading, because it awaits a promise that never settles.\n',
    );
    expect(
      refusalOf(
        await inspect(
          'never-module.js',
          `${MODULE} @Module({ imports: [new Promise(() => {})] }) export class AppModule {}`,
        ),
      ),
    ).toBe(
      'never-module.js stopped while Nest was resolving its modules, because it awaits a promise that never settles.\n',
    );
  });

  it('is refused with the error that went astray, for which it waits in vain', async () => {
    const source = `await new Promise(() => setImmediate(() => { throw new Error('no key'); }));`;
    expect(refusalOf(await inspect('astray.js', source))).toBe(
      `astray.js stopped while the file was loading, because it awaits a promise that never settles.
While the application was loading, an error was thrown that no code caught: Error: no key
`,
    );
  });

  it('is refused when the time is up, with what it waits for', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const refusal = refusalOf(
      await inspect(
        'waits.js',
        `import { once } from 'node:events';
         import { connect } from 'node:net';
         await once(connect(${port}, '127.0.0.1'), 'data');
         export class AppModule {}`,
        ['--timeout', '1000'],
      ),
    );
    server.close();
    expect(refusal).toBe(
      `waits.js did not load within 1000 ms: the time ran out while the file was loading. Raise --timeout, or look for an await that needs a running application.
Still open: 1 TCP connection.
Loading the application opened 1 connection to 127.0.0.1:${port}. The inspector needs no connections. Connect in a provider or a factory instead: the inspector runs neither.
`,
    );
  });

  it('is refused when the time is up while Nest waits for a module', async () => {
    const refusal = refusalOf(
      await inspect(
        'waits-module.js',
        `${MODULE}
         const options = new Promise(() => setInterval(() => {}, 3_600_000));
         @Module({ imports: [options] }) export class AppModule {}`,
        ['--timeout', '3000'],
      ),
    );
    expect(refusal).toMatch(
      /^waits-module\.js did not load within 3000 ms: the time ran out while Nest was resolving its modules\. [^]*\nStill open: 1 timer\.\n$/,
    );
  });

  it('is refused when it blocks its process', async () => {
    expect(refusalOf(await inspect('blocks.js', `for (;;);`, ['--timeout', '3000']))).toBe(
      'blocks.js blocked its process for more than 3000 ms while the file was loading. Look for an endless loop.\n',
    );
  });
});

describe('A file that opens connections while it is loaded', () => {
  it('is inspected all the same, and a note says what was opened', async () => {
    const { code, stdout, stderr } = await inspect(
      'opens.js',
      `${MODULE}
       import { connect, createServer } from 'node:net';
       const open = () => connect({ port: 1, host: '127.0.0.1' });
       class Database { static forRoot() { open(); return { module: Database }; } }
       open();
       connect('/tmp/no-such-socket-of-nobody').on('error', () => {});
       createServer().listen(0);
       @Module({ imports: [Database.forRoot()] })
       export class AppModule {}`,
      ['--json'],
    );
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { notes: string[] }).notes.slice(1)).toEqual([
      'Loading the application opened 2 connections to 127.0.0.1:1. The inspector needs no connections. Connect in a provider or a factory instead: the inspector runs neither.',
      'Loading the application opened 1 connection to /tmp/no-such-socket-of-nobody. The inspector needs no connections. Connect in a provider or a factory instead: the inspector runs neither.',
      'Loading the application started a server on a free port. The inspector needs no server. Start the server in the file that starts the application.',
    ]);
  });

  it('is inspected also when an error goes astray, and a note says so', async () => {
    const { code, stdout } = await inspect(
      'stray.js',
      `${MODULE}
       void Promise.reject(new Error('no feature flags'));
       @Module({}) export class AppModule {}`,
      ['--json'],
    );
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { notes: string[] }).notes).toContain(
      'While the application was loading, an error was thrown that no code caught: Error: no feature flags',
    );
  });
});
