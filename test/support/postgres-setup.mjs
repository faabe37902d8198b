import { startPostgresServer } from './postgres-server.mjs';

/** One PostgreSQL for the whole run: the server that DATABASE_URL names, or one of our own. */
export default async function setup() {
  if (!process.env.DATABASE_URL) globalThis.testPostgresServer = await startPostgresServer();
  process.env.TEST_DATABASE_URL = process.env.DATABASE_URL || globalThis.testPostgresServer.url;
}
