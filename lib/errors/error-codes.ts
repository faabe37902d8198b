/**
 * Every `code` that an error of this library carries, in the order of `docs/errors.md`.
 *
 * @publicApi
 */
export const ERROR_CODES = [
  'SCOPE_VALIDATION',
  'INVALID_SCHEDULE',
  'DUPLICATE_SCHEDULE',
  'UNKNOWN_SCHEDULE',
  'INVALID_OPTIONS',
  'SCOPE_CLOSED',
  'TICK_TIMEOUT',
  'DISPOSE_TIMEOUT',
  'PERIODIC_TIMER',
  'WRITE_REFUSED',
  'MISSING_PEER',
  'UNSUPPORTED_NEST',
] as const;

/** @publicApi */
export type ErrorCode = (typeof ERROR_CODES)[number];
