/** Why the sample application cannot start, in one sentence for the person who started it. */
export class CannotStart extends Error {}

/** The code of an error of the system or of PostgreSQL. */
export function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code;
}
