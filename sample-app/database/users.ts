import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

export const isRoot = process.getuid?.() === 0;

/** True if other users can pass through every existing folder on the path. */
export function othersCanEnter(path: string): boolean {
  const stats = existsSync(path) ? statSync(path) : undefined;
  const isPassable = !stats?.isDirectory() || (stats.mode & 0o001) !== 0;
  return isPassable && (path === dirname(path) || othersCanEnter(dirname(path)));
}
