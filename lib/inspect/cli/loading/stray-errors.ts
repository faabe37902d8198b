import { thrownText } from './thrown-text.js';

/**
 * Collects, from its construction on, errors that nobody waits for: a connection that is refused, say. A running application
 * might end by them, an inspection need not.
 */
export class StrayErrors {
  readonly #errors = new Set<string>();

  constructor() {
    const note = (error: unknown): void => {
      // That a connection was opened at all is told elsewhere.
      if (!isOfConnection(error)) this.#errors.add(thrownText(error));
    };
    process.on('uncaughtException', note);
    process.on('unhandledRejection', note);
  }

  notes(): string[] {
    return [...this.#errors].map(
      (text) =>
        `While the application was loaded, an error was thrown where nobody waits for it: ${text}`,
    );
  }
}

function isOfConnection(error: unknown): boolean {
  const { syscall } = (error ?? {}) as { syscall?: unknown };
  return syscall === 'connect' || syscall === 'getaddrinfo';
}
