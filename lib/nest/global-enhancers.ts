import type { ApplicationConfig } from '@nestjs/core';
import type { Declared, EnhancerKind } from './enhancer-metadata.js';
import type { NestWrapper } from './nest-types.js';

/** Reads the global enhancers of each kind: first the instances, then the wrappers of scoped ones. */
const READ: Readonly<Record<EnhancerKind, (config: ApplicationConfig) => [unknown, unknown]>> = {
  guard: (config) => [config.getGlobalGuards(), config.getGlobalRequestGuards()],
  interceptor: (config) => [config.getGlobalInterceptors(), config.getGlobalRequestInterceptors()],
  pipe: (config) => [config.getGlobalPipes(), config.getGlobalRequestPipes()],
  filter: (config) => [config.getGlobalFilters(), config.getGlobalRequestFilters()],
};

const KINDS = Object.keys(READ) as EnhancerKind[];

/** The global enhancers of one kind, in the order in which they run. */
interface OfKind {
  /** The enhancers from `app.useGlobalGuards()` and the like, and the singletons registered under `APP_GUARD` and the like. */
  readonly declared: readonly Declared[];
  /** The wrappers of request-scoped and transient enhancers that are registered under `APP_GUARD` and the like. */
  readonly scoped: readonly NestWrapper[];
}

/** Reads the global enhancers of the application on each call, because `app.useGlobalGuards()` may be called after start-up. */
export class GlobalEnhancers {
  /** @param config Every application has a config in Nest 11.0.0 to 12.5.1, even without HTTP. */
  constructor(private readonly config: ApplicationConfig | undefined) {}

  get isEmpty(): boolean {
    return KINDS.every((kind) => {
      const { declared, scoped } = this.of(kind);
      return declared.length === 0 && scoped.length === 0;
    });
  }

  of(kind: EnhancerKind): OfKind {
    const { config } = this;
    if (config === undefined) {
      throw new Error(
        'globalEnhancers: the library cannot read the global enhancers of this version of @nestjs/core, so it does not call any handlers. Install a version of Nest that nestjs-scoped-worker supports, or remove the option.',
      );
    }
    const [declared, scoped] = READ[kind](config);
    return {
      declared: (declared as Declared[]).filter(Boolean),
      scoped: scoped as unknown as NestWrapper[],
    };
  }
}
