import { booleanProblem, limitProblem, optionsProblems, show } from '../util/option-checks.js';
import { InvalidOptionsError } from '../errors/errors.js';

/** @publicApi */
export interface OutboxSourceOptions {
  /**
   * For how long a message is out of others' reach, in milliseconds, from 100. It is renewed every third of it for as long as
   * the message is held, so a handler may take longer; it says how soon the messages of a process that
   * was killed are delivered again.
   *
   * @defaultValue 30_000
   */
  readonly leaseMs?: number;
  /**
   * How often the table is looked at when nothing was announced, in milliseconds, from 1. Messages that are put off, and those of
   * a process that was killed, are found this way.
   *
   * @defaultValue 1_000
   */
  readonly pollMs?: number;
  /**
   * How long a message that failed waits for its next delivery, in milliseconds; a function is given the number of its deliveries,
   * from 1.
   *
   * @defaultValue 1 second after the first failure, doubled after each, 60 seconds at most
   */
  readonly retryDelayMs?: number | ((deliveries: number) => number);
  /**
   * Whether rows are announced with NOTIFY when they are inserted, and a reader that waits is woken. It holds one connection of the
   * pool for as long as it reads. False only polls: for poolers in transaction mode, say.
   *
   * @defaultValue true
   */
  readonly listen?: boolean;
}

export interface ResolvedOutboxOptions {
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly retryDelayMs: (deliveries: number) => number;
  readonly listen: boolean;
}

export const DEFAULT_RETRY_DELAY = (deliveries: number): number =>
  Math.min(1_000 * 2 ** (deliveries - 1), 60_000);

const DEFAULTS = {
  leaseMs: 30_000,
  pollMs: 1_000,
  retryDelayMs: DEFAULT_RETRY_DELAY,
  listen: true,
} as const satisfies ResolvedOutboxOptions;

/** @throws {InvalidOptionsError} with a sentence for each option that is wrong. */
export function resolveOutboxOptions(
  options: OutboxSourceOptions,
  entity: string,
): ResolvedOutboxOptions {
  const problems = optionProblems(options).map((problem) => `outboxSource(${entity}): ${problem}.`);
  if (problems.length > 0) throw new InvalidOptionsError(problems);
  const {
    leaseMs = DEFAULTS.leaseMs,
    pollMs = DEFAULTS.pollMs,
    retryDelayMs = DEFAULTS.retryDelayMs,
    listen = DEFAULTS.listen,
  } = options;
  return {
    leaseMs,
    pollMs,
    listen,
    retryDelayMs: typeof retryDelayMs === 'number' ? () => retryDelayMs : retryDelayMs,
  };
}

function optionProblems(options: OutboxSourceOptions): string[] {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    return [`the third argument must be an object of options, not ${show(options)}`];
  }
  const problems = optionsProblems(options, Object.keys(DEFAULTS));
  const { leaseMs, pollMs, retryDelayMs, listen } = options;
  const say = (option: string, value: unknown, problem: string | undefined): void => {
    if (value !== undefined && problem !== undefined) problems.push(`${option} ${problem}`);
  };
  say('leaseMs', leaseMs, limitProblem(leaseMs, 100));
  say('pollMs', pollMs, limitProblem(pollMs, 1));
  if (typeof retryDelayMs !== 'function') {
    const problem = limitProblem(retryDelayMs, 0);
    say('retryDelayMs', retryDelayMs, problem && `${problem}, and no function`);
  }
  say('listen', listen, booleanProblem(listen));
  return problems;
}
