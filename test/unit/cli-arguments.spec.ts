import { describe, expect, it } from '@jest/globals';
import { readArguments, UsageError } from '../../lib/inspect/cli/arguments.js';

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
