import { textOf } from './error-text.js';
import { isErrorOf } from './is-error-of.js';

/** One error as it is; several as an `AggregateError` that keeps their order and names the first. */
export function combined(errors: readonly unknown[]): unknown {
  if (errors.length === 1) return errors[0];
  return new AggregateError(errors, `${errors.length} errors, the first: ${textOf(errors[0])}`);
}

/** True for the error itself, and for each error of an `AggregateError`. */
export function isPartOf(error: unknown, whole: unknown): boolean {
  if (error === whole) return true;
  if (!isErrorOf(whole, AggregateError)) return false;
  const errors: unknown = whole.errors;
  return Array.isArray(errors) && errors.includes(error);
}

/** True for the error itself, and for one that has it as a cause, or among its errors. */
export function leadsTo(whole: unknown, error: unknown, depth = 8): boolean {
  if (whole === error) return true;
  if (depth === 0 || typeof whole !== 'object' || whole === null) return false;
  try {
    const { cause, errors } = whole as { cause?: unknown; errors?: unknown };
    const parts: unknown[] = [cause, ...(Array.isArray(errors) ? errors : [])];
    return parts.some((part) => leadsTo(part, error, depth - 1));
  } catch {
    return false; // a getter of the error threw
  }
}
