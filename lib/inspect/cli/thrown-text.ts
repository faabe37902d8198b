import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect, stripVTControlCharacters } from 'node:util';

/** The working directory, read before the application can change it. */
const FOLDER = process.cwd();
const OWN_FOLDER = fileURLToPath(new URL('.', import.meta.url));

/** Returns the text of a thrown value: `Error: the message`. */
export function thrownText(thrown: unknown): string {
  if (!(thrown instanceof Error)) return inspect(thrown, { depth: 0 });
  const name = thrown.name || 'Error';
  return stripVTControlCharacters(thrown.message === '' ? name : `${name}: ${thrown.message}`);
}

/**
 * Finds the first line of an error's stack that points to the application's own code, not to that of Node or of a package.
 *
 * @param file a file of the application.
 * @returns for example `at dist/config.js:3:9`; undefined if there is no such line.
 */
export function placeInApplication(thrown: unknown, file: string): string | undefined {
  const { stack } = (thrown ?? {}) as { stack?: unknown };
  if (typeof stack !== 'string') return undefined;
  for (const line of stack.split('\n')) {
    // Matches a frame, or the line above the quoted source of a syntax error.
    const [, url, position] =
      /(?:^|\(|at )((?:file:\/\/|\/|[A-Za-z]:\\)[^()]*?)((?::\d+)+)\)?$/.exec(line) ?? [];
    const path = url?.startsWith('file:') ? pathOf(url) : url;
    if (path === undefined) continue;
    if (packageOf(path) !== packageOf(file) || path.startsWith(OWN_FOLDER)) continue;
    return `at ${relative(FOLDER, path)}${position}`;
  }
  return undefined;
}

/** Returns the name of the package that contains a file; undefined if the file isn't in `node_modules`. */
function packageOf(path: string): string | undefined {
  return /.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(path)?.[1];
}

function pathOf(url: string): string | undefined {
  try {
    return fileURLToPath(url);
  } catch {
    return undefined;
  }
}
