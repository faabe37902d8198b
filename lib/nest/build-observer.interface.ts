import type { NestWrapper } from './nest-types.js';
import type { BuildRecording } from './plan/build-recording.js';

/** Observes what Nest builds under one context id. */
export interface BuildObserver {
  /** Identifies the observer without keeping a reference to it. */
  readonly key: object;
  /** Records the builds; undefined if no plan is compiled from them. */
  readonly recording: BuildRecording | undefined;
  /** Returns the object to inject in place of an instance; undefined if instances are injected unchanged. */
  readonly standIn: ((instance: object, wrapper: NestWrapper) => object) | undefined;
  /** Returns an error if nothing may be resolved anymore, not even an instance that has already been built. */
  refusalOf(wrapper: NestWrapper): Error | undefined;
  /** Runs before a constructor or a factory. Throws if nothing may be built anymore. */
  beforeBuild(wrapper: NestWrapper): void;
  /**
   * Receives the instance itself, before its dependents are built. The caller awaits the promise.
   *
   * @param inject sets the injected properties now, in place of Nest. May throw.
   */
  built(instance: unknown, wrapper: NestWrapper, inject: () => void): Promise<void> | undefined;
  /**
   * Receives a transient that was built for a durable provider of another context.
   *
   * @param isAwaited returns true as long as that provider may receive the transient, or may hold it.
   */
  lent(instance: object, wrapper: NestWrapper, isAwaited: () => boolean): void;
  /**
   * Receives an instance, already passed to `built` or `lent`, that a durable provider of another context holds, so that it outlives
   * this one.
   */
  outlives(instance: object): void;
  /** Runs if the constructor or factory has thrown; Nest receives the error. */
  buildFailed(): void;
  /** Runs when Nest loads a member of a circular dependency without waiting for that load. */
  notAwaited(loading: Promise<unknown>): void;
}
