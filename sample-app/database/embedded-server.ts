import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { CannotStart } from '../start-up/cannot-start.js';
import { claimDataFolder } from './data-folder.js';
import type { Database } from './open-database.js';
import type { ServerAnswer } from './server-process.js';

const STOP_TIMEOUT_MS = 15_000;

/**
 * Starts the embedded PostgreSQL in its own process group, because Ctrl-C goes to a whole group and must not stop it before the
 * application has closed. The keeper process stops it even if this one is killed.
 */
export async function startEmbeddedServer(dataFolder: string | undefined): Promise<Database> {
  const startedAt = performance.now();
  const { path, release } = claimDataFolder(dataFolder);
  const keeper = fork(fileURLToPath(new URL('./server-process.js', import.meta.url)), [path], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const answer = await firstAnswer(keeper);
  if ('failure' in answer) {
    release();
    throw new CannotStart(answer.failure);
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`PostgreSQL started in ${seconds} s, data in ${path}`);
  return {
    url: answer.url,
    async stop() {
      await stop(keeper);
      release();
    },
  };
}

async function firstAnswer(keeper: ChildProcess): Promise<ServerAnswer> {
  const died = new AbortController();
  const [answer] = await Promise.race([
    once(keeper, 'message', { signal: died.signal }),
    once(keeper, 'exit', { signal: died.signal }).then(([code]): [ServerAnswer] => [
      { failure: `the embedded PostgreSQL did not start: its process ended with ${code}.` },
    ]),
  ]);
  died.abort();
  return answer as ServerAnswer;
}

async function stop(keeper: ChildProcess): Promise<void> {
  if (keeper.exitCode !== null || keeper.signalCode !== null) return;
  const ended = once(keeper, 'exit');
  if (keeper.connected) keeper.disconnect();
  const timer = setTimeout(() => keeper.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}
