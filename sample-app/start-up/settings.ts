import { CannotStart } from './cannot-start.js';

export interface Settings {
  readonly port: number;
  /** The PostgreSQL to use; undefined for the embedded one. */
  readonly databaseUrl: string | undefined;
  /** The folder of the embedded PostgreSQL; undefined for the default. */
  readonly dataFolder: string | undefined;
}

/** Reads PORT, DATABASE_URL and DATA_DIR; an empty one counts as unset. */
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
