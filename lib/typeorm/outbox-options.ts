import {
  booleanProblem,
  inheritedProblems,
  isOptions,
  limitProblem,
  named,
  optionsProblems,
  show,
} from '../util/option-checks.js';
import { withoutUndefined } from '../util/values.js';
import { InvalidOptionsError } from '../errors/errors.js';

/** @publicApi */
export interface OutboxSourceOptions {
  /**
   * The time in milliseconds, at least 100, for which other readers can't take a message. The library renews the lease each time
   * a third of it has elapsed, so a handler may take longer than `leaseMs`. If a process is killed, its messages are redelivered
   * when their leases expire.
   *
   * @defaultValue 30_000
   */
  readonly leaseMs?: number;
  /**
   * The time in milliseconds, at least 1, between two reads of the table if no row is announced. Polling finds postponed messages,
   * and messages that a killed process had claimed.
   *
   * @defaultValue 1_000
   */
  readonly pollMs?: number;
  /**
   * The delay in milliseconds before a failed message is redelivered, or a function that returns this delay. The function receives
   * the number of deliveries so far, starting at 1.
   *
   * @defaultValue 1 second after the first failure, doubled after each further failure, up to 60 seconds
   */
  readonly retryDelayMs?: number | ((deliveries: number) => number);
  /**
   * Announces inserted rows with NOTIFY, which wakes waiting readers. A source occupies one of the pool's connections while it
   * reads. With `false`, for example behind a pooler in transaction mode, the source only polls.
   *
   * @defaultValue true
   */
  readonly listen?: boolean;
}

export interface ResolvedOutboxOptions extends Required<OutboxSourceOptions> {
  readonly retryDelayMs: (deliveries: number) => number;
}

export const DEFAULT_RETRY_DELAY = (deliveries: number): number =>
  Math.min(1_000 * 2 ** (deliveries - 1), 60_000);

const DEFAULTS = {
  leaseMs: 30_000,
  pollMs: 1_000,
  retryDelayMs: DEFAULT_RETRY_DELAY,
  listen: true,
} as const satisfies ResolvedOutboxOptions;

/** Returns the options with every default filled in. @throws {InvalidOptionsError} with one problem for each invalid option. */
export function resolveOutboxOptions(
  options: OutboxSourceOptions,
  entity: string,
): ResolvedOutboxOptions {
  const problems = optionProblems(options).map((problem) => `outboxSource(${entity}): ${problem}.`);
  if (problems.length > 0) throw new InvalidOptionsError(problems);
  const given: Required<OutboxSourceOptions> = { ...DEFAULTS, ...withoutUndefined(options) };
  const { retryDelayMs } = given;
  return {
    ...given,
    retryDelayMs: typeof retryDelayMs === 'number' ? () => retryDelayMs : retryDelayMs,
  };
}

function optionProblems(options: OutboxSourceOptions): string[] {
  if (!isOptions(options)) {
    return [`the third argument must be an options object, not ${show(options)}`];
  }
  const known = Object.keys(DEFAULTS);
  const problems = [
    ...optionsProblems(options, known),
    ...named(inheritedProblems(options, known)),
  ];
  const { leaseMs, pollMs, retryDelayMs, listen } = options;
  const say = (option: string, value: unknown, problem: string | undefined): void => {
    if (value !== undefined && problem !== undefined) problems.push(`${option} ${problem}`);
  };
  say('leaseMs', leaseMs, limitProblem(leaseMs, 100));
  say('pollMs', pollMs, limitProblem(pollMs, 1));
  if (typeof retryDelayMs !== 'function') {
    const problem = limitProblem(retryDelayMs, 0);
    say('retryDelayMs', retryDelayMs, problem && `${problem}, or pass a function`);
  }
  say('listen', listen, booleanProblem(listen));
  return problems;
}
