import type { NestModule } from './nest-types.js';
import { refuseOldNest } from './supported-nest.js';

/** The modules of an application as Nest keeps them, in the order in which it found them. */
export abstract class Application {
  abstract readonly modules: ReadonlyMap<string, NestModule>;

  constructor() {
    refuseOldNest();
  }
}
