import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const NAME = 'nestjs-scoped-worker';

/** A copy of this library on disk. */
export interface LibraryCopy {
  /** Its folder, without symbolic links. */
  readonly root: string;
  readonly version: string;
  /** The file of its command; undefined if it has none. */
  readonly command: string | undefined;
}

/** Returns the running copy. */
export function ownCopy(): LibraryCopy {
  return copyAt(fileURLToPath(new URL('../../../package.json', import.meta.url)));
}

/** Returns the copy that the application imports; undefined if it has none installed. */
export function copyOfApplication(file: string): LibraryCopy | undefined {
  try {
    return copyAt(createRequire(file).resolve(`${NAME}/package.json`));
  } catch {
    return undefined;
  }
}

/**
 * Returns the path of a documentation page of the running copy, as a user would write it; undefined if there is no such page. `npx`
 * may run a copy from its cache, so the page may be outside the application's `node_modules`.
 */
export function ownPage(name: string, cwd: string): string | undefined {
  const file = join(ownCopy().root, 'docs', name);
  if (!existsSync(file)) return undefined;
  const linked = join('node_modules', NAME, 'docs', name);
  const place = resolve(cwd, linked);
  // Some package managers link each package in node_modules to a longer path.
  if (existsSync(place) && realpathSync(place) === file) return linked;
  const near = relative(cwd, file);
  return near.startsWith('..') ? file : near;
}

function copyAt(manifest: string): LibraryCopy {
  const root = realpathSync(dirname(manifest));
  const { version, bin } = JSON.parse(readFileSync(manifest, 'utf8')) as {
    version: string;
    bin?: Readonly<Record<string, string>>;
  };
  const command = bin?.[NAME];
  return { root, version, command: command === undefined ? undefined : join(root, command) };
}
