import type { NestModule } from './nest-types.js';
import { refuseOldNest } from './supported-nest.js';

/** Reads the modules of an application, in the order in which Nest found them. */
export abstract class Application {
  abstract readonly modules: ReadonlyMap<string, NestModule>;

  constructor() {
    refuseOldNest();
  }

  /**
   * True if `Test.createTestingModule()` created the application, which is then only a part of the real one. The root module of
   * such an application is named `RootTestModule` from Nest 11.0.0 to 12.5.1.
   */
  get isTestingModule(): boolean {
    return [...this.modules.values()].some(({ name }) => name === 'RootTestModule');
  }
}
