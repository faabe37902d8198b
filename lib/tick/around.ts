import { isClass } from '../util/values.js';
import type { Tick } from './tick.interface.js';

/**
 * A hook around each attempt of a tick, as a function or an object with `intercept()`. `next()` runs everything from `onOpen`
 * to the last disposer.
 *
 * If the hook throws after `next()`, an attempt that had succeeded fails in the `around` phase. By then, the scope has committed.
 *
 * @param next runs the attempt once: a second call returns the same promise. The promise rejects with the error of an attempt that
 * didn't succeed. Call `next()` before the hook ends.
 * @publicApi
 */
export type AroundHook =
  | ((tick: Tick, next: () => Promise<unknown>) => unknown)
  | { intercept(tick: Tick, next: () => Promise<unknown>): unknown };

export function isAroundHook(value: unknown): value is AroundHook {
  if (typeof value === 'function') return !isClass(value);
  return typeof (value as { intercept?: unknown } | null)?.intercept === 'function';
}

/** The reason why an attempt doesn't run: a hook threw `error`, or ended without calling `next()`. */
export interface Refused {
  readonly error: unknown;
}

/** The outcome of an attempt, or of a hook around it. */
export interface Attempted {
  readonly value: unknown;
  readonly failed?: { readonly error: unknown };
}

/** An attempt, and its outcome for the next outer hook. */
interface Surrounded<A extends Attempted> {
  readonly attempted: A;
  readonly outcome: Attempted;
}

/**
 * Runs `attempt` inside all hooks, and waits until the hooks and the attempt have ended.
 *
 * If a hook throws or ends before it has called `next()`, the attempt is refused with an error. For the outer hooks, the
 * refused attempt ends like any other.
 *
 * @param attempt must not reject; returns the error of an attempt that didn't succeed. With `refused`, only ends the scope.
 * @returns the result of `attempt`, and the errors that hooks threw, innermost first, without the attempt's own error.
 */
export async function runAround<A extends Attempted>(
  hooks: readonly AroundHook[],
  tick: Tick,
  attempt: (refused?: Refused) => Promise<A>,
): Promise<{ readonly attempted: A; readonly errors: readonly unknown[] }> {
  const errors = new Set<unknown>();
  const innermost = async (refused?: Refused): Promise<Surrounded<A>> => {
    const attempted = await attempt(refused);
    return { attempted, outcome: attempted };
  };
  const outermost = hooks.reduceRight<() => Promise<Surrounded<A>>>(
    (inner, hook) => async () => {
      const { attempted, outcome } = await runHook(hook, tick, inner, innermost);
      if (outcome.failed !== undefined) errors.add(outcome.failed.error);
      return { attempted, outcome };
    },
    innermost,
  );
  const { attempted } = await outermost();
  if (attempted.failed !== undefined) errors.delete(attempted.failed.error);
  return { attempted, errors: [...errors] };
}

/** Runs one hook, and waits for the attempt that it started, even if the hook itself doesn't. */
async function runHook<A extends Attempted>(
  hook: AroundHook,
  tick: Tick,
  inner: () => Promise<Surrounded<A>>,
  refuse: (refused: Refused) => Promise<Surrounded<A>>,
): Promise<Surrounded<A>> {
  let running: Promise<Surrounded<A>> | undefined;
  let called: Promise<unknown> | undefined;
  let isOver = false;
  const next = (): Promise<unknown> => {
    if (called !== undefined) return called;
    if (!isOver) running = inner();
    called = running?.then(resultOf) ?? Promise.reject(new Error(tooLate(tick)));
    called.catch(() => undefined); // a hook need not wait for it
    return called;
  };
  let outcome: Attempted;
  try {
    outcome = {
      value: await (typeof hook === 'function' ? hook(tick, next) : hook.intercept(tick, next)),
    };
  } catch (error) {
    outcome = { value: undefined, failed: { error } };
  }
  isOver = true;
  if (running === undefined) return refuse(outcome.failed ?? { error: new Error(noNext(tick)) });
  const { attempted } = await running;
  return { attempted, outcome };
}

/** Returns the value of an attempt. @throws the error of an attempt that didn't succeed. */
function resultOf({ outcome: { value, failed } }: Surrounded<Attempted>): unknown {
  if (failed !== undefined) throw failed.error;
  return value;
}

function noNext({ schedule }: Tick): string {
  return `${schedule}: an \`around\` hook ended without calling next(), so the tick did not run. Return next(), or throw an error that says why.`;
}

function tooLate({ schedule }: Tick): string {
  return `${schedule}: an \`around\` hook called next() after the hook had ended, so the tick did not run. Return next(), or await it.`;
}
