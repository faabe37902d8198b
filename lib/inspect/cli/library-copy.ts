import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const NAME = 'nestjs-scoped-worker';

/** A copy of this library on the disk. */
export interface LibraryCopy {
  /** Its folder, without symbolic links. */
  readonly root: string;
  readonly version: string;
  /** The file of its command; undefined when it has none. */
  readonly command: string | undefined;
}

/** The copy that is running. */
export function ownCopy(): LibraryCopy {
  return copyAt(fileURLToPath(new URL('../../../package.json', import.meta.url)));
}

/** The copy that the application imports; undefined when it has none installed. */
export function copyOfApplication(file: string): LibraryCopy | undefined {
  try {
    return copyAt(createRequire(file).resolve(`${NAME}/package.json`));
  } catch {
    return undefined;
  }
}

/**
 * Returns where a page of the documentation of the running copy is, as a reader would write it; undefined if it isn't there.
 * `npx` may run a copy from its cache, so the page need not be in `node_modules` of the application.
 */
export function ownPage(name: string, cwd: string): string | undefined {
  const file = join(ownCopy().root, 'docs', name);
  if (!existsSync(file)) return undefined;
  const linked = join('node_modules', NAME, 'docs', name);
  const place = resolve(cwd, linked);
  // Some package managers link node_modules to a longer path.
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
