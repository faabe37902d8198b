import { describe, expect, it, afterEach, beforeEach } from '@jest/globals';
import { readArguments, UsageError } from '../../lib/inspect/cli/arguments.js';
import { terminalOf } from '../../lib/inspect/cli/terminal.js';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ownPage } from '../../lib/inspect/cli/library-copy.js';

function refusal(...args: string[]): string {
  try {
    readArguments(args);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error('It was not refused.');
}

describe('The arguments of the command line', () => {
  it('name a file, and leave the rest to defaults', () => {
    expect(readArguments(['inspect', 'dist/app.module.js'])).toEqual({
      kind: 'inspect',
      options: {
        file: 'dist/app.module.js',
        exportName: undefined,
        format: 'page',
        timeoutMs: 30_000,
        color: undefined,
      },
    });
  });

  it('may be before and after the file', () => {
    const args = ['--json', 'inspect', 'a.js', '--export', 'A', '--timeout=5', '--no-color'];
    expect(readArguments(args)).toEqual({
      kind: 'inspect',
      options: { file: 'a.js', exportName: 'A', format: 'json', timeoutMs: 5, color: false },
    });
  });

  it('ask for help or the version, with all other arguments', () => {
    expect(readArguments(['--help'])).toEqual({ kind: 'help' });
    expect(readArguments(['inspect', '-h'])).toEqual({ kind: 'help' });
    expect(readArguments(['-v'])).toEqual({ kind: 'version' });
  });

  it.each<[string[], string]>([
    [[], 'The command is missing. The only command is inspect.'],
    [['look', 'a.js'], '"look" isn\'t a command. The only command is inspect.'],
    [
      ['inspect'],
      'inspect needs the file of the root module: nestjs-scoped-worker inspect dist/app.module.js.',
    ],
    [['inspect', 'a.js', 'b.js'], 'inspect takes one file. Remove "b.js".'],
    [['inspect', 'a.js', '--json', '--mermaid'], 'Use either --json or --mermaid, not both.'],
    [
      ['inspect', 'a.js', '--yaml'],
      "--yaml isn't an option; the options are --export, --json, --mermaid, --timeout, --no-color, --help, --version.",
    ],
    [['inspect', 'a.js', '--json=1'], '--json takes no value.'],
    [['inspect', 'a.js', '--timeout'], '--timeout needs a value, such as --timeout=30000.'],
    [
      ['inspect', 'a.js', '--export', '--json'],
      '--export needs a value, such as --export=AppModule.',
    ],
    ...['0', '-1', '1.5', 'soon', '', '2147483648'].map((given): [string[], string] => [
      ['inspect', 'a.js', `--timeout=${given}`],
      `--timeout must be a number of milliseconds from 1 to 2147483647, not "${given}".`,
    ]),
  ])('%j are refused in one sentence', (args, sentence) => {
    expect(refusal(...args)).toBe(sentence);
  });
});

const file = {};
const tty = { isTTY: true, columns: 90 };

describe('The terminal that a page is written to', () => {
  it('has 80 columns and no colors when it is a file or a pipe', () => {
    expect(terminalOf(file, {}, undefined)).toEqual({ width: 80, isColored: false });
  });

  it.each([
    [60, 60],
    [100, 100],
    [250, 100],
    [10, 40],
    [0, 80],
  ])('of %i columns gets a page of %i', (columns, width) => {
    expect(terminalOf({ isTTY: true, columns }, {}, undefined)).toEqual({
      width,
      isColored: true,
    });
  });

  it.each<[object, Record<string, string>, false | undefined, boolean]>([
    [tty, { NO_COLOR: '1' }, undefined, false],
    [tty, { NO_COLOR: '' }, undefined, true],
    [tty, { TERM: 'dumb' }, undefined, false],
    [tty, {}, false, false],
    [file, { FORCE_COLOR: '1' }, undefined, true],
    [file, { FORCE_COLOR: '1', NO_COLOR: '1' }, undefined, true],
    [file, { FORCE_COLOR: '1' }, false, false],
    [tty, { FORCE_COLOR: '0' }, undefined, false],
  ])('%j with %j and --no-color %s is colored: %s', (stream, env, color, isColored) => {
    expect(terminalOf(stream, env, color).isColored).toBe(isColored);
  });
});

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const PAGE = 'findings.md';

describe('A page of the documentation', () => {
  let application: string;
  beforeEach(() => {
    application = mkdtempSync(join(tmpdir(), 'application-'));
  });
  afterEach(() => rmSync(application, { recursive: true }));

  it('is below the working directory', () => {
    expect(ownPage(PAGE, root)).toBe(`docs/${PAGE}`);
  });

  it('is in node_modules of the application, which may be a link', () => {
    mkdirSync(join(application, 'node_modules'));
    symlinkSync(root, join(application, 'node_modules/nestjs-scoped-worker'));
    expect(ownPage(PAGE, application)).toBe(`node_modules/nestjs-scoped-worker/docs/${PAGE}`);
  });

  it('is where the library is, if the application has none or another one', () => {
    expect(ownPage(PAGE, application)).toBe(join(root, 'docs', PAGE));
    mkdirSync(join(application, 'node_modules/nestjs-scoped-worker/docs'), { recursive: true });
    expect(ownPage(PAGE, application)).toBe(join(root, 'docs', PAGE));
  });

  it('is not found if the library is installed without it', () => {
    expect(ownPage('no-such-page.md', root)).toBeUndefined();
  });
});
