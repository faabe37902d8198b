import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CannotStart, codeOf } from '../start-up/cannot-start.js';
import { isRoot, othersCanEnter } from './users.js';

export interface DataFolder {
  readonly path: string;
  /** Lets the next process use it. */
  release(): void;
}

/** Creates the folder of the embedded PostgreSQL if it doesn't exist, and claims it for this process. */
export function claimDataFolder(given: string | undefined): DataFolder {
  const path = given === undefined ? defaultFolder() : resolve(given);
  if (isRoot && !othersCanEnter(path)) {
    throw new CannotStart(
      `the data folder ${path} is closed to other users. PostgreSQL refuses to run as root, so it runs as the user "postgres". Set DATA_DIR to a folder that this user can enter.`,
    );
  }
  const ownerFile = join(path, 'owner.pid');
  try {
    if (isRoot) process.umask(0o022); // the user "postgres" must be able to pass through new folders
    makeFolder(path);
    if (isRoot) refuseReadOnly(path);
    claim(path, ownerFile);
  } catch (error) {
    if (error instanceof CannotStart) throw error;
    throw new CannotStart(
      `the data folder ${path} cannot be written (${codeOf(error) ?? (error as Error).message}). Make it writable, or set DATA_DIR to another folder.`,
    );
  }
  return { path, release: () => rmSync(ownerFile, { force: true }) };
}

/** True if a process with this id runs, also one of another user. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** Returns a folder in the checkout, or, for root with a checkout in its home, one that the user "postgres" can enter. */
function defaultFolder(): string {
  const folder = resolve('.data');
  if (!isRoot || othersCanEnter(resolve('.'))) return folder;
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 8);
  return `/var/lib/nestjs-scoped-worker-sample-${name}`;
}

/** Replaces `mkdirSync` with `recursive`, which never returns where folders cannot be created, such as below /proc. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path);
}

/** Respects a read-only folder, although root may write anywhere. */
function refuseReadOnly(path: string): void {
  if ((statSync(path).mode & 0o222) !== 0) return;
  throw Object.assign(new Error('read-only'), { code: 'EACCES' });
}

function claim(path: string, ownerFile: string): void {
  try {
    writeFileSync(ownerFile, String(process.pid), { flag: 'wx' });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    const owner = Number(readFileSync(ownerFile, 'utf8'));
    // The file of a killed process may contain an id that this process or its npm has now.
    const isTaken = ![process.pid, process.ppid].includes(owner) && owner > 0 && isAlive(owner);
    if (isTaken) {
      throw new CannotStart(
        `the data folder ${path} is in use by process ${owner}, another run of the sample application. Stop it, or set DATA_DIR to another folder.`,
      );
    }
    rmSync(ownerFile);
    claim(path, ownerFile);
  }
}
