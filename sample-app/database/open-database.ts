import type { Settings } from '../start-up/settings.js';
import { checkDatabaseUrl } from './check-database-url.js';
import { startEmbeddedServer } from './embedded-server.js';

/** A PostgreSQL that answers. */
export interface Database {
  readonly url: string;
  /** Ends the server when it is our own. */
  stop(): Promise<void>;
}

/** The PostgreSQL that DATABASE_URL names, or one of our own. */
export async function openDatabase({ databaseUrl, dataFolder }: Settings): Promise<Database> {
  if (databaseUrl === undefined) return startEmbeddedServer(dataFolder);
  const server = await checkDatabaseUrl(databaseUrl);
  console.log(`Using the PostgreSQL at ${server}, from DATABASE_URL`);
  return { url: databaseUrl, stop: async () => undefined };
}
