import pg from 'pg';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive } from './data-folder.js';

const WAIT_MS = 10_000;

/**
 * Stops a server that still runs on the data after its application was killed. The caller has claimed the folder, so no running
 * application uses that server.
 */
export async function stopLeftBehindServer(
  data: string,
  login: { user: string; password: string },
): Promise<void> {
  const pidFile = join(data, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  // postmaster.pid contains the process id, data folder, start time, port, and more.
  const [pid, , , port] = readFileSync(pidFile, 'utf8').split('\n').map(Number);
  if (!pid || !isAlive(pid)) return;
  if (await isServerOf(data, { ...login, port: port! })) process.kill(pid, 'SIGINT');
  // A server that doesn't answer may be stopping. If it is still there afterwards, PostgreSQL decides.
  const until = Date.now() + WAIT_MS;
  while (existsSync(pidFile) && isAlive(pid) && Date.now() < until) await delay(50);
}

/** Asks the server itself, because after a reboot the process id may belong to another program. */
async function isServerOf(
  data: string,
  login: { user: string; password: string; port: number },
): Promise<boolean> {
  const client = new pg.Client({
    ...login,
    host: '127.0.0.1',
    database: 'postgres',
    connectionTimeoutMillis: 2_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    return realpathSync(rows[0]!.data_directory) === realpathSync(data);
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}
