import { CannotStart } from './cannot-start.js';

export interface Settings {
  readonly port: number;
  /** The PostgreSQL to use; undefined for one of our own. */
  readonly databaseUrl: string | undefined;
  /** Folder of our own PostgreSQL; undefined for the default. */
  readonly dataFolder: string | undefined;
}

/** Reads PORT, DATABASE_URL and DATA_DIR; one that is empty counts as not set. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const port = env['PORT'] || '3000';
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new CannotStart(`PORT must be a number from 0 to 65535, not "${port}".`);
  }
  return {
    port: Number(port),
    databaseUrl: env['DATABASE_URL'] || undefined,
    dataFolder: env['DATA_DIR'] || undefined,
  };
}
