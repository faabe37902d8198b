import {
  functionProblem,
  isOptions,
  limitProblem,
  named,
  nameProblem,
  optionsProblems,
  show,
  signalProblem,
} from '../util/option-checks.js';
import { resolveHandlerOptions, type HandlerDefaults } from '../schedule/handler-options.js';
import { functionName } from '../schedule/schedule.js';
import type { Slot } from '../schedule/slot.js';
import { neverDueTiming } from '../schedule/timing.js';
import type { Tick } from './tick.interface.js';

/**
 * Options that turn the work of `ProviderScopeFactory.run()` into a tick.
 *
 * @publicApi
 */
export interface StandaloneTick<P = unknown> {
  /**
   * The name of the work in reports, events and logs: `tick.schedule`. Name the kind of work, such as `'mails.send'`, not the
   * individual run. Several runs can have the same name at the same time. The registry doesn't list the name.
   */
  readonly name: string;
  /** Aborts the tick when this signal is aborted, with the same reason. Default: only a timeout and the shutdown abort the tick. */
  readonly signal?: AbortSignal;
  /** Milliseconds after which the signal of the tick is aborted and the tick counts as timed out. Minimum 1. Default: no limit. */
  readonly timeoutMs?: number;
  /** The value of `tick.payload`. */
  readonly payload?: P;
  /** In a tick, `REQUEST` is the tick: use `payload` instead. */
  readonly request?: never;
}

/** Creates the slot of a standalone tick or of exclusive work, with a schedule that is never due and never listed. */
export function standaloneSlot(
  name: string,
  work: Function,
  options: HandlerDefaults,
  call: (tick: Tick<never>) => unknown,
): Slot {
  return {
    trigger: 'manual',
    scheduledAt: new Date(),
    schedule: {
      name,
      handler: functionName(work),
      ...neverDueTiming('timeout'),
      isOff: true,
      options: resolveHandlerOptions('timeout', options),
      target: { call, isStandalone: true },
    },
  };
}

/** The options of `ProviderScopeFactory.run()`. */
const OF_RUN = ['name', 'signal', 'timeoutMs', 'payload', 'request'] as const;

/** Returns the problems with the arguments of `ProviderScopeFactory.run()`. */
export function runProblems(work: unknown, options: unknown): string[] {
  const problems = named({ work: functionProblem(work) });
  if (!isOptions(options))
    return [
      ...problems,
      `options must be an object such as { name } or { request }, not ${show(options)}`,
    ];
  problems.push(...optionsProblems(options, OF_RUN));
  const { name, signal, timeoutMs, payload, request } = options as Partial<
    Record<keyof StandaloneTick, unknown>
  >;
  if (name === undefined) {
    for (const [key, value] of Object.entries({ signal, timeoutMs, payload }))
      if (value !== undefined)
        problems.push(`${key} requires a name, because only a tick has this option. Add name`);
    return problems;
  }
  const noRequest =
    'cannot be combined with the name option, because in a tick, REQUEST is the tick. Use payload';
  return [
    ...problems,
    ...named({
      name: nameProblem(name, false),
      timeoutMs: timeoutMs === undefined ? undefined : limitProblem(timeoutMs, 1),
      signal: signal === undefined ? undefined : signalProblem(signal),
      request: request === undefined ? undefined : noRequest,
    }),
  ];
}
