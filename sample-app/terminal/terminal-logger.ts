import type { LoggerService } from '@nestjs/common';

/** Errors of these contexts stop start-up, which prints its own sentence for them. */
const SAID_ELSEWHERE = new Set<unknown>(['ExceptionHandler', 'NestApplication', 'TypeOrmModule']);

/**
 * Logs for this terminal: all warnings and errors, each on one line. Of the ordinary lines, it shows only those of the library,
 * such as what the shutdown waits for.
 */
export class TerminalLogger implements LoggerService {
  log(message: unknown, ...rest: unknown[]): void {
    if (rest.at(-1) === 'ScopedWorker') console.log(String(message));
  }

  warn(message: unknown, ...rest: unknown[]): void {
    if (!SAID_ELSEWHERE.has(rest.at(-1))) console.error(`Warning: ${String(message)}`);
  }

  error(message: unknown, ...rest: unknown[]): void {
    if (!SAID_ELSEWHERE.has(rest.at(-1))) console.error(`Error: ${String(message)}`);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.error(message, ...rest);
  }
}
