#!/usr/bin/env node
import { pathToFileURL } from 'node:url';
import { inspectApplication } from './application-process.js';
import { HELP, readArguments, UsageError, type InspectOptions } from './arguments.js';
import { CannotInspect, type Inspected } from './protocol.js';
import { copyOfApplication, ownCopy, ownPage } from './library-copy.js';
import { mermaid } from './mermaid.js';
import { moduleFile } from './module-file.js';
import { page } from './page/page.js';
import { terminalOf } from './terminal.js';
import { thrownText } from './thrown-text.js';

const NOTHING_FOUND = 0;
const FOUND_SOMETHING = 1;
const CANNOT_INSPECT = 2;

/**
 * Runs the command. Writes only the result to stdout, and errors to stderr.
 *
 * @returns the exit code; undefined if another copy of the command has taken over and sets it.
 */
async function runCommand(args: readonly string[]): Promise<number | undefined> {
  // The reader of a pipe may stop reading, as `head` does.
  process.stdout.on('error', ignoreClosedPipe);
  process.stderr.on('error', ignoreClosedPipe);
  try {
    const command = readArguments(args);
    switch (command.kind) {
      case 'help':
        process.stdout.write(HELP);
        return NOTHING_FOUND;
      case 'version':
        process.stdout.write(`${ownCopy().version}\n`);
        return NOTHING_FOUND;
      case 'inspect':
        return await inspect(command.options);
    }
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`);
    return CANNOT_INSPECT;
  }
}

/**
 * Returns the text of an error, with the stack if the error is unexpected. Every error must be caught, because Node would
 * otherwise exit with the code that signals findings.
 */
function reasonOf(error: unknown): string {
  if (error instanceof UsageError) return `${error.message} See nestjs-scoped-worker --help.`;
  if (error instanceof CannotInspect) return error.message;
  return `The inspector failed: ${(error as Error)?.stack ?? thrownText(error)}`;
}

async function inspect(options: InspectOptions): Promise<number | undefined> {
  const file = moduleFile(options.file, process.cwd());
  const copy = copyOfApplication(file);
  if (copy !== undefined && copy.root !== ownCopy().root) {
    // A copy of the library doesn't know the decorators of another one, so it can't inspect this application.
    if (copy.command === undefined)
      throw new CannotInspect(
        `This application uses nestjs-scoped-worker ${copy.version} (${copy.root}), which has no inspector. Update it.`,
      );
    await import(pathToFileURL(copy.command).href);
    return undefined;
  }
  const inspected = await inspectApplication({ ...options, file, shownFile: options.file });
  process.stdout.write(printed(inspected, options));
  const { findings, nestJobs } = inspected.inspection;
  const isWrong =
    findings.some(({ severity }) => severity !== 'info') ||
    nestJobs.some(({ fate }) => fate === 'invalid');
  return isWrong ? FOUND_SOMETHING : NOTHING_FOUND;
}

function printed(inspected: Inspected, { format, color }: InspectOptions): string {
  if (format === 'json') return `${JSON.stringify(inspected.inspection, null, 2)}\n`;
  if (format === 'mermaid') return mermaid(inspected.inspection);
  return page(
    inspected,
    terminalOf(process.stdout, process.env, color),
    ownPage('findings.md', process.cwd()),
  );
}

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

// No `process.exit()`: the process ends by itself when all output has reached the pipe.
const exitCode = await runCommand(process.argv.slice(2));
if (exitCode !== undefined) process.exitCode = exitCode;
