import type { NestModule } from './nest-types.js';
import { refuseOldNest } from './supported-nest.js';

/** The modules of an application as Nest keeps them, in the order in which it found them. */
export abstract class Application {
  abstract readonly modules: ReadonlyMap<string, NestModule>;

  constructor() {
    refuseOldNest();
  }

  /**
   * True if `Test.createTestingModule()` created the application, so that it is only a part of one. The name is the same from
   * 11.0.0 to 12.5.1.
   */
  get isTestingModule(): boolean {
    return [...this.modules.values()].some(({ name }) => name === 'RootTestModule');
  }
}
