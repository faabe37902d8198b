import { MAX_TIMER_MS } from '../../util/option-checks.js';
import { parseArgs } from 'node:util';

/** The parsed command line. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'inspect'; readonly options: InspectOptions };

export interface InspectOptions {
  /** The file of the root module, as the user typed it. */
  readonly file: string;
  /** The name of the export that is the root module; undefined to let the inspector choose it. */
  readonly exportName: string | undefined;
  readonly format: 'page' | 'json' | 'mermaid';
  /** The maximum time to load the application. */
  readonly timeoutMs: number;
  /** False for no colors; undefined if the environment decides. */
  readonly color: false | undefined;
}

/** Thrown if the command line is invalid. */
export class UsageError extends Error {}

const DEFAULT_TIMEOUT_MS = 30_000;

const OPTIONS = {
  export: { type: 'string' },
  json: { type: 'boolean' },
  mermaid: { type: 'boolean' },
  timeout: { type: 'string' },
  'no-color': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const;

export const HELP = `Usage: nestjs-scoped-worker inspect <module file> [options]

Loads the application without starting it, and shows its schedules, what each
tick of its workers builds and disposes, and all findings. It constructs no
provider and calls no factory.

  <module file>     the compiled file of the root module, such as
                    dist/app.module.js

  --export <name>   the export that is the root module, if there are several
  --json            print everything as JSON
  --mermaid         print the workers and their dependencies as a flowchart
  --timeout <ms>    the maximum time to load; default ${DEFAULT_TIMEOUT_MS}
  --no-color        no colors, like NO_COLOR=1; FORCE_COLOR=1 forces them
  --help            print this
  --version         print the version

Exit codes: 0 no errors or warnings, 1 errors, warnings or invalid jobs, 2 the
application cannot be inspected.
`;

/** Parses the command line. @throws {UsageError} if the command line is invalid. */
export function readArguments(args: readonly string[]): Command {
  const { values, positionals } = parse(args);
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  const [command, file, ...rest] = positionals;
  if (command === undefined)
    throw new UsageError('The command is missing. The only command is inspect.');
  if (command !== 'inspect')
    throw new UsageError(`"${command}" isn't a command. The only command is inspect.`);
  if (file === undefined || file === '')
    throw new UsageError(
      'inspect needs the file of the root module: nestjs-scoped-worker inspect dist/app.module.js.',
    );
  if (rest.length > 0) throw new UsageError(`inspect takes one file. Remove "${rest.join(' ')}".`);
  if (values.json === true && values.mermaid === true)
    throw new UsageError('Use either --json or --mermaid, not both.');
  const format = values.json === true ? 'json' : values.mermaid === true ? 'mermaid' : 'page';
  return {
    kind: 'inspect',
    options: {
      file,
      exportName: values.export,
      format,
      timeoutMs: timeoutOf(values.timeout),
      color: values['no-color'] === true ? false : undefined,
    },
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(sentenceOf(error as Error & { code?: string }), { cause: error });
  }
}

/** Replaces the messages of `parseArgs`, which begin with the option in quotes and continue with advice for rare cases. */
function sentenceOf({ code, message }: Error & { code?: string }): string {
  const option = /'(-[^\s']*)/.exec(message)?.[1] ?? message;
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const known = Object.keys(OPTIONS).map((name) => `--${name}`);
    return `${option} isn't an option; the options are ${known.join(', ')}.`;
  }
  const name = option.replace(/^--?/, '');
  if (OPTIONS[name as keyof typeof OPTIONS]?.type === 'string')
    return `${option} needs a value, such as ${option}=${name === 'timeout' ? DEFAULT_TIMEOUT_MS : 'AppModule'}.`;
  return `${option} takes no value.`;
}

function timeoutOf(given: string | undefined): number {
  if (given === undefined) return DEFAULT_TIMEOUT_MS;
  const ms = /^\d+$/.test(given) ? Number(given) : 0;
  if (ms < 1 || ms > MAX_TIMER_MS)
    throw new UsageError(
      `--timeout must be a number of milliseconds from 1 to ${MAX_TIMER_MS}, not "${given}".`,
    );
  return ms;
}
