import type { INestApplicationContext } from '@nestjs/common';
import { openDatabase, type Database } from '../database/open-database.js';
import { printClosingLines } from '../terminal/closing-lines.js';
import { CannotStart } from './cannot-start.js';
import { readSettings, type Settings } from './settings.js';

type Boot = (settings: Settings, databaseUrl: string) => Promise<INestApplicationContext>;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Opens the database, boots the application, and runs until a signal arrives. Then closes the application, which waits for
 * running ticks, and after it the database.
 */
export async function runSample(boot: Boot): Promise<void> {
  // Listens before anything starts, so that an early Ctrl-C stops what has started by then.
  const stopRequested = new Promise<void>((resolve) => {
    // Under npm, Ctrl-C arrives twice. A second Ctrl-C of the user is for the library, which then stops waiting for ticks.
    for (const signal of SIGNALS) process.on(signal, () => resolve());
    process.stdout.on('error', () => resolve()); // the reader of the pipe is gone
  });
  let database: Database | undefined;
  try {
    const settings = readSettings(process.env);
    database = await openDatabase(settings);
    const app = await boot(settings, database.url);
    await stopRequested;
    if (process.stdout.isTTY) process.stdout.write('\n'); // after the ^C of the terminal
    printClosingLines(app);
    await app.close();
    await database.stop();
    process.exit(0);
  } catch (error) {
    await database?.stop();
    console.error(`Cannot start: ${sentenceOf(error)}`);
    process.exit(1);
  }
}

function sentenceOf(error: unknown): string {
  if (error instanceof CannotStart) return error.message;
  return (error as Error | undefined)?.message || String(error);
}
