import { describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { builtPrograms, runCommand, writeProgram } from '../support/programs.js';

/** Outlasts every test, and no more than that. */
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

const folder = builtPrograms();

/** Settles when nobody is left who could write to it: neither the command nor what it has started. */
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
