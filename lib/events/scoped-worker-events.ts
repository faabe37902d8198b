import { Logger } from '@nestjs/common';
import { functionProblem, show } from '../util/option-checks.js';
import { logError } from '../errors/error-log.js';
import { refuseInvalid } from '../errors/errors.js';
import { runOutside } from '../scope/work-context.js';
import { getOrAdd, isThenable } from '../util/values.js';
import type { ScopedWorkerEventMap } from './event-map.js';
import { EVENT_NAMES } from './event-names.js';

type EventName = keyof ScopedWorkerEventMap;
type Listener<E extends EventName> = (event: ScopedWorkerEventMap[E]) => unknown;

const NOTHING: readonly Promise<void>[] = [];

/**
 * Emits typed events, for logs, metrics and tests.
 *
 * The library calls listeners one after the other, in the order in which you added them, before it continues. If a listener
 * throws or rejects, the library logs the error; the other listeners and the tick aren't affected. Listeners aren't part of the
 * tick that emits the event. For `shutdown:started` alone, the library awaits the promises that listeners return.
 *
 * @publicApi
 */
export class ScopedWorkerEvents {
  private readonly listeners = new Map<EventName, Set<Listener<never>>>();
  private readonly logger = new Logger('ScopedWorker');

  /**
   * Calls `listener` for each event with this name.
   *
   * @returns a function that removes the listener.
   * @throws {InvalidOptionsError} if there is no such event, or if the listener isn't a function.
   */
  on<E extends EventName>(event: E, listener: Listener<E>): () => void {
    refuseBad('on', event, listener);
    getOrAdd(this.listeners, event, () => new Set()).add(listener as Listener<never>);
    return () => this.off(event, listener);
  }

  /** Calls `listener` only for the next event with this name; otherwise works like `on`. */
  once<E extends EventName>(event: E, listener: Listener<E>): () => void {
    refuseBad('once', event, listener);
    const off = this.on(event, (payload) => {
      off();
      return listener(payload);
    });
    return off;
  }

  off<E extends EventName>(event: E, listener: Listener<E>): void {
    this.listeners.get(event)?.delete(listener as Listener<never>);
  }

  /** @internal */
  isHeard(event: EventName): boolean {
    return (this.listeners.get(event)?.size ?? 0) > 0;
  }

  /** @internal */
  emit<E extends EventName>(event: E, payload: ScopedWorkerEventMap[E]): void {
    if (this.isHeard(event)) void runOutside(() => this.announce(event, payload));
  }

  /**
   * Works like `emit`, but for callers that await the listeners. The listeners run as part of the caller's work.
   *
   * @internal
   * @returns the pending promises of the listeners; they never reject.
   */
  announce<E extends EventName>(
    event: E,
    payload: ScopedWorkerEventMap[E],
  ): readonly Promise<void>[] {
    const listeners = this.listeners.get(event);
    if (listeners === undefined) return NOTHING;
    let pending: Promise<void>[] | undefined;
    for (const listener of [...listeners] as Listener<E>[]) {
      try {
        const result = listener(payload);
        if (isThenable(result))
          (pending ??= []).push(
            Promise.resolve(result).then(
              () => undefined,
              (error: unknown) => this.report(event, error),
            ),
          );
      } catch (error) {
        this.report(event, error);
      }
    }
    return pending ?? NOTHING;
  }

  private report(event: EventName, error: unknown): void {
    try {
      logError(this.logger, `A listener for ${event} failed`, error);
    } catch {
      // The application's logger threw: there is no other place to report the error.
    }
  }
}

function refuseBad(method: string, event: unknown, listener: unknown): void {
  const problems: string[] = [];
  if (!EVENT_NAMES.includes(event as string))
    problems.push(`${show(event)} isn't an event; the events are ${EVENT_NAMES.join(', ')}`);
  const problem = functionProblem(listener);
  if (problem !== undefined) problems.push(`the listener ${problem}`);
  refuseInvalid(`events.${method}()`, problems);
}
