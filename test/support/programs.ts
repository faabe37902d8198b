import { afterAll, beforeAll } from '@jest/globals';
import { transformSync } from '@swc/core';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const sources = join(root, 'test/fixtures/programs');
/** A guard against hangs, below that of a test. */
const HANGS_MS = 100_000;

/** How a program ended. */
export interface ProgramEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it wrote, line by line. */
  readonly lines: readonly string[];
}

/** A program that runs in its own process. */
export interface Program {
  /** Settles when the program has written this line; rejects when it ends before. */
  wrote(line: string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<ProgramEnd>;
}

/** A new folder that lies where the Nest that `nest` names is found; `afterAll` removes it. */
export function makeFolder(nest: string | undefined = process.env['NEST']): string {
  const home =
    nest === undefined || nest === '' ? root : join(root, 'test', nest.replace('-', '/'));
  const cache = join(home, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  return mkdtempSync(join(cache, 'programs-'));
}

/**
 * Builds the library with `tsc` and the programs of test/fixtures/programs before the tests of the file, and removes them after.
 *
 * @returns their folder. It lies where the Nest that `NEST` names is found, so that the programs run on that one.
 */
export function builtPrograms(): string {
  const folder = makeFolder();
  beforeAll(() => build(folder));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function build(folder: string): void {
  const manifest = {
    name: 'nestjs-scoped-worker',
    version: '0.0.0-test',
    type: 'module',
    exports: {
      '.': './lib/index.js',
      './typeorm': './lib/typeorm/index.js',
      './package.json': './package.json',
    },
    bin: { 'nestjs-scoped-worker': './lib/inspect/cli/main.js' },
  };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const outDir = join(folder, 'lib');
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', outDir], {
    cwd: root,
    stdio: 'pipe',
  });
  for (const file of readdirSync(sources))
    writeProgram(folder, `${basename(file, '.ts')}.js`, readFileSync(join(sources, file), 'utf8'));
}

/**
 * Compiles a program from TypeScript: into CommonJS when its name ends in `.cjs`, else into an ES module.
 *
 * @returns its file.
 */
export function writeProgram(folder: string, name: string, source: string): string {
  const { code } = transformSync(source, {
    swcrc: false,
    module: { type: name.endsWith('.cjs') ? 'commonjs' : 'es6' },
    jsc: {
      target: 'es2022',
      keepClassNames: true,
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
    },
  });
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, code);
  return file;
}

/** Starts a program; it is killed if it hangs. */
export function startProgram(folder: string, name: string, ...args: string[]): Program {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(process.execPath, [join(folder, `${name}.js`), ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: HANGS_MS,
    killSignal: 'SIGKILL',
  });
  const lines: string[] = [];
  const waiting = new Map<string, () => void>();
  const onLine = (line: string): void => {
    lines.push(line);
    waiting.get(line)?.();
  };
  for (const input of [child.stdout, child.stderr]) createInterface({ input }).on('line', onLine);
  const ended = new Promise<ProgramEnd>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, lines }));
  });
  return {
    ended,
    kill: (signal) => void child.kill(signal),
    wrote: async (line) => {
      if (lines.includes(line)) return;
      const written = new Promise<true>((resolve) => waiting.set(line, () => resolve(true)));
      if ((await Promise.race([written, ended])) !== true)
        throw new Error(`${name} ended without "${line}":\n${lines.join('\n')}`);
    },
  };
}

/** How a command ended, and what it wrote. */
export interface CommandEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built command line in that folder; it is killed if it hangs. */
export async function runCommand(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandEnd> {
  const { NODE_OPTIONS: _, NO_COLOR: __, FORCE_COLOR: ___, ...own } = process.env;
  const child = spawn(process.execPath, [join(folder, 'lib/inspect/cli/main.js'), ...args], {
    cwd: folder,
    env: { ...own, TZ: 'UTC', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: HANGS_MS,
    killSignal: 'SIGKILL',
  });
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.on('close', resolve)),
  ]);
  return { code, stdout, stderr };
}
