import type { Settings } from '../start-up/settings.js';
import { checkDatabaseUrl } from './check-database-url.js';
import { startEmbeddedServer } from './embedded-server.js';

/** A running PostgreSQL. */
export interface Database {
  readonly url: string;
  /** Stops the server if it is the embedded one. */
  stop(): Promise<void>;
}

/** Connects to the PostgreSQL of DATABASE_URL, or starts the embedded one. */
export async function openDatabase({ databaseUrl, dataFolder }: Settings): Promise<Database> {
  if (databaseUrl === undefined) return startEmbeddedServer(dataFolder);
  const server = await checkDatabaseUrl(databaseUrl);
  console.log(`Using the PostgreSQL at ${server}, from DATABASE_URL`);
  return { url: databaseUrl, stop: async () => undefined };
}
