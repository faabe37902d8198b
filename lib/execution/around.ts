import { isClass } from '../checks/is-class.js';
import { Ambient, livingAmbient, runInside } from '../scope/ambient.js';
import type { Tick } from './tick.js';

/**
 * Wraps an attempt of a tick: everything from the opening of its scope to the last disposer happens in `next()`.
 *
 * An error that the hook throws after `next()` fails an attempt that had succeeded, in the phase `around`. By then, the scope
 * has committed.
 *
 * @param next runs the attempt once: a second call returns the same promise. Rejects with the error of an attempt that did not
 * succeed. Call it before the hook ends.
 * @publicApi
 */
export type TickHook = (tick: Tick, next: () => Promise<unknown>) => unknown;

/** @publicApi */
export type TickInterceptor = TickHook | { intercept: TickHook };

export function isInterceptor(value: unknown): value is TickInterceptor {
  if (typeof value === 'function') return !isClass(value);
  return typeof (value as { intercept?: unknown } | null)?.intercept === 'function';
}

/** How a chain of hooks has gone. */
export interface AroundEnd {
  /** A hook threw, or ended without `next()`, before the attempt began: there was none. */
  readonly refused?: { readonly error: unknown };
  /** Errors that hooks threw after the attempt had begun, without the attempt's own error; the innermost first. */
  readonly thrown: readonly unknown[];
}

interface Attempted {
  readonly value: unknown;
  readonly failed?: { readonly error: unknown };
}

/**
 * Runs `attempt` inside all hooks, and waits for both.
 *
 * @param attempt must not reject; gives the error of what did not succeed.
 */
export async function runAround(
  hooks: readonly TickInterceptor[],
  tick: Tick,
  attempt: () => Promise<Attempted>,
): Promise<AroundEnd> {
  let hasBegun = false;
  const known = new Set<unknown>();
  const thrown: unknown[] = [];
  const innermost = async (): Promise<unknown> => {
    hasBegun = true;
    const { value, failed } = await attempt();
    if (failed === undefined) return value;
    known.add(failed.error);
    throw failed.error;
  };
  const onThrown = (error: unknown): void => {
    if (!known.has(error)) thrown.push(error);
    known.add(error);
  };
  const outermost = hooks.reduceRight<() => Promise<unknown>>(
    (inner, hook) => () => runHook(hook, tick, inner, onThrown),
    innermost,
  );
  // After `next()` the scope has ended, and a hook is still part of the tick: a shutdown, or a run of its own schedule,
  // that it waits for must not wait for it.
  const ofScope = new Ambient<unknown>(tick.scope, livingAmbient(), true);
  await runInside(ofScope, outermost).catch(() => undefined); // noted by `onThrown`, or the attempt's own error
  ofScope.scope = undefined;
  if (hasBegun) return { thrown };
  const [error, ...others] = thrown.length > 0 ? thrown : [new Error(noNext(tick))];
  return { refused: { error }, thrown: others };
}

/** Runs one hook, and waits for what it has begun, whether it does so itself or not. */
async function runHook(
  hook: TickInterceptor,
  tick: Tick,
  inner: () => Promise<unknown>,
  onThrown: (error: unknown) => void,
): Promise<unknown> {
  let called: Promise<unknown> | undefined;
  let isOver = false;
  const next = (): Promise<unknown> => {
    called ??= isOver ? Promise.reject(new Error(tooLate(tick))) : inner();
    called.catch(() => undefined); // a hook need not wait for it
    return called;
  };
  try {
    return await (typeof hook === 'function' ? hook(tick, next) : hook.intercept(tick, next));
  } catch (error) {
    onThrown(error);
    throw error;
  } finally {
    isOver = true;
    await called?.catch(() => undefined);
  }
}

function noNext({ schedule }: Tick): string {
  return `${schedule}: a hook of \`around\` ended without calling next(), so the tick did not run. Return next(), or throw to say why not.`;
}

function tooLate({ schedule }: Tick): string {
  return `${schedule}: a hook of \`around\` called next() too late, when it had ended: the tick did not run. Return next(), or await it.`;
}
