import { AsyncLocalStorage } from 'node:async_hooks';
import { memberReader } from '../util/values.js';
import type { BuildObserver } from './build-observer.interface.js';

/** The preparations that the current code is part of. */
const preparations = new AsyncLocalStorage<readonly Pick<Preparation, 'key' | 'isOver'>[]>();

/**
 * The preparation of the instance whose constructor is running. A constructor doesn't await, so it needs no AsyncLocalStorage,
 * which costs time.
 */
let constructing: Preparation | undefined;

/**
 * Represents the code that prepares one instance: a constructor or a factory, `onScopeInit`, and the work that these begin. This
 * object doesn't refer to the instance, because a connection that a preparation opens keeps the preparation alive.
 */
export class Preparation {
  isOver = false;

  /** @param key the key of the observer. */
  constructor(readonly key: object) {}

  /** True if the calling code is part of this preparation. */
  get isAround(): boolean {
    return underWay().includes(this);
  }

  /** Runs a factory or a hook as part of this preparation. */
  run<T>(work: () => T): T {
    return preparations.run([...underWay(), this], work);
  }
}

/** Reads the hook that completes the preparation of an instance. */
export const initHookOf = memberReader<{ onScopeInit: unknown }>(
  (instance) => instance.onScopeInit,
);

/** Runs a constructor as part of a preparation. */
export function constructIn<T>(preparation: Preparation, work: () => T): T {
  const outer = constructing;
  constructing = preparation;
  try {
    return work();
  } finally {
    constructing = outer;
  }
}

/** Returns true if the calling code prepares an instance that is built for this observer. */
export function isPreparing({ key }: BuildObserver): boolean {
  return underWay().some((preparation) => preparation.key === key);
}

/** Returns the key of the observer for which the calling factory builds; undefined outside a build. */
export function keyOfBuild(): object | undefined {
  return underWay().at(-1)?.key;
}

/** Runs work. If a constructor calls this function, the work is part of that constructor's build. */
export function asPartOfBuild<T>(work: () => T): T {
  const build = constructing;
  if (build === undefined) return work();
  // This isn't the preparation itself: the work that a constructor begins still waits for `onScopeInit`.
  const begun = {
    key: build.key,
    get isOver() {
      return build.isOver;
    },
  };
  return preparations.run([...underWay(), begun], work);
}

function underWay(): readonly Pick<Preparation, 'key' | 'isOver'>[] {
  return (preparations.getStore() ?? []).filter(({ isOver }) => !isOver);
}
