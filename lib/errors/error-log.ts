import { inspect } from 'node:util';
import { stackOf, stringOf, textOf } from './error-parts.js';

/** Limits for the text of one error: an error from an HTTP client may hold sockets, agents and a whole response. */
const DEPTH = 4;
const MAX_LENGTH = 16_000;

/** An error for the log. */
export interface LoggedError {
  /** The error's message, preceded by the name of the error's class unless that is `Error`. */
  readonly text: string;
  /** The rest of the `util.inspect()` output: stack, causes, errors of an AggregateError, own properties. */
  readonly details: string | undefined;
}

/**
 * Splits the `util.inspect()` output of an error, so that the error's message appears once. If inspection fails, uses the message
 * and the stack instead, so that every thrown value results in text.
 */
export function loggedError(error: unknown): LoggedError {
  const message = textOf(error);
  const shown = inspected(error);
  if (shown === undefined) return { text: message, details: stackOf(error) };
  if (typeof error !== 'object' || error === null) return { text: message, details: undefined };
  if (stringOf(error, 'message') === undefined) return { text: shown, details: undefined };
  const isBare = shown.startsWith('['); // without frames: `[TypeError: message] { code: 'A' }`
  const start = shown.indexOf(message);
  const head = shown.slice(isBare ? 1 : 0, Math.max(start, 0));
  if (message === '' || !/^[^\n]+: $/.test(head)) return whole(message, shown);
  const rest = shown.slice(start + message.length + (isBare ? 1 : 0)).replace(/^\n/, '');
  return {
    text: head === 'Error: ' ? message : `${head}${message}`,
    details: rest === '' ? undefined : rest,
  };
}

/** Handles an error without a message, one whose stack doesn't begin with its message, or an object that isn't an error. */
function whole(message: string, shown: string): LoggedError {
  if (message !== '') return { text: message, details: shown };
  const [name, ...rest] = shown.split('\n');
  return {
    text: name!.replace(/: $/, ''),
    details: rest.length === 0 ? undefined : rest.join('\n'),
  };
}

/** The part of Nest's logger that this file uses. */
interface ErrorLogger {
  error(message: string, stack?: string): void;
}

/**
 * Logs an error. The message says what happened and contains the text of the error. The rest is passed as the stack, which Nest's
 * loggers write below the message or into a separate field.
 *
 * @param others further errors, logged with the label `ofOthers`.
 */
export function logError(
  logger: ErrorLogger,
  what: string,
  error: unknown,
  ofOthers = '',
  others: readonly unknown[] = [],
): void {
  const { text, details } = loggedError(error);
  logErrors(logger, `${what}: ${text}`, ofOthers, others, details, text);
}

/**
 * Logs a message, and the errors that occurred in addition to what the message reports.
 *
 * @param details the stack of the error that the message ends with.
 * @param known the text of that error: errors with the same cause often have the same text, which then appears only once.
 */
export function logErrors(
  logger: ErrorLogger,
  message: string,
  ofErrors: string,
  errors: readonly unknown[],
  details?: string,
  known?: string,
): void {
  const logged = errors.map(loggedError);
  const different = new Set(logged.map(({ text }) => text).filter((text) => text !== known));
  const stop = /[.!?]$/.test(message) ? '' : '.';
  const texts = different.size === 0 ? '' : `${stop} ${ofErrors}: ${[...different].join('; ')}`;
  const stacks = logged.map((each) => each.details && `${ofErrors}: ${each.text}\n${each.details}`);
  const stack = [details, ...stacks].filter((part) => part !== undefined).join('\n');
  logger.error(`${message}${texts}`, stack === '' ? undefined : stack);
}

/** Returns the details to append to a message, for log levels that have no stack. */
export function below(details: string | undefined): string {
  return details === undefined ? '' : `\n${details}`;
}

function inspected(error: unknown): string | undefined {
  try {
    const shown = inspect(error, { depth: DEPTH, maxArrayLength: 20, maxStringLength: 2_000 });
    if (shown.length <= MAX_LENGTH) return shown;
    // The stack comes first and the cause last, so the middle is left out.
    const half = MAX_LENGTH / 2;
    const left = shown.length - MAX_LENGTH;
    return `${shown.slice(0, half)}\n... ${left} more characters ...\n${shown.slice(-half)}`;
  } catch {
    return undefined;
  }
}
