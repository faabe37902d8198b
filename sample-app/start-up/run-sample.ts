import type { INestApplicationContext } from '@nestjs/common';
import { openDatabase, type Database } from '../database/open-database.js';
import { printClosingLines } from '../terminal/closing-lines.js';
import { CannotStart } from './cannot-start.js';
import { readSettings, type Settings } from './settings.js';

type Boot = (settings: Settings, databaseUrl: string) => Promise<INestApplicationContext>;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Opens the database, boots the application, and runs until a signal comes: then closes the application first, which
 * waits for the ticks that run, and the database after it.
 */
export async function runSample(boot: Boot): Promise<void> {
  // In place before anything is started, so that an early Ctrl-C stops what has been started by then.
  const stopRequested = new Promise<void>((resolve) => {
    // Ctrl-C under npm arrives twice. A second one of the person's own is meant for the library, which then waits
    // no longer for ticks.
    for (const signal of SIGNALS) process.on(signal, () => resolve());
    process.stdout.on('error', () => resolve()); // the reader of a pipe has gone
  });
  let database: Database | undefined;
  try {
    const settings = readSettings(process.env);
    database = await openDatabase(settings);
    const app = await boot(settings, database.url);
    await stopRequested;
    if (process.stdout.isTTY) process.stdout.write('\n'); // the terminal has written ^C
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
