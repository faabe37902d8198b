import {
  instancesInOrder,
  type ContextId,
  type NestInside,
  type NestWrapper,
} from '../nest/index.js';

/** Told of what a scan has found; the scan waits for it. */
export type Found = (instance: object, wrapper: NestWrapper) => unknown;

/**
 * Finds what was built for a scope by looking through all providers: for versions of Nest whose builds cannot be
 * watched.
 */
export class BuiltScan {
  readonly #met = new WeakSet<object>();

  constructor(
    private readonly nest: NestInside,
    private readonly contextId: () => ContextId,
  ) {}

  /**
   * Tells what was built since the last scan, what is depended on before what depends on it.
   *
   * @throws the first error of `found`, when all have been found.
   */
  async run(found: Found): Promise<void> {
    const wrappers = [...this.nest.wrappers()].map((placed) => placed.wrapper);
    const errors: unknown[] = [];
    for (const { instance, wrapper } of instancesInOrder(wrappers, this.contextId())) {
      if (typeof instance !== 'object' || instance === null || this.#met.has(instance)) continue;
      this.#met.add(instance);
      try {
        await found(instance, wrapper);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  /** Waits for a load, then scans, also when the load has failed: its error stands. */
  async after<T>(loading: Promise<T>, found: Found): Promise<T> {
    try {
      const instance = await loading;
      await this.run(found);
      return instance;
    } catch (error) {
      await this.run(found).catch(() => undefined);
      throw error;
    }
  }
}
