import { readdirSync, statSync, type Dirent } from 'node:fs';
import { basename, dirname, extname, join, relative, resolve } from 'node:path';
import { CannotInspect } from './protocol.js';

const TYPESCRIPT = new Set(['.ts', '.mts', '.cts', '.tsx']);
const LOADABLE = new Set(['.js', '.mjs', '.cjs']);

/** The usual output folders of compilers. */
const BUILD_FOLDERS = ['dist', 'build', 'out'];

const DEEPEST = 6;
const MOST_PROPOSED = 3;

/**
 * Returns the absolute path of a file.
 *
 * @throws {CannotInspect} if the file can't be loaded; the message suggests files with similar names.
 */
export function moduleFile(given: string, cwd: string): string {
  const file = resolve(cwd, given);
  const stat = statSync(file, { throwIfNoEntry: false });
  if (TYPESCRIPT.has(extname(file))) {
    const what =
      stat === undefined ? 'does not exist, and has a TypeScript extension' : 'is TypeScript';
    const near = nearFiles(file, cwd) || 'dist/app.module.js';
    throw new CannotInspect(`${given} ${what}. Pass the compiled file, such as ${near}.`);
  }
  if (stat === undefined) {
    const near = nearFiles(file, cwd);
    throw new CannotInspect(
      near === ''
        ? `${given} does not exist (${file}). Is the application compiled?`
        : `${given} does not exist. Did you mean ${near}?`,
    );
  }
  if (!stat.isFile()) {
    const near = nearFiles(join(file, 'app.module.js'), cwd) || 'dist/app.module.js';
    throw new CannotInspect(
      `${given} isn't a file. Pass the file of the root module, such as ${near}.`,
    );
  }
  return file;
}

/**
 * Returns the compiled files with the most similar names, or else some whose names end in `.module`; an empty string if there are
 * no such files.
 */
function nearFiles(file: string, cwd: string): string {
  const wanted = stem(file);
  const folders = [dirname(file), ...BUILD_FOLDERS.map((folder) => join(cwd, folder))];
  const found = new Set(folders.flatMap((folder) => loadableIn(folder, DEEPEST)));
  const ranked = [...found]
    .map((path) => ({ path, distance: distanceBetween(stem(path), wanted) }))
    .sort((a, b) => a.distance - b.distance || a.path.length - b.path.length);
  const nearest = ranked[0]?.distance ?? 0;
  const near = ranked.filter(({ path, distance }) =>
    nearest <= wanted.length / 3 ? distance === nearest : /\.modules?$/.test(stem(path)),
  );
  return near
    .slice(0, MOST_PROPOSED)
    .map(({ path }) => relative(cwd, path))
    .join(' or ');
}

function loadableIn(folder: string, depth: number): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isFile()) return LOADABLE.has(extname(entry.name)) ? [path] : [];
    const isOpened = depth > 0 && entry.isDirectory() && !/^(\.|node_modules$)/.test(entry.name);
    return isOpened ? loadableIn(path, depth - 1) : [];
  });
}

/** Returns `app.module` for `app.module.js`. */
function stem(file: string): string {
  const extension = extname(file);
  return LOADABLE.has(extension) || TYPESCRIPT.has(extension)
    ? basename(file, extension)
    : basename(file);
}

/** Returns the Levenshtein distance between two names. */
function distanceBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
