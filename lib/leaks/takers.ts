import type { EndedScopes } from './ended-scopes.js';

/** Who was given an object of a factory last. Scopes that are not followed count as well: they are lent the same objects. */
export class Takers {
  readonly #takers = new WeakMap<object, object>();

  constructor(private readonly ended: EndedScopes) {}

  /**
   * True for a second token of the scope, and for what a factory gives to one scope after the other: that is none's own.
   *
   * @param scope is kept as long as the object; it must not lead to instances.
   */
  isTaken(instance: object, scope: object): boolean {
    const taker = this.#takers.get(instance);
    if (taker === undefined) this.#takers.set(instance, scope);
    else if (taker !== scope) this.ended.lend(instance);
    return taker !== undefined;
  }
}
