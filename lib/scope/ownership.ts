import { Injectable } from '@nestjs/common';
import { NestInside, StaticHoldings, type NestWrapper } from '../nest/index.js';
import { isShared } from './shared.js';

/**
 * Decides what a scope owns of what Nest built under its context id.
 *
 * Not owned: what is not an object, what an earlier provider or scope already owns (an alias, a factory that
 * hands out one object again and again), what a factory marked as `shared()`, and what a factory
 * returns though a static provider holds it.
 */
@Injectable()
export class Ownership {
  readonly #owned = new WeakSet<object>();
  readonly #statics: StaticHoldings;

  constructor(nest: NestInside) {
    this.#statics = new StaticHoldings(nest);
  }

  /** True when the scope counts the instance as built for it. An object is counted once. */
  isCandidate(instance: unknown, wrapper: NestWrapper): instance is object {
    if (instance === null || (typeof instance !== 'object' && typeof instance !== 'function'))
      return false;
    return !wrapper.isAlias && !isShared(instance);
  }

  /** Gives an object up that was disposed: a factory may hand it out again, as a pool does. */
  release(instance: object): void {
    this.#owned.delete(instance);
  }

  /** Takes an object that has something to do at the end; true for the first taker only. */
  claim(instance: object, wrapper: NestWrapper): boolean {
    if (this.#owned.has(instance)) return false;
    const isFactory = wrapper.inject !== null && wrapper.inject !== undefined;
    if (isFactory && this.#statics.holds(instance)) return false;
    this.#owned.add(instance);
    return true;
  }
}
