import type { NestProperty, NestWrapper } from '../nest-types.js';

/** A call by Nest to a constructor or a factory, with the values that Nest passed. */
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
