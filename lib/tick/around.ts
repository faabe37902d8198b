import { isClass } from '../util/values.js';
import type { Tick } from './tick.interface.js';

/**
 * A hook around each attempt of a tick, as a function or an object with `intercept()`. `next()` runs everything from the opening
 * of the scope to the last disposer.
 *
 * If the hook throws after `next()`, an attempt that had succeeded fails in the phase `around`. By then, the scope has committed.
 *
 * @param next runs the attempt once: a second call returns the same promise. It rejects with the error of an attempt that didn't
 * succeed. Call it before the hook ends.
 * @publicApi
 */
export type AroundHook =
  | ((tick: Tick, next: () => Promise<unknown>) => unknown)
  | { intercept(tick: Tick, next: () => Promise<unknown>): unknown };

export function isAroundHook(value: unknown): value is AroundHook {
  if (typeof value === 'function') return !isClass(value);
  return typeof (value as { intercept?: unknown } | null)?.intercept === 'function';
}

/** Why an attempt doesn't run: the error of the hook that prevented it. */
export interface Refused {
  readonly error: unknown;
}

export interface Attempted {
  readonly value: unknown;
  readonly failed?: { readonly error: unknown };
}

/**
 * Runs `attempt` inside all hooks, and waits for both.
 *
 * If a hook throws or ends before it has called `next()`, the attempt is refused with that error. For the outer hooks, the
 * refused attempt ends like any other.
 *
 * @param attempt must not reject; returns the error of an attempt that didn't succeed. With `refused`, it only ends the scope.
 * @returns the errors that hooks threw, without the attempt's own error; the innermost first.
 */
export async function runAround(
  hooks: readonly AroundHook[],
  tick: Tick,
  attempt: (refused?: Refused) => Promise<Attempted>,
): Promise<readonly unknown[]> {
  const known = new Set<unknown>();
  const thrown: unknown[] = [];
  const innermost = async (refused?: Refused): Promise<unknown> => {
    const { value, failed } = await attempt(refused);
    if (failed === undefined) return value;
    known.add(failed.error);
    throw failed.error;
  };
  const onThrown = (error: unknown): void => {
    if (!known.has(error)) thrown.push(error);
    known.add(error);
  };
  const outermost = hooks.reduceRight<() => Promise<unknown>>(
    (inner, hook) => () => runHook(hook, tick, inner, innermost, onThrown),
    () => innermost(),
  );
  await outermost().catch(() => undefined); // recorded by `onThrown`, or the attempt's own error
  return thrown;
}

/** Runs one hook, and waits for the attempt that it started, even if the hook itself doesn't. */
async function runHook(
  hook: AroundHook,
  tick: Tick,
  inner: () => Promise<unknown>,
  refuse: (refused: Refused) => Promise<unknown>,
  onThrown: (error: unknown) => void,
): Promise<unknown> {
  let called: Promise<unknown> | undefined;
  let isOver = false;
  const next = (): Promise<unknown> => {
    called ??= isOver ? Promise.reject(new Error(tooLate(tick))) : inner();
    called.catch(() => undefined); // a hook need not wait for it
    return called;
  };
  let refused: Refused;
  try {
    const value = await (typeof hook === 'function'
      ? hook(tick, next)
      : hook.intercept(tick, next));
    if (called !== undefined) return value;
    refused = { error: new Error(noNext(tick)) };
  } catch (error) {
    if (called !== undefined) {
      onThrown(error);
      throw error;
    }
    refused = { error };
  } finally {
    isOver = true;
    await called?.catch(() => undefined);
  }
  return refuse(refused);
}

function noNext({ schedule }: Tick): string {
  return `${schedule}: a hook of \`around\` ended without calling next(), so the tick did not run. Return next(), or throw an error that says why.`;
}

function tooLate({ schedule }: Tick): string {
  return `${schedule}: a hook of \`around\` called next() after it had ended, so the tick did not run. Return next(), or await it.`;
}
