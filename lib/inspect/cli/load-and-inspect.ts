import type { DynamicModule, INestApplicationContext, LoggerService, Type } from '@nestjs/common';
import { pathToFileURL } from 'node:url';
import { inspectScopes } from '../inspect-scopes.js';
import type { ScopeInspection } from '../inspection.js';
import { CannotInspect } from './cannot-inspect.js';
import { exportedModule, exportsOf, startedModule, type RootModule } from './module-export.js';
import { NestCopy } from './nest-copy.js';
import type { LoadRequest, Stage } from './protocol.js';
import { placeInApplication, thrownText } from './thrown-text.js';

/** The inspection of an application, with the name of its root module. */
export interface LoadedInspection {
  readonly application: string;
  readonly inspection: ScopeInspection;
}

/**
 * Loads a file, finds its root module, lets Nest resolve the modules without building anything, and inspects the result.
 *
 * @throws {CannotInspect} if one of these steps fails.
 */
export async function loadAndInspect(
  request: LoadRequest,
  enter: (stage: Stage) => void,
): Promise<LoadedInspection> {
  const { file, shownFile } = request;
  const nest = await NestCopy.of(file);
  const root = await rootOf(request, nest, () => enter('module'));
  enter('graph');
  const app = await assemble(nest, root).catch(
    explain(file, (text) =>
      [`Nest cannot resolve the modules of ${shownFile}: ${text}`, ...nest.doubts()].join('\n'),
    ),
  );
  return { application: root.name, inspection: inspectScopes(nest.known(app)) };
}

/** Returns the module that the file exports, or the one with which it starts an application, without starting it. */
async function rootOf(
  { file, shownFile, exportName }: LoadRequest,
  nest: NestCopy,
  onLoaded: () => void,
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
  onLoaded();
  const root =
    'given' in first
      ? startedModule(first.given, shownFile)
      : exportedModule(exportsOf(first.exports), shownFile, exportName);
  return root.catch(
    explain(file, (text) => `The root module of ${shownFile} cannot be created: ${text}`),
  );
}

/** Uses the preview mode, in which Nest resolves all dependencies but calls no constructor, factory or hook. */
async function assemble(nest: NestCopy, { module }: RootModule): Promise<INestApplicationContext> {
  return nest.createApplicationContext(module as Type | DynamicModule, {
    preview: true,
    abortOnError: false,
    logger: errorLog,
  });
}

/** Writes Nest's warnings and errors to stderr, the only output of this process. */
const errorLog: LoggerService = {
  log: () => undefined,
  warn: (message: unknown, ...rest: unknown[]) => write('warning', message, rest),
  error: (message: unknown, ...rest: unknown[]) => write('error', message, rest),
};

/** Their messages would be repetitions: that nothing is built, and the error that the answer contains. */
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
