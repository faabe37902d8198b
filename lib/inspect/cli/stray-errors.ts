import { thrownText } from './thrown-text.js';

/**
 * Collects the errors that no code awaits, from its construction on. They could end a running application, but must not end the
 * inspection.
 */
export class StrayErrors {
  readonly #errors = new Set<string>();

  constructor() {
    const note = (error: unknown): void => {
      // `OpenedConnections` already reports the connection.
      if (!isOfConnection(error)) this.#errors.add(thrownText(error));
    };
    process.on('uncaughtException', note);
    process.on('unhandledRejection', note);
  }

  notes(): string[] {
    return [...this.#errors].map(
      (text) =>
        `While the application was loading, an error was thrown where no code awaits it: ${text}`,
    );
  }
}

function isOfConnection(error: unknown): boolean {
  const { syscall } = (error ?? {}) as { syscall?: unknown };
  return syscall === 'connect' || syscall === 'getaddrinfo';
}
