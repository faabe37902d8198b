/** The reason why the sample application cannot start, as a text for the user. */
export class CannotStart extends Error {}

/** Returns the code of a system or PostgreSQL error. */
export function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code;
}
