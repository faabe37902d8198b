import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect, stripVTControlCharacters } from 'node:util';

/** As it is before the application may change it. */
const FOLDER = process.cwd();
const OWN_FOLDER = fileURLToPath(new URL('..', import.meta.url));

/** What was thrown, as `Error: the message`. */
export function thrownText(thrown: unknown): string {
  if (!(thrown instanceof Error)) return inspect(thrown, { depth: 0 });
  const name = thrown.name || 'Error';
  return stripVTControlCharacters(thrown.message === '' ? name : `${name}: ${thrown.message}`);
}

/**
 * The first place in an error's stack that is code of the application: neither of Node nor of a package.
 *
 * @param file a file of the application.
 * @returns such as `at dist/config.js:3:9`; undefined when there is none.
 */
export function placeInApplication(thrown: unknown, file: string): string | undefined {
  const { stack } = (thrown ?? {}) as { stack?: unknown };
  if (typeof stack !== 'string') return undefined;
  for (const line of stack.split('\n')) {
    // A frame, or the line above the quoted source of a syntax error.
    const [, url, position] =
      /(?:^|\(|at )((?:file:\/\/|\/|[A-Za-z]:\\)[^()]*?)((?::\d+)+)\)?$/.exec(line) ?? [];
    const path = url?.startsWith('file:') ? pathOf(url) : url;
    if (path === undefined) continue;
    if (packageOf(path) !== packageOf(file) || path.startsWith(OWN_FOLDER)) continue;
    return `at ${relative(FOLDER, path)}${position}`;
  }
  return undefined;
}

/** The package that a file belongs to; undefined for the application's own files. */
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
