import type { NestProperty, NestWrapper } from '../nest-types.js';

/** A constructor or a factory that Nest called, with the values that it passed. */
export interface RecordedBuild {
  readonly wrapper: NestWrapper;
  readonly injected: readonly unknown[];
  readonly properties: readonly NestProperty[];
  /** The instance as Nest injects it, with the decoration of an `instanceDecorator`. */
  instance: unknown;
}

/** Records what Nest builds for one load, in the order of the calls. */
export class BuildRecording {
  readonly builds: RecordedBuild[] = [];

  /** @param loadsBefore the number of loads that had ended when this one began. */
  constructor(readonly loadsBefore = 0) {}

  add(
    wrapper: NestWrapper,
    injected: readonly unknown[],
    properties: readonly NestProperty[],
  ): RecordedBuild {
    const build = { wrapper, injected, properties: [...properties], instance: undefined };
    this.builds.push(build);
    return build;
  }
}
