import pg from 'pg';
import { CannotStart, codeOf } from '../start-up/cannot-start.js';

const TIMEOUT_SECONDS = 5;

/**
 * Connects once, so that a wrong address is reported before anything else starts.
 *
 * @returns host and port, for display. The URL itself is never shown, because it contains the password.
 */
export async function checkDatabaseUrl(databaseUrl: string): Promise<string> {
  const { server, database, user } = parse(databaseUrl);
  const client = new pg.Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: TIMEOUT_SECONDS * 1000,
  });
  client.on('error', () => undefined); // connect() rejects with it too
  try {
    await client.connect();
  } catch (error) {
    throw new CannotStart(explain(error, server, database, user));
  } finally {
    void client.end().catch(() => undefined); // not awaited: a server may never answer
  }
  return server;
}

function parse(databaseUrl: string): { server: string; database: string; user: string } {
  const url = URL.canParse(databaseUrl) ? new URL(databaseUrl) : undefined;
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol)) {
    throw new CannotStart(
      'DATABASE_URL is not the address of a PostgreSQL, such as postgres://user:password@localhost:5432/name. Correct it, or unset it to use the embedded PostgreSQL.',
    );
  }
  return {
    server: `${url.hostname || 'localhost'}:${url.port || '5432'}`,
    database: decoded(url.pathname.slice(1)),
    user: decoded(url.username),
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function explain(error: unknown, server: string, database: string, user: string): string {
  const at = `the PostgreSQL at ${server}, from DATABASE_URL,`;
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return `no PostgreSQL answers at ${server}, from DATABASE_URL. Start it, correct DATABASE_URL, or unset it to use the embedded PostgreSQL.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host of ${server}, from DATABASE_URL, is unknown on this network. Correct DATABASE_URL, or unset it to use the embedded PostgreSQL.`;
    case '28P01':
    case '28000':
      return `${at} refuses the user "${user}" with this password. Correct them in DATABASE_URL.`;
    case '3D000':
      return `${at} has no database "${database || user}". Create it, or correct DATABASE_URL.`;
    default: {
      const { message } = error as Error;
      if (/timeout/i.test(message)) {
        return `${at} did not answer within ${TIMEOUT_SECONDS} seconds. Correct DATABASE_URL, or unset it to use the embedded PostgreSQL.`;
      }
      return `${at} cannot be used: ${message || String(codeOf(error))}.`;
    }
  }
}
