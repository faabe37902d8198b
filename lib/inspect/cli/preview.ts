// Runs in a child process: loads an application and answers the parent process, which then kills this one.
import 'reflect-metadata'; // before any decorator of the application
import type { DynamicModule, INestApplicationContext, LoggerService, Type } from '@nestjs/common';
import { setImmediate } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { inspectScopes } from '../inspect-scopes.js';
import { exportedModule, exportsOf, startedModule, type RootModule } from './module-export.js';
import { NestCopy } from './nest-copy.js';
import {
  CannotInspect,
  STAGES,
  type PreviewMessage,
  type PreviewRequest,
  type Stage,
} from './protocol.js';
import { SideEffects } from './side-effects.js';
import { placeInApplication, thrownText } from './thrown-text.js';

process.once('message', (request: PreviewRequest) => void load(request));
process.on('disconnect', () => process.exit());

async function load(request: PreviewRequest): Promise<void> {
  const { shownFile, timeoutMs } = request;
  const effects = new SideEffects();
  let stage: Stage = 'file';
  const enter = (next: Stage): void => {
    stage = next;
    say({ kind: 'stage', stage });
  };
  enter('file');
  // Only the application keeps this process alive from here on, so `beforeExit` shows that no work is pending.
  process.channel?.unref();
  const refuse = (sentence: string, more: readonly string[] = []): void =>
    answer({ kind: 'refused', reason: [sentence, ...more, ...effects.notes()].join('\n') });
  process.on('beforeExit', () => {
    refuse(
      `${shownFile} stopped ${STAGES[stage]}, because it awaits a promise that never settles.`,
    );
  });
  setTimeout(() => {
    refuse(
      `${shownFile} did not load within ${timeoutMs} ms: the time ran out ${STAGES[stage]}. Raise --timeout, or look for an await that needs a running application.`,
      effects.stillOpen(),
    );
  }, timeoutMs).unref();

  process.argv = [process.argv[0]!, request.file];
  try {
    const nest = await NestCopy.of(request.file);
    const root = await rootOf(request, nest, enter);
    enter('graph');
    const inspection = inspectScopes(nest.known(await assemble(request, nest, root)));
    await setImmediate(); // Node reports unhandled rejections after all microtasks
    const notes = [...inspection.notes, ...effects.notes()];
    const inspected = {
      application: root.name,
      file: shownFile,
      inspection: { ...inspection, notes },
    };
    answer({ kind: 'inspected', inspected });
  } catch (error) {
    refuse(
      error instanceof CannotInspect
        ? error.message
        : `The inspector failed for ${shownFile}: ${(error as Error)?.stack ?? thrownText(error)}`,
    );
  }
}

function say(message: PreviewMessage): void {
  process.send?.(message);
}

/** Sends the answer, and keeps this process alive until the parent kills it. */
function answer(message: PreviewMessage): void {
  say(message);
  process.channel?.ref();
}

/** Returns the module that the file exports, or the one that the file passes to `NestFactory`. The application doesn't start. */
async function rootOf(
  { file, shownFile, exportName }: PreviewRequest,
  nest: NestCopy,
  enter: (stage: Stage) => void,
): Promise<RootModule> {
  const started = nest.keepFromStarting();
  const loading = import(pathToFileURL(file).href) as Promise<Record<string, unknown>>;
  const loaded = loading.catch(
    explain(file, (text) => `${shownFile} threw while it was loading: ${text}`),
  );
  const first = await Promise.race([
    loaded.then((exports) => ({ exports })),
    ...(exportName === undefined ? [started.then((given) => ({ given }))] : []),
  ]);
  enter('module');
  const root =
    'given' in first
      ? startedModule(first.given, shownFile)
      : exportedModule(exportsOf(first.exports), shownFile, exportName);
  return root.catch(
    explain(file, (text) => `The root module of ${shownFile} cannot be created: ${text}`),
  );
}

/** Assembles the application in preview mode, in which Nest resolves all dependencies but calls no constructor, factory or hook. */
function assemble(
  { file, shownFile }: PreviewRequest,
  nest: NestCopy,
  { module }: RootModule,
): Promise<INestApplicationContext> {
  const options = { preview: true, abortOnError: false, logger: errorLog };
  return nest
    .createApplicationContext(module as Type | DynamicModule, options)
    .catch(
      explain(file, (text) =>
        [`Nest cannot resolve the modules of ${shownFile}: ${text}`, ...nest.doubts()].join('\n'),
      ),
    );
}

/** Writes Nest's warnings and errors to stderr, the only output of this process. */
const errorLog: LoggerService = {
  log: () => undefined,
  warn: (message: unknown, ...rest: unknown[]) => write('warning', message, rest),
  error: (message: unknown, ...rest: unknown[]) => write('error', message, rest),
};

/** The log contexts whose messages would be redundant: a note that nothing is built, and the error that the answer contains. */
const TOLD_ELSEWHERE: readonly unknown[] = ['NestApplicationContext', 'ExceptionHandler'];

function write(level: string, message: unknown, rest: readonly unknown[]): void {
  const context = rest.at(-1);
  if (TOLD_ELSEWHERE.includes(context)) return;
  const from = typeof context === 'string' ? ` of ${context}` : '';
  process.stderr.write(`${level}${from}: ${thrownText(message)}\n`);
}

function explain(file: string, sentence: (text: string) => string): (error: unknown) => never {
  return (error) => {
    if (error instanceof CannotInspect) throw error;
    const place = placeInApplication(error, file);
    const where = place === undefined ? '' : `\n    ${place}`;
    throw new CannotInspect(`${sentence(thrownText(error))}${where}`, { cause: error });
  };
}
